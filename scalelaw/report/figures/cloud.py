"""The refits of a fit to resampled measurements: two parameters against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from scalelaw.fit import FittedLaw
from scalelaw.report.figures._contract import Margins, plain_margins
from scalelaw.report.figures._parts import panel_heading
from scalelaw.report.figures._ticks import plain_linear
from scalelaw.report.study import Study
from scalelaw.report.style import INK, PAPER, PETROFF10
from scalelaw.report.text import format as fmt
from scalelaw.report.values import parameter_draws

TITLE = "Refits of two parameters"
IN_SECTION = True


@dataclass(frozen=True)
class Cloud:
    """Bootstrap draws of two parameters [m], and the fitted pair."""

    x_name: str
    y_name: str
    x: np.ndarray
    y: np.ndarray
    best: tuple[float, float]


def prepare(study: Study) -> Cloud | None:
    """The draws of the first two parameters that vary."""
    return None if study.fitted is None else next(iter(clouds(study.fitted)), None)


def clouds(fitted: FittedLaw) -> list[Cloud]:
    """The draws of at most three pairs of parameters; none without a bootstrap, and for an average of laws."""
    if fmt.is_average(fitted.law):
        return []
    draws = parameter_draws(fitted)
    names = [name for name, values in draws.items() if np.ptp(values) > 0]
    return [Cloud(x, y, draws[x], draws[y], (fitted.params[x], fitted.params[y])) for x, y in _pairs(names)]


def _pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    wanted = [("alpha", "beta"), ("D", "alpha"), ("D", "beta")]
    pairs = [p for p in wanted if p[0] in names and p[1] in names]
    return (pairs or [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]])[:3]


def draw(axes: Axes, data: Cloud) -> None:
    """Draw the draws of two parameters (a dot each) and the fitted pair (a star); parameters have no unit."""
    x_name, y_name, x, y, best = data.x_name, data.y_name, data.x, data.y, data.best
    axes.plot(
        x, y, linestyle="none", marker="o", markersize=2.2, color=PETROFF10[0], alpha=0.4, markeredgewidth=0
    )
    axes.plot(*best, marker="*", markersize=14, color=INK, markeredgecolor=PAPER)
    axes.set_xlabel(f"{fmt.greek(x_name)} (no unit)")
    axes.set_ylabel(f"{fmt.greek(y_name)} (no unit)")
    axes.set(xlim=_span(x, best[0]), ylim=_span(y, best[1]))
    plain_linear(axes.xaxis, *axes.get_xlim(), most=5)
    plain_linear(axes.yaxis, *axes.get_ylim(), most=5)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    outside = int(np.sum((x < left) | (x > right) | (y < low) | (y > high)))
    panel_heading(
        axes,
        f"{fmt.greek(y_name)} against {fmt.greek(x_name)}",
        f"{len(x):,} draws" + (f", {outside} outside" if outside else ""),
    )


def _span(values: np.ndarray, best: float) -> tuple[float, float]:
    """The middle 99% of the values, no further than 5 quartile ranges from the quartiles, and the fitted one, with
    some room: far draws would hide the rest."""
    low, first, third, high = map(float, np.quantile(values, (0.005, 0.25, 0.75, 0.995)))
    if (reach := 5 * (third - first)) > 0:
        low, high = max(low, first - reach), min(high, third + reach)
    low, high = min(low, best), max(high, best)
    room = 0.08 * (high - low) or 0.1 * abs(best) or 1.0
    return low - room, high + room


def frame(data: Cloud) -> pd.DataFrame:
    """The draws of both parameters."""
    return pd.DataFrame({data.x_name: data.x, data.y_name: data.y})


def margins(data: Cloud, width: float) -> Margins:
    """A scale at the left."""
    return plain_margins(width)
