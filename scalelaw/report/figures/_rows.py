"""Values in rows, which several figures show: a number and its interval for each row, a mark for each series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scalelaw.fit import FittedLaw
from scalelaw.report.figures._contract import Margins, legend_height
from scalelaw.report.figures._parts import label_width, legend_below, panel_heading, row_labels
from scalelaw.report.figures._prepare import with_band
from scalelaw.report.figures._ticks import log_input, plain_target
from scalelaw.report.style import INK, MUTED, PAPER, SMALL, TINY, look
from scalelaw.report.text.measure import text_width


@dataclass(frozen=True)
class Dots:
    """One series of a figure in rows: values [k], and the ends of their intervals [k] where there are any."""

    name: str
    values: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass(frozen=True)
class Rows:
    """Values in rows. column: the input whose axis this is, else `axis` is the label of a plain one; band: what the
    values are compared with; marked: rows to be seen; side: a text at the right of each row."""

    title: str
    axis: str
    note: str
    labels: tuple[str, ...]
    series: tuple[Dots, ...]
    column: str = ""
    band: tuple[float, float] | None = None
    marked: tuple[bool, ...] = ()
    side: tuple[str, ...] = ()


def known(fitted: FittedLaw, name: str) -> tuple[float, float, float]:
    """A parameter or derived quantity and its interval; NaN where nothing is known."""
    if name in fitted.params:
        low, high = fitted.intervals.get(name, (None, None))
        return fitted.params[name], number(low), number(high)
    entry = fitted.derived.get(name, {"value": None, "interval": None})
    low, high = entry["interval"] or (None, None)
    return number(entry["value"]), number(low), number(high)


def number(value: Any) -> float:
    """A number, NaN where it is not known."""
    return np.nan if value is None else float(value)


def draw(axes: Axes, data: Rows) -> None:
    """Draw a row per label, the first on top; a grey band is what the values are compared with."""
    _scale(axes, data)
    row_labels(axes, data.labels)
    axes.grid(False, axis="y")
    if data.band is not None:
        axes.axvspan(*data.band, color="#eef0f2", linewidth=0, zorder=0.5)
    handles = [_series(axes, index, data) for index in range(len(data.series))]
    for row, text in enumerate(data.side):
        axes.annotate(
            text, (1, row), (8, 0), xycoords=("axes fraction", "data"), textcoords="offset points", ha="left",
            va="center", size=TINY, color=MUTED, annotation_clip=False,
        )  # fmt: skip
    panel_heading(axes, data.title, data.note)
    if len(handles) > 1:
        legend_below(axes, handles)


def _scale(axes: Axes, data: Rows) -> None:
    finite = np.concatenate(
        [np.ravel([v for v in (s.values, s.low, s.high) if v is not None]) for s in data.series]
    )
    finite = np.concatenate([finite[np.isfinite(finite)], data.band or ()])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    values = np.concatenate([s.values[np.isfinite(s.values)] for s in data.series])
    if values.size:  # an interval without an end must not hide the others
        reach = 4 * max(float(np.ptp(values)), float(np.abs(values).max()))
        if reach:
            low, high = max(low, float(values.min()) - reach), min(high, float(values.max()) + reach)
    if data.column:
        room = (high / low) ** 0.08 if high > low else 2.0
        log_input(axes, "x", data.column, low / room, high * room, tuple(np.unique(finite)))
    else:
        plain_target(axes, "x", low, high, data.axis)


def _series(axes: Axes, index: int, data: Rows) -> Line2D:
    series = data.series[index]
    colour, marker, _ = look(index)
    at = np.arange(len(data.labels)) + 0.16 * (index - (len(data.series) - 1) / 2)
    if series.low is not None and series.high is not None:
        axes.hlines(at, series.low, series.high, color=colour, linewidth=3, alpha=0.45)
    axes.plot(series.values, at, linestyle="none", marker=marker, color=colour, markeredgecolor=PAPER,
              markeredgewidth=0.7, markersize=7, zorder=3)  # fmt: skip
    for row, place in enumerate(at):
        if data.marked and data.marked[row] and np.isfinite(series.values[row]):
            axes.plot(series.values[row], place, linestyle="none", marker="o", markersize=12, color="none",
                      markeredgecolor=INK, markeredgewidth=1.1, zorder=3.5)  # fmt: skip
    return Line2D([], [], linestyle="none", marker=marker, color=colour, markeredgecolor=PAPER, label=series.name,
                  markersize=SMALL - 2)  # fmt: skip


def frame(data: Rows) -> pd.DataFrame:
    """Each value with its row and series, and its interval where it has one."""
    frames = [
        with_band({"row": list(data.labels), "series": s.name, "value": s.values}, s.low, s.high)
        for s in data.series
    ]
    return pd.concat(frames, ignore_index=True)


def margins(data: Rows, width: float) -> Margins:
    """Labels of the rows at the left, texts at the right."""
    right = 0.12 + max([0.05, *(text_width(text, TINY) + 0.1 for text in data.side)])
    left, names = label_width(data.labels, width), [series.name for series in data.series]
    below = legend_height(names, width - left - right) if len(names) > 1 else 0.6
    return Margins(left, right, max(0.4, 0.24 * len(data.labels)), below)
