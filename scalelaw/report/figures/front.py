"""The front: the least error that each cost buys, the configurations on it, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from scalelaw.report.figures.parts import legend_below, no_error_beyond, panel_heading
from scalelaw.report.render.pdf import clip
from scalelaw.report.style import INK, MUTED, PAPER, SMALL, look
from scalelaw.report.surfaces import Front
from scalelaw.report.text import format as fmt
from scalelaw.report.ticks import plain_target, round_numbers


def draw_front(axes: Axes, data: Front) -> None:
    """Draw error against cost, a look per model; bands are intervals from the draws, stars the chosen ones."""
    costs = [p["costs"][data.kind] for p in data.points]
    low, high = min(costs) / 1.25, max(costs) * 1.25
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [v for v in round_numbers(low, high) if low <= v <= high]
    ticks = ticks if len(ticks) < 7 else [v for v in ticks if f"{v:.0e}".startswith("1")]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([fmt.si(v) for v in ticks]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"cost ({fmt.cost_unit(data.kind) or data.kind})")
    errors = [p["error"] for p in data.points]
    lowest, highest = (errors if points is None else points for points in (data.low, data.high))
    plain_target(axes, "y", float(np.min(lowest)), float(np.max(highest)), fmt.axis(data.target))
    no_error_beyond(axes, "y", data.target)
    if data.low is not None and data.high is not None:
        axes.fill_between(costs, data.low, data.high, color=MUTED, alpha=0.25, linewidth=0, zorder=1.5)
    handles = [
        _model(axes, i, name, points, data.kind)
        for i, (name, points) in enumerate(_by_model(data.points).items())
    ]
    for pick in data.picks:
        axes.plot(pick["costs"][data.kind], pick["error"], marker="*", markersize=16, color=INK, markeredgecolor=PAPER,
                  zorder=5)  # fmt: skip
    handles.append(Line2D([], [], linestyle="none", marker="*", markersize=12, color=INK, label="chosen"))
    for limit in data.budgets:
        axes.axvline(limit, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1.8)
    panel_heading(axes, f"Least {fmt.named(data.target)} by cost", _note(data))
    legend_below(axes, handles)


def _note(data: Front) -> str:
    return f"n = {data.n}" if data.n else fmt.count(len(data.points), "configuration")


def _model(axes: Axes, index: int, name: str, points: Sequence[Mapping[str, Any]], kind: str) -> Line2D:
    colour, marker, style = look(index)
    x, y = [p["costs"][kind] for p in points], [p["error"] for p in points]
    (line,) = axes.plot(
        x, y, linestyle=style, marker=marker, markevery=max(1, len(x) // 6), color=colour, markeredgecolor=PAPER,
        markeredgewidth=0.6, markersize=6.5, label=clip(name, 1.5, SMALL), zorder=3,
    )  # fmt: skip
    return line


def _by_model(points: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for point in points:
        groups.setdefault(str(point["model"]), []).append(point)
    return groups
