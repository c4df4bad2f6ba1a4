"""The fit: error against one input, a curve per level of another, with points, bands and the chosen configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scalelaw.fit import FittedLaw
from scalelaw.report.figures._contract import Margins, plain_margins
from scalelaw.report.figures._parts import (
    BEYOND,
    beyond_handle,
    hatch_beyond,
    legend_below,
    no_error_beyond,
    panel_heading,
)
from scalelaw.report.figures._prepare import GRID, curve_label, level_groups, wider
from scalelaw.report.figures._ticks import log_input, plain_target
from scalelaw.report.study import Study
from scalelaw.report.style import INK, PAPER, look
from scalelaw.report.text import format as fmt
from scalelaw.report.values import axes_of, column_of, predicted, with_medians

TITLE = "The fitted curves"
IN_SECTION = True


@dataclass(frozen=True)
class Curve:
    """The law along one input at one value of the others. x, mean: [m]; low, high: [m] or None; points: [k] each."""

    label: str
    level: float
    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    places: np.ndarray
    measured: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Curves:
    """Error against one input, a curve per level of another. limits: ends of the target's axis, shared with another
    panel; title: heading, in place of what is drawn against what."""

    along: str
    by: str
    target: str
    n: int
    curves: tuple[Curve, ...]
    measured_range: tuple[float, float]
    measured_values: tuple[float, ...]
    interval: float | None
    nearest: bool = False
    mark: Mapping[str, Any] | None = None
    limits: tuple[float, float] | None = None
    title: str = ""

    @property
    def extent(self) -> tuple[float, float]:
        """The smallest and largest target shown: all curves and points, and of the bands what lies near them.

        A band that leaves the measured range may go anywhere; it must not press what was measured into a line.
        """
        if self.limits is not None:
            return self.limits
        values = np.concatenate([v for c in self.curves for v in (c.mean, c.measured)])
        values = values[np.isfinite(values)]
        least, most = float(values.min()), float(values.max())
        room = 0.5 * (most - least)
        bands = np.concatenate([values, *(v for c in self.curves for v in (c.low, c.high) if v is not None)])
        bands = np.clip(
            bands[np.isfinite(bands)], least - room if least > 2 * room else 0.5 * least, most + room
        )
        return float(bands.min()), float(bands.max())


def prepare(study: Study) -> Curves | None:
    """Error against the first input of the fit, with the choice of the first plan."""
    if study.fitted is None:
        return None
    along, by = axes_of(study.fitted)
    return slices(study.fitted, along, by, study.optima[0]["best"] if study.optima else None)


def slices(fitted: FittedLaw, along: str, by: str | None, mark: Mapping[str, Any] | None = None) -> Curves:
    """Error against `along`, a curve per value of `by` (at most seven); other inputs at their median."""
    inputs, target = fitted.points["inputs"], np.asarray(fitted.points["target"])
    spread = _spread(fitted, len(target))
    x = np.asarray(inputs[along])
    span = (float(x.min()), float(x.max()))
    low, high = wider(span, 1.6, *([mark[along]] if mark and along in mark else []))
    grid = np.geomspace(low, high, GRID)
    levels, owner = level_groups(inputs, by, len(x))
    many = by is not None and len(np.unique(inputs[by])) > len(levels)
    shown, shown_by = column_of(fitted, along), column_of(fitted, by) if by else ""
    if mark is not None and along in mark:
        mark = {**mark, shown: mark[along]}
    curves = []
    for index, value in enumerate([*levels, *_unmeasured(mark, by, levels)]):
        mean, below, above = predicted(
            fitted, with_medians(fitted, {along: grid, **({by: value} if by else {})})
        )
        mine = owner == index
        label = curve_label(shown_by, value) + ("" if index < len(levels) else ", not measured")
        curves.append(
            Curve(label, float(value), grid, mean, below, above, x[mine], target[mine], spread[mine])
        )
    interval = None if curves[0].low is None else float(fitted.interval["level"])
    return Curves(
        shown, shown_by, fmt.target_of(fitted), len(x), tuple(curves), span, tuple(np.unique(x)), interval,
        nearest=many, mark=mark,
    )  # fmt: skip


def _unmeasured(mark: Mapping[str, Any] | None, by: str | None, levels: np.ndarray) -> list[float]:
    """The level of the chosen configuration, where none of the curves has it."""
    if mark is None or by is None or np.isclose(levels, mark[by], rtol=1e-9).any():
        return []
    return [float(mark[by])]


def _spread(fitted: FittedLaw, n: int) -> np.ndarray:
    return np.broadcast_to(np.asarray(fitted.points["target_se"], float), n)


def draw(axes: Axes, data: Curves) -> None:
    """Draw the law and the points along one input."""
    grid = data.curves[0].x
    log_input(axes, "x", data.along, float(grid[0]), float(grid[-1]), data.measured_values)
    plain_target(axes, "y", *data.extent, fmt.axis(data.target))
    no_error_beyond(axes, "y", data.target)
    hatch_beyond(axes, "x", data.measured_range)
    handles = [_curve(axes, index, curve) for index, curve in enumerate(data.curves)]
    if data.mark:
        handles.append(_mark(axes, data))
    drawn = f"{fmt.capital(fmt.named(data.target))} against {fmt.named(data.along)}"
    panel_heading(axes, data.title or drawn, _note(data))
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
        axes.errorbar(curve.places[known], curve.measured[known], yerr=curve.spread[known], fmt="none",
                      ecolor=colour, elinewidth=1, capsize=2, zorder=3.5)  # fmt: skip
    axes.plot(curve.places, curve.measured, linestyle="none", marker=marker, markerfacecolor=colour,
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


def frame(data: Curves) -> pd.DataFrame:
    """Each curve with its band, the points, and the chosen configuration."""
    frames = []
    for curve in data.curves:
        columns = {"curve": curve.label, data.along: curve.x, "predicted": curve.mean}
        if curve.low is not None and curve.high is not None:
            columns |= {"low": curve.low, "high": curve.high}
        frames.append(pd.DataFrame(columns).assign(kind="law"))
        points = {
            "curve": curve.label,
            data.along: curve.places,
            "measured": curve.measured,
            "se": curve.spread,
        }
        frames.append(pd.DataFrame(points).assign(kind="point"))
    if data.mark:
        pick = {data.along: [data.mark[data.along]], "predicted": [data.mark["error"]], "kind": ["chosen"]}
        frames.append(pd.DataFrame(pick))
    return pd.concat([f for f in frames if len(f)], ignore_index=True)


def margins(data: Curves, width: float) -> Margins:
    """A scale at the left, a legend below."""
    labels = [curve.label for curve in data.curves] + ["chosen"] * bool(data.mark) + [BEYOND]
    return plain_margins(width, labels, title=bool(data.by))
