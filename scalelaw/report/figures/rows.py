"""Values in rows: a number and its interval for each law, choice, fit or kind of budget, a mark for each series."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scalelaw.report.figures.parts import legend_below, panel_heading, row_labels
from scalelaw.report.rows import Rows
from scalelaw.report.style import INK, MUTED, PAPER, SMALL, TINY, look
from scalelaw.report.ticks import log_input, plain_target


def draw_rows(axes: Axes, data: Rows, labels: bool = True) -> None:
    """Draw a row per label, the first on top; a grey band is what the values are held against."""
    _scale(axes, data)
    row_labels(axes, data.labels if labels else [""] * len(data.labels))
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
