"""What a fit would have been on other data: bootstrap refits, and intervals from them.

residual: residuals of the fit, centred, times sqrt(n / (n - p)), drawn again onto the fitted values;
case: points drawn again, as weights. Intervals are percentiles, taken at the level at which a t quantile with
n - p degrees of freedom is a normal one: raw percentile intervals of 28 points cover 91-92 % instead of 95.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scalelaw.errors import unknown
from scalelaw.fit.engine import Descent, Problem, descend

Array = np.ndarray
METHODS = ("residual", "case")


@dataclass(frozen=True)
class Draws:
    """Bootstrap refits: parameters [p, n_draws], and how many refits did not end in a minimum (left out)."""

    method: str
    parameters: Array
    failed: int


def bootstrap(problem: Problem, fitted: Array, draws: int, method: str, rng: np.random.Generator) -> Draws:
    """Refit `draws` resampled tables, all at once, each from the fitted parameters [p]."""
    if method not in METHODS:
        raise unknown("resampling method", method, METHODS, code="unknown_resampling")
    if draws == 0:
        return Draws(method, np.empty((len(fitted), 0)), 0)
    resampled = _residual(problem, fitted, draws, rng) if method == "residual" else _case(problem, draws, rng)
    ends: Descent = descend(resampled, np.repeat(fitted[:, None], draws, axis=1), tolerance=1e-9, steps=60)
    good = np.isfinite(ends.objective) & np.isfinite(ends.parameters).all(axis=0)
    return Draws(method, ends.parameters[:, good], int((~good).sum()))


def _residual(problem: Problem, fitted: Array, draws: int, rng: np.random.Generator) -> Problem:
    value = problem.law.value(problem.inputs, fitted[:, None])
    residual = problem.objective.residuals(value, problem.target)[0]
    n, free = len(residual), int((~problem.fixed).sum())
    root = 1.0 if problem.weight is None else np.sqrt(problem.weight[0])
    scaled = residual * root
    scaled = (scaled - scaled.mean()) * np.sqrt(n / max(n - free, 1))
    noise = rng.choice(scaled, (draws, n)) / root
    target = value * np.exp(noise) if problem.objective.residual == "log" else value + noise
    return replace(problem, target=target)


def _case(problem: Problem, draws: int, rng: np.random.Generator) -> Problem:
    n = problem.target.shape[1]
    count = rng.multinomial(n, np.full(n, 1 / n), size=draws).astype(float)
    return replace(problem, weight=count if problem.weight is None else count * problem.weight)


def percentile(draws: Array, level: float, freedom: int) -> tuple[float, float]:
    """The central interval of draws [n], widened for `freedom` degrees of freedom; infinite draws stay infinite."""
    if draws.size == 0 or freedom < 1:
        return (np.nan, np.nan)
    tail = 0.5 * (1 - widened(level, freedom))
    ordered = np.sort(draws)
    return _at(ordered, tail), _at(ordered, 1 - tail)


def widened(level: float, freedom: int) -> float:
    """The level whose normal quantile is the t quantile of `level`: .95 becomes .961 at 24 degrees of freedom."""
    from scipy.special import ndtr, stdtrit

    return float(2 * ndtr(stdtrit(freedom, 0.5 * (1 + level))) - 1)


def _at(ordered: Array, share: float) -> float:
    place = share * (len(ordered) - 1)
    low, part = int(place), place - int(place)
    high = min(low + 1, len(ordered) - 1)
    if part == 0 or ordered[low] == ordered[high]:
        return float(ordered[low])
    return float(ordered[low] * (1 - part) + ordered[high] * part)
