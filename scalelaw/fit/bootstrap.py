"""Bootstrap refits, all in one batch, and intervals from them.

residual: centered residuals of the fit, times sqrt(n / (n - p)), are drawn onto the fitted values (equal noise at every
point). wild: each point keeps its own residual, scaled by its leverage (1 / (1 - h)^(3/4), between HC2 and HC3, which
cover too little and too much), times a random factor (Mammen 1993), so that the noise may differ. neighbour: residuals
of the nearest third of the points with a random sign; the points that a robust fit interpolates, as many as there are
parameters, are not drawn. case: points are drawn; cluster: whole groups of points (runs, models) are drawn. The default
is wild for smooth losses and neighbour for the Huber loss, where wild fails; docs/coverage.md has the simulation.

Intervals are percentiles with their arms about the fitted value lengthened by t / z, the ratio of the t quantile with
n - p degrees of freedom to the normal one; or bias-corrected and accelerated (BCa, Efron 1987), lengthened alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from scalelaw.errors import InputError, unknown
from scalelaw.files.paths import bundled
from scalelaw.fit.fitted import RAISED
from scalelaw.fit.holdout import subset
from scalelaw.fit.varpro import Problem, descend

Array = np.ndarray
METHODS = ("wild", "neighbour", "residual", "case", "cluster")
_PATIENCE = 1000
"""Additional steps, up to twice, for refits that did not converge in 60."""
_AT_ONCE = 4_000_000
"""Numbers in the resampled targets of one batch."""
FEWEST = 10
"""Minimum number of refits of an interval."""
KINDS = ("percentile", "bca")
TABULATED = 0.95
"""The level of data/t_over_z.csv."""


@dataclass(frozen=True)
class Draws:
    """Bootstrap refits: parameters [p, n_draws], and the number of refits that did not converge.

    Refits that did not converge are among the draws where their parameters are finite, as they lie in long valleys,
    where an interval is wide.

    jackknife: parameters [p, n] of the fits without each point (or cluster), for BCa.
    """

    method: str
    parameters: Array
    failed: int = 0
    jackknife: Array | None = None


def bootstrap(
    problem: Problem,
    fitted: Array,
    draws: int,
    method: str,
    rng: np.random.Generator,
    noise: Array | None = None,
    clusters: Array | None = None,
) -> Draws:
    """Refit `draws` resampled tables from the fitted parameters [p].

    noise [n]: relative standard deviation of each point where known; clusters [n]: the group of each point. The points
    are sorted before drawing, so that their order does not matter.
    Raises InputError for an unknown method, and for `cluster` with fewer than two groups.
    """
    if method not in METHODS:
        raise unknown("resampling method", method, METHODS, code="unknown_resampling")
    if draws == 0:
        return Draws(method, np.empty((len(fitted), 0)))
    order = _order(problem, clusters)
    problem = subset(problem, order)
    noise = None if noise is None else noise[order]
    clusters = None if clusters is None else clusters[order]
    groups = _groups(problem, clusters if method == "cluster" else None, method)
    donors = _donors(problem, fitted) if method == "neighbour" else (np.empty((0, 0), int), groups)
    parts, failed, size = [], 0, max(1, _AT_ONCE // problem.target.shape[1])
    for first in range(0, draws, size):
        count = min(size, draws - first)
        if method == "residual":
            again = _residual(problem, fitted, count, rng, noise)
        elif method == "wild":
            again = _wild(problem, fitted, count, rng, clusters)
        elif method == "neighbour":
            again = _neighbour(problem, fitted, count, rng, donors)
        else:
            again = _case(problem, count, rng, groups)
        part = _refit(again, fitted, count, method)
        parts.append(part.parameters)
        failed += part.failed
    return Draws(method, np.concatenate(parts, axis=1), failed)


def _order(problem: Problem, clusters: Array | None) -> Array:
    """[n] the sorting order of the points: by inputs, target, weight and cluster."""
    keys = [*problem.inputs, problem.target[0]]
    keys += [] if problem.weight is None else [problem.weight[0]]
    keys += [] if clusters is None else [np.unique(clusters, return_inverse=True)[1]]
    return np.lexsort(keys[::-1])


def _refit(problem: Problem, fitted: Array, rows: int, method: str) -> Draws:
    ends = descend(problem, np.repeat(fitted[:, None], rows, axis=1), tolerance=1e-9, steps=60)
    parameters, good = ends.parameters, ends.converged
    for _ in range(2):
        if (late := np.flatnonzero(~good)).size:
            further = descend(problem.rows(late), parameters[:, late], tolerance=1e-9, steps=_PATIENCE)
            parameters[:, late], good[late] = further.parameters, further.converged
            finite = np.isfinite(further.objective) & np.isfinite(further.parameters).all(axis=0)
            parameters[:, late[~finite]] = np.nan
    kept = np.isfinite(parameters).all(axis=0)
    return Draws(method, parameters[:, kept], int((~good).sum()))


def _noisy(problem: Problem, value: Array, noise: Array) -> Problem:
    target = value * np.exp(noise) if problem.objective.residual == "log" else value + noise
    return replace(problem, target=target)


def _residual(
    problem: Problem, fitted: Array, draws: int, rng: np.random.Generator, noise: Array | None
) -> Problem:
    value = problem.law.value(problem.inputs, fitted[:, None])
    size = np.ones(value.shape[1]) if noise is None else noise
    scaled = problem.objective.residuals(value, problem.target)[0] / size
    n, free = len(scaled), int((~problem.fixed).sum())
    scaled = (scaled - scaled.mean()) * np.sqrt(n / max(n - free, 1))
    return _noisy(problem, value, rng.choice(scaled, (draws, n)) * size)


def _wild(
    problem: Problem, fitted: Array, draws: int, rng: np.random.Generator, clusters: Array | None
) -> Problem:
    value = problem.law.value(problem.inputs, fitted[:, None])
    residual = problem.objective.residuals(value, problem.target)[0]
    raised = residual / (1 - np.minimum(leverage(problem, fitted), 0.9)) ** RAISED
    groups = np.arange(len(raised)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    golden = 0.5 * (1 + np.sqrt(5.0))
    often = rng.random((draws, int(groups.max()) + 1)) < golden / np.sqrt(5.0)
    return _noisy(problem, value, raised * np.where(often, 1 - golden, golden)[:, groups])


def _neighbour(
    problem: Problem, fitted: Array, draws: int, rng: np.random.Generator, donors: tuple[Array, Array]
) -> Problem:
    value = problem.law.value(problem.inputs, fitted[:, None])
    residual = problem.objective.residuals(value, problem.target)[0]
    nearest, place = donors
    picks = rng.integers(0, nearest.shape[1], (draws, len(place)))
    sign = rng.choice([-1.0, 1.0], picks.shape)
    return _noisy(problem, value, residual[nearest[place, picks]] * sign)


def _donors(problem: Problem, fitted: Array) -> tuple[Array, Array]:
    """([places, k], [n]) the nearest third of the points (64 at most) of each place in the log inputs; its place."""
    from scipy.spatial import KDTree

    value = problem.law.value(problem.inputs, fitted[:, None])
    residual = problem.objective.residuals(value, problem.target)[0]
    n = len(residual)
    passed = min(int((~problem.fixed).sum()), n - 1)
    pool = np.sort(np.argsort(np.abs(residual), kind="stable")[passed:])
    logs = np.log(np.stack(problem.inputs, axis=1))
    spread = logs.std(axis=0)
    logs = (logs - logs.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    places, at = np.unique(logs, axis=0, return_inverse=True)
    count = min(max(4, len(pool) // 3), len(pool), 64)
    nearest = KDTree(logs[pool]).query(places, k=count)[1]
    return pool[nearest.reshape(len(places), count)], at.ravel()


def _groups(problem: Problem, clusters: Array | None, method: str) -> Array:
    if clusters is None:
        if method == "cluster":
            raise InputError(
                "Cluster resampling needs a column of clusters.",
                code="no_clusters",
                hint="Name it as the cluster: model, for example.",
            )
        return np.arange(problem.target.shape[1])
    groups: Array = np.unique(clusters, return_inverse=True)[1]
    if groups.max() < 1:
        raise InputError(
            "All points belong to one cluster, so there is nothing to resample.", code="one_cluster"
        )
    return groups


def _case(problem: Problem, draws: int, rng: np.random.Generator, groups: Array) -> Problem:
    count = int(groups.max()) + 1
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(float)[:, groups]
    return replace(problem, weight=drawn if problem.weight is None else drawn * problem.weight)


def jackknife(problem: Problem, fitted: Array, clusters: Array | None = None) -> Array:
    """[p, groups] the parameters without each point (or cluster), in order."""
    groups = (
        np.arange(problem.target.shape[1])
        if clusters is None
        else np.unique(clusters, return_inverse=True)[1]
    )
    count = int(groups.max()) + 1
    kept = (groups[None, :] != np.arange(count)[:, None]).astype(float)
    again = replace(problem, weight=kept if problem.weight is None else kept * problem.weight)
    return descend(again, np.repeat(fitted[:, None], count, axis=1), tolerance=1e-12, steps=100).parameters


def leverage(problem: Problem, fitted: Array) -> Array:
    """[n] the leverage of each point, the diagonal of the hat matrix, in [0, 1]."""
    jacobian = problem.law.jacobian(problem.inputs, fitted[:, None])[0][~problem.fixed]
    if problem.objective.residual == "log":
        jacobian = jacobian / problem.law.value(problem.inputs, fitted[:, None])
    if problem.weight is not None:
        jacobian = jacobian * np.sqrt(problem.weight[0])
    size = np.sqrt(np.sum(jacobian**2, axis=1, keepdims=True))
    if not jacobian.size or not np.isfinite(jacobian).all():
        return np.zeros(problem.target.shape[1])
    orthogonal, _ = np.linalg.qr((jacobian / np.where(size > 0, size, 1.0)).T)
    return np.asarray(np.minimum(np.sum(orthogonal**2, axis=1), 1.0))


def percentile(draws: Array, value: float, level: float, freedom: int) -> tuple[float, float]:
    """The central interval of draws [n], with its arms about the fitted value lengthened by t / z.

    Where a bound truncates the draws, longer arms reach further than a wider percentile.
    """
    if draws.size < FEWEST or freedom < 1:
        return (np.nan, np.nan)
    tail, ordered = 0.5 * (1 - level), np.sort(draws)
    ends = (_lengthened(value, _at(ordered, share), level, freedom) for share in (tail, 1 - tail))
    return _including(value, *ends)


def one_sided(draws: Array, value: float, level: float) -> bool:
    """Whether the central interval of draws [n] excludes the fitted value, as of biased refits."""
    if draws.size == 0 or not np.isfinite(value):
        return False
    ordered, tail = np.sort(draws), 0.5 * (1 - level)
    if tail * len(draws) < 1:
        return False
    slack = 1e-9 * abs(value)
    return _at(ordered, tail) > value + slack or _at(ordered, 1 - tail) < value - slack


def accelerated(
    draws: Array, value: float, without: Array, level: float, freedom: int
) -> tuple[float, float]:
    """The BCa interval: draws [n], the fitted value, the values without each point [m]; widened as `percentile`."""
    from scipy.special import ndtr, ndtri

    finite = without[np.isfinite(without)]
    if draws.size < FEWEST or freedom < 1 or not finite.size:
        return (np.nan, np.nan)
    below = (np.sum(draws < value) + 0.5 * np.sum(draws == value)) / draws.size
    shift = ndtri(np.clip(below, 0.5 / draws.size, 1 - 0.5 / draws.size))
    away = finite.mean() - finite
    spread = np.sum(away**2) ** 1.5
    pull = np.sum(away**3) / (6 * spread) if spread > 0 else 0.0
    ordered = np.sort(draws)
    ends = []
    for z in (ndtri(0.5 * (1 - level)), ndtri(0.5 * (1 + level))):
        share = float(ndtr(shift + (shift + z) / (1 - pull * (shift + z))))
        if not np.isfinite(share):
            return (np.nan, np.nan)
        end = _at(ordered, share)
        ends.append(_lengthened(value, end, level, freedom))
    return _including(value, ends[0], ends[1])


def _including(value: float, low: float, high: float) -> tuple[float, float]:
    """The interval, extended to include the fitted value."""
    return (min(low, value), max(high, value)) if np.isfinite(value) else (low, high)


def _lengthened(value: float, end: float, level: float, freedom: int) -> float:
    """An end of an interval, moved away from the value by the ratio of the t and the normal quantile."""
    if not np.isfinite(end) or not np.isfinite(value):
        return end
    return value + (end - value) * t_over_z(freedom, level)


def t_over_z(freedom: int, level: float) -> float:
    """The ratio of the t quantile with `freedom` degrees of freedom to the normal one, for a central interval.

    Of the default level it is tabulated (data/t_over_z.csv), as the import of scipy.special takes longer than a fit.
    """
    if level == TABULATED and (ratio := _ratios().get(freedom)):
        return ratio
    from scipy.special import ndtri, stdtrit

    share = 0.5 * (1 + level)
    return float(stdtrit(freedom, share) / ndtri(share))


@cache
def _ratios() -> dict[int, float]:
    lines = bundled("t_over_z.csv").read_text(encoding="utf-8").splitlines()[1:]
    return {int(freedom): float(ratio) for freedom, ratio in (line.split(",") for line in lines)}


def _at(ordered: Array, share: float) -> float:
    place = share * (len(ordered) - 1)
    low, part = int(place), place - int(place)
    high = min(low + 1, len(ordered) - 1)
    if part == 0 or ordered[low] == ordered[high]:
        return float(ordered[low])
    return float(ordered[low] * (1 - part) + ordered[high] * part)
