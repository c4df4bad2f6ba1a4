"""The front: the least error that each cost buys, the configurations on it, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from scalelaw.fit import FittedLaw
from scalelaw.report.figures._contract import Margins, plain_margins
from scalelaw.report.figures._parts import legend_below, no_error_beyond, panel_heading
from scalelaw.report.figures._prepare import costs_of, kind_of
from scalelaw.report.figures._ticks import plain_target, round_numbers
from scalelaw.report.study import Study
from scalelaw.report.style import INK, MUTED, PAPER, SMALL, look
from scalelaw.report.text import format as fmt
from scalelaw.report.text.measure import clip
from scalelaw.report.values import predicted

TITLE = "Least error by cost"
IN_SECTION = True


@dataclass(frozen=True)
class Front:
    """The least error at each cost. points, picks: configurations as an optimum lists them; kind: of cost."""

    target: str
    n: int | None
    kind: str
    points: tuple[Mapping[str, Any], ...]
    picks: tuple[Mapping[str, Any], ...]
    budgets: tuple[float, ...]
    low: np.ndarray | None = None
    high: np.ndarray | None = None


def prepare(study: Study) -> Front | None:
    """The front of the first plan."""
    fronts = [optimum for optimum in study.optima if len(optimum.get("pareto") or ()) > 1]
    return front(fronts, study.fitted) if fronts else None


def front(optima: Sequence[Mapping[str, Any]], fitted: FittedLaw | None) -> Front:
    """The front of the first optimum, with the picks and budgets of all that are of its kind."""
    kind = kind_of(optima[0])
    points = sorted(optima[0]["pareto"] or [optima[0]["best"]], key=lambda p: p["costs"][kind])
    low = high = None
    if fitted is not None:
        known = {n: np.array([p[n] for p in points]) for n in ("n_params", "visual_tokens")}
        known["text_tokens"] = np.full(len(points), float(optima[0]["text_tokens"]))
        _, low, high = predicted(fitted, {name: known[name] for name in fitted.inputs})
    return Front(
        target=fmt.target_of_plan(optima[0]) if fitted is None else fmt.target_of(fitted),
        n=None if fitted is None else fitted.n_points,
        kind=kind,
        points=tuple(points),
        picks=tuple(o["best"] for o in optima if kind in o["best"]["costs"]),
        budgets=tuple(o["budget"][kind] for o in optima if kind in o["budget"]),
        low=low,
        high=high,
    )


def draw(axes: Axes, data: Front) -> None:
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


def frame(data: Front) -> pd.DataFrame:
    """The configurations on the front with their costs and intervals, then the chosen ones."""
    points = pd.DataFrame([costs_of(p) for p in data.points]).assign(kind="front")
    if data.low is not None and data.high is not None:
        points = points.assign(low=data.low, high=data.high)
    picks = pd.DataFrame([costs_of(p) for p in data.picks]).assign(kind="chosen")
    return pd.concat([points, picks], ignore_index=True)


def margins(data: Front, width: float) -> Margins:
    """A scale at the left, a legend below."""
    return plain_margins(width, [clip(name, 1.5, SMALL) for name in (*_by_model(data.points), "chosen")])
