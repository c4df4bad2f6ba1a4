"""Reports and figures from fits, plans and tables.

collect, study, values: the items of a report, their names and numbers; figures: plug-ins that draw; text: numbers, laws
and answers as text; blocks, sections: what a report contains, as a list of blocks; render: the list as PDF, HTML, LaTeX
and single figures; export: the list as JSON and csv; document: `write_report`.

matplotlib is imported when something is drawn, so that `scalelaw.report.text` costs no start-up time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scalelaw.report.document import write_report
    from scalelaw.report.render.figure import save_figure

__all__ = ["save_figure", "write_report"]

_MODULES = {"save_figure": "scalelaw.report.render.figure", "write_report": "scalelaw.report.document"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    importlib.import_module("scalelaw.report.matplotlib_settings")  # imports matplotlib with safe settings
    return getattr(importlib.import_module(_MODULES[name]), name)
