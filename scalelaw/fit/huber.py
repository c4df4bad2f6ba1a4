"""The last way of a Huber fit whose delta is far below the noise: a valley with a kink at every point.

There Newton's step, which sees no further than to the next kink, and the majoriser's, which sees none, both crawl.
Here each step minimises the Huber function itself of the linearised law (convex, piecewise quadratic: a finite Newton
method with an exact line search; Madsen and Nielsen, BIT 30 (1990) 682), damped as in Levenberg and Marquardt. After
a step the linear parameters are settled alone, as the curved valley of an exponent and its amplitude demands.
"""

from __future__ import annotations

import numpy as np

from scalelaw.fit.varpro import Problem, State

Array = np.ndarray
_STEPS, _INNER = 600, 30
_NOTHING = 1e-13  # of the objective: a step that promises less is none


@np.errstate(all="ignore")
def follow(problem: Problem, start: Array) -> tuple[Array, float]:
    """([p] a minimum down the valley from start [p], what a further step would gain of the objective, as a share)."""
    here, damping = State.at(problem, start[:, None]), 1e-3
    everything, linear = np.flatnonzero(~problem.fixed), _free_linear(problem)
    promise = 0.0
    for _ in range(_STEPS):
        step, promise = _step(problem, here, everything, damping)
        if promise <= _NOTHING * here.total[0] and damping < 1e-4:
            break
        there = State.at(problem, here.parameters + step[:, None])
        if linear.size and np.isfinite(there.total[0]):
            settled = State.at(problem, there.parameters + _step(problem, there, linear, 1e-12)[0][:, None])
            there = settled if settled.total[0] < there.total[0] else there
        if there.total[0] < here.total[0]:
            here, damping = there, max(damping * 0.1, 1e-9)
        elif damping > 1e9:
            break
        else:
            damping *= 10.0
    else:
        promise = _step(problem, here, everything, 1e-9)[1]  # unfinished: what an undamped step would gain
    return here.parameters[:, 0], max(promise, 0.0) / max(float(here.total[0]), 1e-300)


def _free_linear(problem: Problem) -> Array:
    return np.array([j for j in problem.law.linear_index if not problem.fixed[j]], int)


def _step(problem: Problem, here: State, chosen: Array, damping: float) -> tuple[Array, float]:
    """([p] the step of the chosen parameters that minimises the linearised objective, what it promises)."""
    delta = float(problem.objective.delta or 0.0)
    columns = here.jacobian[0]
    if problem.objective.residual == "log":
        columns = columns / here.value[0]
    columns = columns[chosen]
    residual, step = here.residual[0], np.zeros(len(problem.lower))
    weight = np.ones_like(residual) if problem.weight is None else problem.weight[0]
    size = np.maximum(np.sum(weight * columns**2, axis=1), 1e-300)
    if not (np.isfinite(columns).all() and np.isfinite(residual).all()):
        return step, np.inf
    place = here.parameters[chosen, 0]
    moved, ridge = np.zeros(len(chosen)), damping * size * delta / max(float(np.abs(residual).max()), delta)
    low, high = problem.lower[chosen] - place, problem.upper[chosen] - place
    for _ in range(_INNER):
        left = residual - moved @ columns
        slope = columns @ (weight * np.clip(left, -delta, delta)) - ridge * moved
        free = ~(((moved <= low) & (slope <= 0)) | ((moved >= high) & (slope >= 0)))
        inside = weight * (np.abs(left) <= delta)
        hessian = (columns * inside) @ columns.T + np.diag(ridge + 1e-14 * size)
        way = _within(hessian, slope, free, moved <= low, moved >= high)
        if not way.any():
            break
        share = _line(left, way @ columns, weight, delta, moved, way, ridge, low, high)
        before, moved = moved, np.clip(moved + share * way, low, high)
        if np.max(np.abs(moved - before) * np.sqrt(size)) <= 1e-15 * np.sqrt(np.sum(weight * residual**2)):
            break
    step[chosen] = moved
    after = float(problem.objective.total(residual - moved @ columns, weight))
    return step, float(here.total[0]) - after


def _within(hessian: Array, slope: Array, free: Array, at_low: Array, at_high: Array) -> Array:
    """Newton's direction of the free parameters, those at a bound that it would leave held as well."""
    way = np.zeros_like(slope)
    while free.any():
        way[:] = 0.0
        way[free] = np.linalg.solve(hessian[np.ix_(free, free)], slope[free])
        leaves = (at_low & (way < 0)) | (at_high & (way > 0))
        if not leaves.any():
            return way
        free = free & ~leaves
    return np.zeros_like(slope)


def _line(
    left: Array,
    change: Array,
    weight: Array,
    delta: float,
    moved: Array,
    way: Array,
    ridge: Array,
    low: Array,
    high: Array,
) -> float:
    """How far along `way` the convex objective falls: where its slope is zero, or at the nearest bound."""
    room = np.where(way > 0, (high - moved) / way, np.where(way < 0, (low - moved) / way, np.inf))
    most = float(np.min(room, initial=np.inf))

    def fall(share: float) -> float:
        pull = change @ (weight * np.clip(left - share * change, -delta, delta))
        return float(pull - (ridge * (moved + share * way)) @ way)

    with np.errstate(all="ignore"):
        kinks = np.concatenate([(left - delta) / change, (left + delta) / change])
    kinks = np.sort(kinks[(kinks > 0) & (kinks < min(most, 1e300))])
    least, first, last = 0.0, 0, len(kinks)
    while first < last:  # the first kink beyond which the objective rises
        middle = (first + last) // 2
        if fall(kinks[middle]) > 0:
            least, first = kinks[middle], middle + 1
        else:
            last = middle
    most = float(kinks[first]) if first < len(kinks) else most
    if not np.isfinite(most):
        return least
    before, after = fall(least), fall(most)
    return most if after >= 0 or before <= after else least + (most - least) * before / (before - after)
