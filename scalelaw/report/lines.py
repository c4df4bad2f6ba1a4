"""Data of the line figures along one input: fits beside each other, compressors, profiles of parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scalelaw.errors import ScalelawError
from scalelaw.fit import FittedLaw, fit_law
from scalelaw.report import series
from scalelaw.report.study import Study
from scalelaw.report.text import format as fmt

_STEPS = 17
_WIDE = 10.0
"""A profile is drawn to so many times the fitted value at most: an interval wider than that hides what is in it."""
_REACH = 3.0
"""A profile is drawn until it is so many times as high as the threshold."""


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


def relative(studies: Sequence[Study], along: str) -> Lines:
    """The error along one input as a multiple of its value at the smallest measured one, other inputs at their
    median: what more of it buys each family of tasks."""
    lines, counts = [], []
    for study in studies:
        fitted = study.fitted
        assert fitted is not None
        values = np.unique(fitted.points["inputs"][along])
        mean, _, _ = series.predicted(fitted, series.with_medians(fitted, {along: values}))
        low = high = None
        if series.parameter_draws(fitted):
            drawn = np.asarray(fitted.predict_draws(**series.with_medians(fitted, {along: values})))
            tail = (1 - float(fitted.interval["level"])) / 2
            with np.errstate(invalid="ignore"):  # between two infinite draws
                low, high = np.nanquantile(drawn / drawn[:, :1], (tail, 1 - tail), axis=0)
        lines.append(Line(fmt.capital(study.name), values, mean / mean[0], low, high))
        counts.append(str(fitted.n_points))
    first = studies[0].fitted
    name, target = (series.column(first, along), fmt.target_of(first)) if first else (along, "error")
    return Lines(
        f"What more {fmt.named(name)} buy" if name.endswith("tokens") else f"What a larger {fmt.named(name)} buys",
        name, f"{fmt.named(target)} (share of the first)",
        f"n = {', '.join(dict.fromkeys(counts))}", tuple(lines),
    )  # fmt: skip


def compressors(frame: pd.DataFrame) -> list[Lines]:
    """The mean error of each compressor along visual tokens, a panel per family of tasks, of the benchmarks and
    models that were measured for every point shown: none is compared on easier tasks than another."""
    known = frame[frame[["error", "visual_tokens", "compressor"]].notna().all(axis=1)]
    curves = []
    order = {name: place for place, name in enumerate(sorted(known["compressor"].unique()))}
    filled = known.assign(task_family=known["task_family"].fillna("tasks not stated"))
    for family, rows in filled.groupby("task_family", sort=True):
        rows = rows.assign(case=_cases(rows))
        cells = rows.groupby(["compressor", "visual_tokens"])["case"].agg(set)
        shared = _shared(list(cells))
        cells = cells[[shared <= cell for cell in cells]]
        if not shared or cells.index.get_level_values(0).nunique() < 2:
            continue
        rows = rows[rows["case"].isin(shared)]
        means = rows.groupby(["compressor", "visual_tokens"])["error"].mean()[cells.index]
        lines = tuple(
            Line(
                fmt.capital(fmt.named(str(name))),
                part.index.get_level_values(1).to_numpy(float),
                part.to_numpy(),
                look=order[name],
            )
            for name, part in means.groupby(level=0)
        )
        benchmarks = fmt.count(int(rows["benchmark"].nunique()), "benchmark")
        title = fmt.capital(fmt.named(str(family)))
        curves.append(
            Lines(title, "visual_tokens", f"mean {fmt.axis(fmt.target_of_rows(rows))}",
                  f"n = {int(rows.set_index(['compressor', 'visual_tokens']).index.isin(cells.index).sum())} · "
                  f"{benchmarks}", lines)
        )  # fmt: skip
    return curves


def _cases(frame: pd.DataFrame) -> pd.Series:
    parts = [
        frame[c].astype(object).where(frame[c].notna(), "").astype(str)
        for c in ("benchmark", "metric", "n_params")
    ]
    return parts[0] + "|" + parts[1] + "|" + parts[2]


def _shared(cells: Sequence[set[str]]) -> set[str]:
    """The cases of most cells: every cell that lacks one of them is left out."""
    counts = pd.Series([case for cell in cells for case in cell]).value_counts()
    return set(counts[counts >= 0.6 * len(cells)].index)


def profiles(fitted: FittedLaw) -> list[Profile]:
    """The profile of each free parameter: refits with it fixed at values across and beyond its interval.

    Nothing where that would say nothing: other losses than squares, weights, no interval, no freedom.
    """
    from scipy.stats import f

    free = [name for name, (low, high) in fitted.bounds.items() if low != high]
    spare = fitted.n_points - len(free)
    plain = fitted.loss["kind"] == "squared" and fitted.checklist.get("weights", "none") == "none"
    if not plain or spare < 1 or fitted.objective <= 0 or fitted.law.startswith("average:"):
        return []
    threshold = float(f.ppf(float(fitted.interval["level"]), 1, spare))
    profiles = []
    for name in free:
        low, high = (
            np.nan if end is None else float(end) for end in fitted.intervals.get(name, (None, None))
        )
        if not np.isfinite([low, high]).all() or high <= low:
            continue
        room = 0.4 * (high - low)
        best = fitted.params[name]
        cut = best > 0 and high + room > _WIDE * best
        ends = np.clip([low - room, _WIDE * best if cut else high + room], *fitted.bounds[name]).tolist()
        values = np.unique([*np.linspace(ends[0], ends[1], _STEPS), fitted.params[name]])
        rise = (np.array([_least(fitted, name, value) for value in values]) / fitted.objective - 1) * spare
        shown = np.isfinite(rise) & (rise <= _REACH * threshold)
        if shown.sum() > 2:
            profiles.append(
                Profile(name, values[shown], np.maximum(rise[shown], 0.0), threshold, float(fitted.interval["level"]),
                        best, fitted.n_points, cut)
            )  # fmt: skip
    return profiles


def _least(fitted: FittedLaw, name: str, value: float) -> float:
    """The least objective with the parameter fixed at a value; NaN where there is no such fit."""
    frame = pd.DataFrame({**fitted.points["inputs"], fitted.target: fitted.points["target"]})
    fixed = {n: low for n, (low, high) in fitted.bounds.items() if low == high}
    bounds = {n: ends for n, ends in fitted.bounds.items() if n not in fixed and n != name}
    try:
        refit = fit_law(
            frame, fitted.law, {n: n for n in fitted.inputs}, fitted.target, bootstrap=0,
            fix={**fixed, name: float(value)}, bounds=bounds, residual=fitted.loss["residual"],
        )  # fmt: skip
    except ScalelawError:
        return np.nan
    return refit.objective
