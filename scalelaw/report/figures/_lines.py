"""Lines along one input, which several figures show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scalelaw.report.figures._contract import Margins, plain_margins
from scalelaw.report.figures._parts import legend_below, panel_heading
from scalelaw.report.figures._prepare import with_band
from scalelaw.report.figures._ticks import log_input, plain_target
from scalelaw.report.style import PAPER, look


@dataclass(frozen=True)
class Line:
    """x, y: [m]; low, high: [m] or None."""

    label: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    look: int | None = None
    """The number of its look; its place among the lines unless given."""


@dataclass(frozen=True)
class Lines:
    """Lines along one input. target: the label of the other axis."""

    title: str
    along: str
    target: str
    note: str
    lines: tuple[Line, ...]


def draw(axes: Axes, data: Lines) -> None:
    """Draw each line with its points, and its band where it has one."""
    x = np.concatenate([line.x for line in data.lines])
    low, high = float(x.min()), float(x.max())
    room = (high / low) ** 0.05 if high > low else 2.0
    log_input(axes, "x", data.along, low / room, high * room, tuple(np.unique(x)))
    values = np.concatenate([v for ln in data.lines for v in (ln.y, ln.low, ln.high) if v is not None])
    plain_target(axes, "y", float(np.nanmin(values)), float(np.nanmax(values)), data.target)
    handles = []
    for index, line in enumerate(data.lines):
        colour, marker, style = look(index if line.look is None else line.look)
        if line.low is not None and line.high is not None:
            axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, linewidth=0, zorder=1.5)
        marks: dict[str, Any] = {
            "color": colour,
            "linestyle": style,
            "marker": marker,
            "markersize": 6.5,
        }
        handles += axes.plot(line.x, line.y, **marks, markeredgecolor=PAPER, label=line.label, zorder=3)
    panel_heading(axes, data.title, data.note)
    legend_below(axes, [Line2D([], [], **_look(handle)) for handle in handles])


def _look(line: Line2D) -> dict[str, Any]:
    names = ("color", "linestyle", "marker", "markeredgecolor", "label")
    return {name: getattr(line, f"get_{name}")() for name in names}


def frame(data: Lines) -> pd.DataFrame:
    """Each line at its places, with its band where it has one."""
    frames = [
        with_band({"line": line.label, data.along: line.x, "value": line.y}, line.low, line.high)
        for line in data.lines
    ]
    return pd.concat(frames, ignore_index=True)


def margins(data: Lines, width: float) -> Margins:
    """A scale at the left, a legend below."""
    return plain_margins(width, [line.label for line in data.lines])
