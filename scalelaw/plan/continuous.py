"""The optimum with every size allowed: the least error on the line where the whole budget is spent.

For error = A N^-alpha V^-beta + D and FLOPs = 2 N (Q + V + G) it is V* = beta (Q + G) / (alpha - beta) where
alpha > beta, else the most tokens (arXiv 2411.03312, section 4); here it is found for any law and any cost
that knows a size, on the logarithm of V, and clipped to the token range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scalelaw.costs._workload import Workload
from scalelaw.plan.budget import cost_of
from scalelaw.plan.catalogue import Model
from scalelaw.plan.grid import compute_costs, predict
from scalelaw.plan.problem import Problem

SIZES = 64
"""Sizes of a family between which costs are interpolated; of more, as many evenly spaced."""

_SLOPE = np.array([-1.0, 9.0, -45.0, 45.0, -9.0, 1.0]) / 60
_STEPS = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
_WIDTH = 1e-2


def least_error(
    error: Callable[[np.ndarray, np.ndarray], np.ndarray],
    size_for: Callable[[np.ndarray], np.ndarray],
    lowest: float,
    highest: float,
) -> dict[str, Any]:
    """The least `error(n_params, visual_tokens)` over V in [lowest, highest] with N = size_for(V).

    size_for(V) is the size that spends the budget at V (NaN or not positive where none does). The minimum is
    searched on a grid in ln V, then sharpened as the root of the slope (6th-order differences: V to about 1e-9).
    Returns {n_params, visual_tokens, error}.
    """

    def along(log_tokens: Any) -> np.ndarray:
        tokens = np.exp(np.asarray(log_tokens, dtype=float))
        sizes = np.asarray(size_for(tokens), dtype=float)
        spent = np.isfinite(sizes) & (sizes > 0)
        if not spent.any():
            return np.full(sizes.shape, np.inf)
        values = np.asarray(error(np.where(spent, sizes, sizes[spent].flat[0]), tokens), dtype=float)
        return np.where(spent & np.isfinite(values), values, np.inf)

    grid = (
        np.linspace(np.log(lowest), np.log(highest), 1025) if highest > lowest else np.array([np.log(lowest)])
    )
    values = along(grid)
    place = int(np.argmin(values))
    low, high = grid[max(place - 1, 0)], grid[min(place + 1, len(grid) - 1)]
    best = _sharpen(along, float(low), float(grid[place]), float(high)) if low < high else float(grid[place])
    tokens = float(np.clip(np.exp(best), lowest, highest))
    size = float(np.asarray(size_for(np.array([tokens])))[0])
    return {"n_params": size, "visual_tokens": tokens, "error": float(along(np.log([tokens]))[0])}


def _sharpen(along: Callable[[Any], np.ndarray], low: float, middle: float, high: float) -> float:
    """The lowest place between two: where the slope is zero, or at a kink by searching; never above the middle."""
    least = float(along([middle])[0])

    def slopes(points: np.ndarray) -> np.ndarray:
        values = along((points[:, None] + _WIDTH * _STEPS).ravel()).reshape(len(points), -1)
        finite = np.isfinite(values).all(axis=1)
        return np.where(finite, np.where(finite[:, None], values, 0.0) @ _SLOPE, np.nan)

    root = _root(slopes, low, high)
    if root is not None and float(along([root])[0]) <= least * (1 + 1e-14):
        return root
    # here, as its import takes longer than a plan
    from scipy.optimize import minimize_scalar

    with np.errstate(invalid="ignore"):  # a parabola through an infinite error is given up by the search
        result = minimize_scalar(lambda point: float(along([point])[0]), bounds=(low, high), method="bounded",
                                 options={"xatol": 1e-10})  # fmt: skip
    return float(result.x) if float(result.fun) <= least else middle


def _root(function: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float | None:
    """Where a function rises through zero between two places, to 1e-13; None where it is not below zero at the first
    and above it at the second. Each round keeps one of 32 intervals.
    """
    while True:
        points = np.linspace(low, high, 33)
        values = function(points)
        if not (values[0] < 0 < values[-1]) or not np.isfinite(values).all():
            return None
        above = int(np.argmax(values > 0))
        before, after = values[above - 1], values[above]
        low, high = float(points[above - 1]), float(points[above])
        if before == 0 or high - low <= 1e-13 * max(1.0, abs(high)):
            return low - (high - low) * float(before / (after - before))


def continuous_optimum(problem: Problem) -> dict[str, Any] | None:
    """The optimum with every size allowed, under every limit (the device's memory too), each size served in the way
    (type, batch) that allows it; None where no size can be had.

    A cost that knows no shape is asked directly; for the others the catalogue's own costs are interpolated between
    the sizes of each family (linear in the logarithms), within its range; mixtures are left out where there are others.
    """
    problem = replace(problem, models=_dense(problem))
    needs_shape = _needs_shape(problem)
    if needs_shape and len({m.n_params for m in problem.models}) < 2:
        return None
    size_for = _between(problem) if needs_shape else _direct(problem)

    def error(n_params: Any, tokens: Any) -> np.ndarray:
        return predict(problem.fitted, n_params, tokens, problem.query.work)

    best = least_error(error, size_for, float(problem.counts[0]), float(problem.counts[-1]))
    return best if np.isfinite(best["error"]) else None


def sizes_allowed(problem: Problem) -> str:
    """Which sizes the continuous optimum may have, in words."""
    if not _needs_shape(problem):
        return "any size, without bound"
    dense = _dense(problem)
    sizes = [model.n_params for model in dense]
    left_out = "; mixtures are left out" if len(dense) < len(problem.models) else ""
    return f"any size between the catalogue's, {min(sizes):.3g} to {max(sizes):.3g}{left_out}"


def _dense(problem: Problem) -> Sequence[Model]:
    return [model for model in problem.models if not model.counted_as] or problem.models


def _needs_shape(problem: Problem) -> bool:
    return any("shape" in cost_of(kind, problem.flop_cost).needs for kind in problem.limits)


def _direct(problem: Problem) -> Callable[[np.ndarray], np.ndarray]:
    """The largest size within the limits at a number of tokens, for costs that know no shape."""
    givers = {kind: cost_of(kind, problem.flop_cost) for kind in problem.limits}
    ways = _ways(problem)
    return lambda tokens: np.max([size_within(givers, problem.limits, tokens, way) for way in ways], axis=0)


def _ways(problem: Problem) -> list[Workload]:
    """The workload in each way to serve."""
    work = problem.query.work
    return [work.of_setup(at) for at in range(len(work.batch))]


def _between(problem: Problem) -> Callable[[np.ndarray], np.ndarray]:
    """The largest size within the limits at a number of tokens, between the sizes of a family of the catalogue."""
    names = [model.family for model in problem.models]
    families = [_thinned([m for m in problem.models if m.family == name]) for name in dict.fromkeys(names)]
    setups = len(problem.query.setups)

    def size_for(tokens: np.ndarray) -> np.ndarray:
        largest = np.full(len(tokens), -np.inf)
        for family in families:
            costs = compute_costs(
                family, tokens, problem.query.work, problem.limits, problem.flop_cost, setups
            )
            share = np.log(np.max([costs[kind] / limit for kind, limit in problem.limits.items()], axis=0))
            within = _largest(np.log([m.n_params for m in family]), np.maximum.accumulate(share, axis=0))
            largest = np.maximum(largest, within.max(axis=-1))
        return np.asarray(np.exp(largest))

    return size_for


def _thinned(models: list[Model]) -> list[Model]:
    """At most `SIZES` of the models, evenly spaced, the first and the last among them."""
    if len(models) <= SIZES:
        return models
    return [models[i] for i in np.linspace(0, len(models) - 1, SIZES).round().astype(int)]


def _largest(sizes: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Where between rising sizes [M] the rising share [M, ...] crosses 0 (logarithms); -inf where it never is below."""
    within = np.full(share.shape[1:], -np.inf)
    for below, above, low, high in zip(share[:-1], share[1:], sizes[:-1], sizes[1:], strict=True):
        inside = (below <= 0) & (above > 0)
        part = -below[inside] / (above[inside] - below[inside])
        within[inside] = low + part * (high - low)
    within[share[-1] <= 0] = sizes[-1]
    return within


def size_within(
    givers: Mapping[str, Any], limits: Mapping[str, float], visual_tokens: np.ndarray, work: Workload
) -> np.ndarray:
    """The largest size whose cost holds every budget, at each number of tokens; 0 where none does.

    givers: {kind: cost} that need no shape and rise with n_params. Found by bisection on the logarithm of the size.
    """
    low, high = np.zeros(np.shape(visual_tokens)), np.full(np.shape(visual_tokens), np.log(1e18))
    for _ in range(70):
        middle = (low + high) / 2
        within = np.ones(np.shape(visual_tokens), dtype=bool)
        for kind, giver in givers.items():
            cost = sum(giver.parts(np.exp(middle), None, visual_tokens, work).values())
            within &= cost <= limits[kind]
        low, high = np.where(within, middle, low), np.where(within, high, middle)
    return np.where(low > 0, np.exp(low), 0.0)
