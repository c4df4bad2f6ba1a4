"""Descent for a Huber fit whose delta is far below the noise, where the objective has a kink at every point.

In such a valley Newton's step is valid only up to the next kink and the majorizer's step ignores kinks, so both make
little progress. Each step here minimizes the Huber function of the linearized law, which is convex and piecewise
quadratic, by a finite Newton method with an exact line search (Madsen and Nielsen, BIT 30 (1990) 682), damped as in
Levenberg and Marquardt. After each step the linear parameters are solved alone, because the valley of an exponent and
its amplitude is curved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalelaw.fit.varpro import Problem, State

Array = np.ndarray
_STEPS, _INNER = 600, 30
_NEGLIGIBLE = 1e-13
"""Share of the objective below which a predicted decrease counts as zero."""


@np.errstate(all="ignore")
def follow(problem: Problem, start: Array) -> tuple[Array, float]:
    """Descend along the valley from start [p].

    Returns:
        The parameters [p] at the minimum, and the predicted decrease of one more step as a share of the objective.
    """
    state, damping = State.at(problem, start[:, None]), 1e-3
    all_free, linear = np.flatnonzero(~problem.fixed), _free_linear(problem)
    predicted_decrease = 0.0
    for _ in range(_STEPS):
        step, predicted_decrease = _step(problem, state, all_free, damping)
        if predicted_decrease <= _NEGLIGIBLE * state.total[0] and damping < 1e-4:
            break
        trial = State.at(problem, state.parameters + step[:, None])
        if linear.size and np.isfinite(trial.total[0]):
            solved = State.at(problem, trial.parameters + _step(problem, trial, linear, 1e-12)[0][:, None])
            trial = solved if solved.total[0] < trial.total[0] else trial
        if trial.total[0] < state.total[0]:
            state, damping = trial, max(damping * 0.1, 1e-9)
        elif damping > 1e9:
            break
        else:
            damping *= 10.0
    else:
        # not converged: report the predicted decrease of an almost undamped step
        predicted_decrease = _step(problem, state, all_free, 1e-9)[1]
    return state.parameters[:, 0], max(predicted_decrease, 0.0) / max(float(state.total[0]), 1e-300)


def _free_linear(problem: Problem) -> Array:
    return np.array([j for j in problem.law.linear_index if not problem.fixed[j]], int)


def _step(problem: Problem, state: State, index: Array, damping: float) -> tuple[Array, float]:
    """The step [p] of the parameters `index` that minimizes the linearized objective, and its predicted decrease."""
    delta = float(problem.objective.delta or 0.0)
    columns = state.jacobian[0]
    if problem.objective.residual == "log":
        columns = columns / state.value[0]
    columns = columns[index]
    residual, step = state.residual[0], np.zeros(len(problem.lower))
    weight = np.ones_like(residual) if problem.weight is None else problem.weight[0]
    size = np.maximum(np.sum(weight * columns**2, axis=1), 1e-300)
    if not (np.isfinite(columns).all() and np.isfinite(residual).all()):
        return step, np.inf
    start = state.parameters[index, 0]
    moved, ridge = np.zeros(len(index)), damping * size * delta / max(float(np.abs(residual).max()), delta)
    low, high = problem.lower[index] - start, problem.upper[index] - start
    for _ in range(_INNER):
        remainder = residual - moved @ columns
        gradient = columns @ (weight * np.clip(remainder, -delta, delta)) - ridge * moved
        free = ~(((moved <= low) & (gradient <= 0)) | ((moved >= high) & (gradient >= 0)))
        inside = weight * (np.abs(remainder) <= delta)
        hessian = (columns * inside) @ columns.T + np.diag(ridge + 1e-14 * size)
        direction = _newton_direction(hessian, gradient, free, moved <= low, moved >= high)
        if not direction.any():
            break
        ray = _Ray(remainder, direction @ columns, weight, delta, direction, ridge, moved)
        length = _line_search(ray, low, high)
        before, moved = moved, np.clip(moved + length * direction, low, high)
        if np.max(np.abs(moved - before) * np.sqrt(size)) <= 1e-15 * np.sqrt(np.sum(weight * residual**2)):
            break
    step[index] = moved
    after = float(problem.objective.total(residual - moved @ columns, weight))
    return step, float(state.total[0]) - after


def _newton_direction(hessian: Array, gradient: Array, free: Array, at_low: Array, at_high: Array) -> Array:
    """Newton's direction of the free parameters; parameters at a bound that it would cross are fixed as well."""
    direction = np.zeros_like(gradient)
    while free.any():
        direction[:] = 0.0
        direction[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        leaves = (at_low & (direction < 0)) | (at_high & (direction > 0))
        if not leaves.any():
            return direction
        free = free & ~leaves
    return np.zeros_like(gradient)


@dataclass(frozen=True)
class _Ray:
    """The linearized objective along a direction.

    remainder, change, weight [n]: residuals at length 0, how they fall per unit of length, and their weights.
    direction, ridge, moved [p]: the direction, the damping, and the step so far.
    """

    remainder: Array
    change: Array
    weight: Array
    delta: float
    direction: Array
    ridge: Array
    moved: Array

    def descent(self, length: float) -> float:
        """The negative slope of the objective at a length."""
        pull = self.change @ (
            self.weight * np.clip(self.remainder - length * self.change, -self.delta, self.delta)
        )
        return float(pull - (self.ridge * (self.moved + length * self.direction)) @ self.direction)

    def kinks(self, longest: float) -> Array:
        """The lengths below `longest` at which a residual reaches delta, in order."""
        with np.errstate(all="ignore"):
            ends = [(self.remainder - self.delta) / self.change, (self.remainder + self.delta) / self.change]
        lengths = np.concatenate(ends)
        return np.sort(lengths[(lengths > 0) & (lengths < min(longest, 1e300))])


def _line_search(ray: _Ray, low: Array, high: Array) -> float:
    """The length at which the convex objective is least along the ray, or at which the nearest bound is reached."""
    way = ray.direction
    room = np.where(way > 0, (high - ray.moved) / way, np.where(way < 0, (low - ray.moved) / way, np.inf))
    upper = float(np.min(room, initial=np.inf))
    kinks = ray.kinks(upper)
    # bisect for the first kink beyond which the objective rises
    lower, first, last = 0.0, 0, len(kinks)
    while first < last:
        middle = (first + last) // 2
        if ray.descent(kinks[middle]) > 0:
            lower, first = kinks[middle], middle + 1
        else:
            last = middle
    upper = float(kinks[first]) if first < len(kinks) else upper
    if not np.isfinite(upper):
        return lower
    at_lower, at_upper = ray.descent(lower), ray.descent(upper)
    if at_upper >= 0 or at_lower <= at_upper:
        return upper
    return lower + (upper - lower) * at_lower / (at_lower - at_upper)
