"""How a report looks: paper, type sizes, colours, markers, line styles; matplotlib's settings, never set globally.

Colours: petroff10 (arXiv 2107.02270), told apart by marker and line style as well.
Surfaces: cividis (arXiv 1712.01662).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from scalelaw.report import matplotlib_settings  # isort: skip  # noqa: F401 - before matplotlib
import matplotlib as mpl

from scalelaw.fit.input_checks import checked_by_caller

PAGE = (11.69, 8.27)
"""Width and height of every page in inches: A4, landscape."""
MARGIN = 0.65
"""Left and right margin in inches."""

INK, MUTED, RULE, PAPER = "#1f2328", "#59616a", "#c9ced4", "#ffffff"
SURFACE = "cividis"
ON_LIGHT, ON_DARK = "#1f2329", "#fffffe"
"""Ink and paper on a surface's own colours, which stay where a page turns dark."""
BODY, SMALL, TINY = 10.0, 9.0, 8.0
"""Type sizes in points; nothing is set smaller than TINY."""

PETROFF10 = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
LINES: tuple[Any, ...] = (
    "-", (0, (6, 2)), (0, (7, 2, 1.5, 2)), (0, (1.5, 1.5)), (0, (4, 1, 1, 1, 1, 1)),
    (0, (9, 3)), (0, (3, 1)), (0, (1, 3)), (0, (9, 2, 3, 2)), (0, (2, 2, 6, 2)),
)  # fmt: skip

_OTHERS = (
    "backend", "backend_fallback", "interactive", "toolbar", "timezone", "tk", "webagg", "macosx", "savefig.directory",
)  # fmt: skip
"""Settings that change no figure, and stay the user's."""
_SETTINGS: dict[str, Any] = {
    "pdf.fonttype": 42,
    "svg.hashsalt": "scalelaw",
    "font.family": "DejaVu Sans",
    "font.size": SMALL,
    "text.color": INK,
    "text.parse_math": False,
    "text.hinting": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": SMALL,
    "axes.labelpad": 5.0,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": BODY,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": True,
    "grid.color": "#e6e9ec",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "legend.borderaxespad": 0.0,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": TINY,
    "ytick.labelsize": TINY,
}


class Look(NamedTuple):
    """Colour, marker and line style of one curve."""

    colour: str
    marker: str
    line: Any


def look(index: int) -> Look:
    """The look of curve number `index`: colour, marker and line style change together."""
    return Look(PETROFF10[index % 10], MARKERS[index % 10], LINES[index % 10])


@contextmanager
def styled() -> Iterator[None]:
    """Inside the block matplotlib draws in the report's style, whatever the user's settings and SOURCE_DATE_EPOCH (no
    file holds a date); both are restored after it. Predictions give no PredictionWarning: the report has its own.
    """
    defaults = {
        key: mpl.rcParamsDefault[key]
        for key in mpl.rcParamsDefault
        if key not in _OTHERS and key.split(".")[0] not in _OTHERS
    }
    epoch = os.environ.pop("SOURCE_DATE_EPOCH", None)
    try:
        with mpl.rc_context({**defaults, **_SETTINGS}), checked_by_caller():
            yield
    finally:
        if epoch is not None:
            os.environ["SOURCE_DATE_EPOCH"] = epoch
