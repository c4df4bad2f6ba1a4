"""The fit: error against one input, a curve per level of another, with points, bands and the chosen configuration."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scalelaw.report.figures.parts import (
    beyond_handle,
    hatch_beyond,
    legend_below,
    no_error_beyond,
    panel_heading,
)
from scalelaw.report.series import Curve, Curves
from scalelaw.report.style import INK, PAPER, look
from scalelaw.report.text import format as fmt
from scalelaw.report.ticks import log_input, plain_target


def draw_curves(
    axes: Axes,
    data: Curves,
    extent: tuple[float, float] | None = None,
    legend: bool = True,
    heading: str = "",
) -> None:
    """Draw the law and the points along one input; `extent` of the target is the data's own unless given.

    heading: what stands above, by default what is drawn against what.
    """
    grid = data.curves[0].x
    log_input(axes, "x", data.along, float(grid[0]), float(grid[-1]), data.measured_values)
    plain_target(axes, "y", *(extent or data.extent), fmt.axis(data.target))
    no_error_beyond(axes, "y", data.target)
    hatch_beyond(axes, "x", data.measured_range)
    handles = [_curve(axes, index, curve) for index, curve in enumerate(data.curves)]
    if data.mark:
        handles.append(_mark(axes, data))
    drawn = f"{fmt.capital(fmt.named(data.target))} against {fmt.named(data.along)}"
    panel_heading(axes, heading or drawn, _note(data))
    if legend:
        title = fmt.capital(fmt.named(data.by)) if data.by else ""
        title += ", points at the nearest curve" if data.nearest else ""
        legend_below(axes, [*handles, beyond_handle()], title)


def _curve(axes: Axes, index: int, curve: Curve) -> Line2D:
    colour, marker, line = look(index)
    if curve.low is not None and curve.high is not None:
        axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0, zorder=1.5)
    axes.plot(curve.x, curve.mean, color=colour, linestyle=line, zorder=3)
    if np.isfinite(curve.spread).any():
        known = np.isfinite(curve.spread)
        axes.errorbar(curve.at[known], curve.measured[known], yerr=curve.spread[known], fmt="none",
                      ecolor=colour, elinewidth=1, capsize=2, zorder=3.5)  # fmt: skip
    axes.plot(curve.at, curve.measured, linestyle="none", marker=marker, markerfacecolor=colour,
              markeredgecolor=PAPER, markeredgewidth=0.7, zorder=4)  # fmt: skip
    return Line2D([], [], color=colour, linestyle=line, marker=marker, markeredgecolor=PAPER, markeredgewidth=0.7,
                  label=curve.label)  # fmt: skip


def _mark(axes: Axes, data: Curves) -> Line2D:
    choice = data.mark
    assert choice is not None
    place = [choice[data.along]], [choice["error"]]
    axes.plot(
        *place, marker="*", markersize=15, color=INK, markeredgecolor=PAPER, markeredgewidth=1, zorder=5
    )
    label = "chosen"
    return Line2D([], [], linestyle="none", marker="*", markersize=12, color=INK, label=label)


def _note(data: Curves) -> str:
    band = f" · bands: {100 * data.interval:g}%" if data.interval else ""
    return f"n = {data.n}{band}"
