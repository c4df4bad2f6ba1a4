"""The profile of a parameter: how much the objective increases with the parameter fixed at other values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.special import fdtri

from scalelaw.fit import FittedLaw
from scalelaw.fit.profile_curve import profile_curves
from scalelaw.report.figures._contract import Margins, plain_margins
from scalelaw.report.figures._parts import panel_heading
from scalelaw.report.figures._ticks import plain_linear
from scalelaw.report.study import Study
from scalelaw.report.style import INK, MUTED, PAPER, PETROFF10, TINY
from scalelaw.report.text import format as fmt

TITLE = "Profile of a parameter"
IN_SECTION = True
_STEPS = 17
_WIDE = 10.0
"""A profile is drawn to at most this multiple of the fitted value: a wider interval would hide what is inside it."""
_REACH = 3.0
"""A profile is drawn up to this multiple of the threshold."""


@dataclass(frozen=True)
class Profile:
    """The increase of the objective with a parameter fixed at other values. values, rise: [m]; rise is the F statistic
    (objective - least) / (least / (n - p)); threshold: its quantile at `level`; best: the fitted value."""

    name: str
    values: np.ndarray
    rise: np.ndarray
    threshold: float
    level: float
    best: float
    n: int
    cut: bool = False
    """Whether the interval goes on beyond what is drawn."""


def prepare(study: Study) -> Profile | None:
    """The profile of the first free parameter of the fit that has one."""
    return None if study.fitted is None else next(iter(profiles(study.fitted)), None)


def profiles(fitted: FittedLaw) -> list[Profile]:
    """The profile of each free parameter: the least objective with it fixed across and beyond its interval.

    Nothing where that would say nothing: other losses than squares, weights, tied parameters, no interval, no freedom.
    """
    free = [name for name, (low, high) in fitted.bounds.items() if low != high]
    spare = fitted.n_points - len(free)
    plain = fitted.loss["kind"] == "squared" and fitted.checklist.get("weights", "none") == "none"
    if not plain or fitted.ties or spare < 1 or fitted.objective <= 0 or fmt.is_average(fitted.law):
        return []
    threshold = float(fdtri(1, spare, float(fitted.interval["level"])))
    spans = {name: span for name in free if (span := _span(fitted, name)) is not None}
    if not spans:
        return []
    profiles = []
    for name, least in profile_curves(fitted, {name: values for name, (values, _) in spans.items()}).items():
        values, cut = spans[name]
        best, rise = fitted.params[name], (least / fitted.objective - 1) * spare
        shown = np.isfinite(rise) & (rise <= _REACH * threshold)
        if shown.sum() > 2:
            profiles.append(
                Profile(name, values[shown], np.maximum(rise[shown], 0.0), threshold,
                        float(fitted.interval["level"]), best, fitted.n_points, cut)
            )  # fmt: skip
    return profiles


def _span(fitted: FittedLaw, name: str) -> tuple[np.ndarray, bool] | None:
    """Values of a parameter across and beyond its interval, and whether the interval goes on beyond them; None without
    a finite interval."""
    low, high = (np.nan if end is None else float(end) for end in fitted.intervals.get(name, (None, None)))
    if not np.isfinite([low, high]).all() or high <= low:
        return None
    beyond, best = 0.4 * (high - low), fitted.params[name]
    cut = best > 0 and high + beyond > _WIDE * best
    ends = np.clip([low - beyond, _WIDE * best if cut else high + beyond], *fitted.bounds[name]).tolist()
    return np.unique([*np.linspace(ends[0], ends[1], _STEPS), best]), cut


def draw(axes: Axes, data: Profile) -> None:
    """Draw the profile; what lies under the dashed line belongs to the interval."""
    axes.plot(data.values, data.rise, color=PETROFF10[0])
    axes.plot(
        data.best,
        0.0,
        marker="*",
        markersize=14,
        color=INK,
        markeredgecolor=PAPER,
        linestyle="none",
        zorder=4,
    )
    axes.axhline(data.threshold, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    inside = data.rise <= data.threshold
    axes.fill_between(data.values, 0, np.minimum(data.rise, data.threshold), where=inside.tolist(),
                      color=PETROFF10[0], alpha=0.15, linewidth=0)  # fmt: skip
    low, high = float(data.values.min()), float(data.values.max())
    axes.set(xlim=(low - 0.04 * (high - low), high + 0.04 * (high - low)))
    axes.set_ylim(-0.06 * float(data.rise.max()), 1.08 * max(float(data.rise.max()), 1.15 * data.threshold))
    plain_linear(axes.xaxis, *axes.get_xlim(), most=4)
    plain_linear(axes.yaxis, *axes.get_ylim(), most=5)
    axes.set_xlabel(f"{fmt.greek(data.name)} fixed (no unit{'; goes on' if data.cut else ''})")
    axes.set_ylabel("F statistic (no unit)")
    axes.annotate(
        f"{100 * data.level:g}%", (1, data.threshold), (-2, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", va="bottom", size=TINY, color=MUTED,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
    )  # fmt: skip
    panel_heading(axes, f"Profile of {fmt.greek(data.name)}", f"n = {data.n}")


def frame(data: Profile) -> pd.DataFrame:
    """The values of the parameter and the F statistic at each."""
    return pd.DataFrame({data.name: data.values, "f_statistic": data.rise}).assign(threshold=data.threshold)


def margins(data: Profile, width: float) -> Margins:
    """A scale at the left."""
    return plain_margins(width)
