"""scalelaw: fit scaling laws of vision-language models and plan inference budgets.

    import scalelaw as sl
    table = sl.read_table("vlm_reasoning")
    fitted = sl.fit_law(table, law="product_power")
    optimum = sl.find_optimum(fitted, budget={"flops": 8e11}, text_tokens=50)
    sl.write_report([fitted, optimum], "report.pdf")

Importing it is cheap: a name is loaded when it is first used, and torch never is.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scalelaw.version import __version__

if TYPE_CHECKING:
    from scalelaw.fit import FittedLaw, predict_places
    from scalelaw.fit.fit_law import fit_law
    from scalelaw.fit.load_fit import load_fit
    from scalelaw.measure import Measurement, measure_latency
    from scalelaw.plan import Optimum, find_optimum, serve_optimum
    from scalelaw.report import save_figure, write_report
    from scalelaw.table.read import read_table
    from scalelaw.tokens import TokenCount, count_tokens

_HOMES = {
    "FittedLaw": "scalelaw.fit",
    "fit_law": "scalelaw.fit",
    "load_fit": "scalelaw.fit",
    "predict_places": "scalelaw.fit",
    "Measurement": "scalelaw.measure",
    "measure_latency": "scalelaw.measure",
    "save_figure": "scalelaw.report",
    "Optimum": "scalelaw.plan",
    "find_optimum": "scalelaw.plan",
    "serve_optimum": "scalelaw.plan",
    "write_report": "scalelaw.report",
    "read_table": "scalelaw.table",
    "TokenCount": "scalelaw.tokens",
    "count_tokens": "scalelaw.tokens",
}

__all__ = [
    "FittedLaw",
    "Measurement",
    "Optimum",
    "TokenCount",
    "__version__",
    "count_tokens",
    "find_optimum",
    "fit_law",
    "load_fit",
    "measure_latency",
    "predict_places",
    "read_table",
    "save_figure",
    "serve_optimum",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scalelaw' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
