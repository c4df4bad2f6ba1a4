"""Variable projection with Levenberg-Marquardt steps, for many rows (starts, or bootstrap refits) at once.

Each step eliminates the linear parameters first (Kaufman's approximation of variable projection, in Gram form). The
remaining parameters are damped, with one damping per row. For plain least squares the linear parameters are solved
again after the step. Bounds are enforced by an active set.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from scalelaw.fit.batched_solve import box_minimum, box_step
from scalelaw.fit.law import Law
from scalelaw.fit.objective import Objective

Array = np.ndarray
CHUNK = 65_536
"""Numbers in one array of a batch, so that it fits the cache."""
SAME = 1e-6
"""Relative difference of objectives below which two descents ended in one minimum."""
ROUNDING = 4 * np.finfo(float).eps


@dataclass(frozen=True)
class Problem:
    """A fit problem: a law, inputs [n] in the law's units, target and weight [1, n] or [rows, n].

    Bounds are [p], or [p, rows] where they differ by row. A parameter is fixed where its lower bound is its upper.
    """

    law: Law
    inputs: tuple[Array, ...]
    target: Array
    objective: Objective = field(default_factory=Objective)
    weight: Array | None = None
    lower: Array = field(default_factory=lambda: np.empty(0))
    upper: Array = field(default_factory=lambda: np.empty(0))

    @property
    def fixed(self) -> Array:
        """[p] True where a parameter is fixed."""
        return np.asarray(self.lower == self.upper)

    @property
    def box(self) -> tuple[Array, Array]:
        """The bounds as [p, 1] or [p, rows]."""
        if self.lower.ndim == 2:
            return self.lower, self.upper
        return self.lower[:, None], self.upper[:, None]

    def rows(self, index: Array) -> Problem:
        """The problem restricted to the rows `index`; arrays that all rows share stay shared."""
        own = self.lower.ndim == 2
        return replace(
            self,
            target=_take(self.target, index),
            weight=_take(self.weight, index),
            lower=self.lower[:, index] if own else self.lower,
            upper=self.upper[:, index] if own else self.upper,
        )


def _take(values: Array | None, index: Array) -> Array:
    return values if values is None or len(values) == 1 else values[index]  # type: ignore[return-value]


@dataclass(frozen=True)
class Descent:
    """Result of `descend`: parameters [p, B], objective [B], converged [B]."""

    parameters: Array
    objective: Array
    converged: Array


def descend(
    problem: Problem,
    start: Array,
    tolerance: float = 1e-15,
    steps: int = 60,
    damping: float = 1e-3,
    enough: int | None = None,
) -> Descent:
    """Descend from start [p, B] to the nearest minimum, in batches that fit the cache.

    Args:
        problem: the fit problem.
        start: [p, B] initial parameters.
        tolerance: a row has converged when the predicted decrease of a step is below this share of its objective.
        steps: maximum number of steps.
        damping: of the first step; large for starts that may be far from a minimum.
        enough: stop when this many rows have converged to the lowest objective and no other row is below it.
    """
    rows = start.shape[1]
    size = max(1, CHUNK // max(1, len(problem.inputs[0])))
    if rows <= size:
        return _descend(problem, start, tolerance, steps, damping, enough)
    parts = []
    for first in range(0, rows, size):
        index = np.arange(first, min(first + size, rows))
        parts.append(_descend(problem.rows(index), start[:, index], tolerance, steps, damping, None))
    return Descent(
        np.concatenate([part.parameters for part in parts], axis=1),
        np.concatenate([part.objective for part in parts]),
        np.concatenate([part.converged for part in parts]),
    )


@np.errstate(all="ignore")
def _descend(
    problem: Problem, start: Array, tolerance: float, steps: int, initial_damping: float, enough: int | None
) -> Descent:
    lower, upper = problem.box
    parameters = np.clip(start, lower, upper)
    best, objective, converged = (
        parameters.copy(),
        np.full(start.shape[1], np.inf),
        np.zeros(start.shape[1], bool),
    )
    active = np.arange(start.shape[1])
    state = State.at(problem, parameters)
    damping = np.full(len(active), initial_damping)
    majorizer_weight = np.full(len(active), 0.1)
    active_problem = problem
    undamped = len(problem.law.linear_index) if problem.objective.is_quadratic else 0
    for _ in range(steps):
        gram, slope = state.quadratic(active_problem, majorizer_weight)
        step, free = box_step(
            gram,
            slope,
            state.parameters,
            lower,
            upper,
            problem.law.order,
            damping,
            undamped,
        )
        predicted_decrease = active_problem.objective.newton_factor * np.sum(
            np.where(free, slope * step, 0.0), axis=0
        )
        resolution = ROUNDING * state.rounding_scale
        small = (
            (predicted_decrease <= tolerance * state.total + resolution)
            & (damping < 1e-2)
            & (majorizer_weight <= 0.1)
        )
        finished = small | ~np.isfinite(state.total) | (damping > 1e12)
        if finished.any():
            ended = active[finished]
            best[:, ended], objective[ended] = state.parameters[:, finished], state.total[finished]
            converged[ended] = small[finished]
            remaining = np.flatnonzero(~finished)
            active = active[remaining]
            if not active.size:
                return Descent(best, objective, converged)
            active_problem, state = active_problem.rows(remaining), state.take(remaining)
            if enough is not None and count_agreeing(objective[converged], state.total) >= enough:
                break
            lower, upper = active_problem.box
            step, damping, majorizer_weight = (
                step[:, remaining],
                damping[remaining],
                majorizer_weight[remaining],
            )
        trial = State.at(active_problem, np.clip(state.parameters + step, lower, upper)).project(
            active_problem, majorizer_weight
        )
        better = trial.total <= state.total + state.rounding
        state = state.merge(trial, better)
        damping = np.where(better, damping * 0.02, np.maximum(damping * 8.0, 1e-4))
        majorizer_weight = np.where(
            better, np.maximum(majorizer_weight * 0.1, 1e-6), np.minimum(majorizer_weight * 30.0, 1.0)
        )
    best[:, active], objective[active] = state.parameters, state.total
    return Descent(best, objective, converged)


def count_agreeing(finals: Array, running: Array) -> int:
    """How many converged rows share the lowest objective; 0 where the objective of a running row is lower."""
    if not finals.size or running.min() < finals.min():
        return 0
    return int(np.sum(finals <= finals.min() * (1 + SAME) + 1e-30))


@dataclass(frozen=True)
class State:
    """Rows at their current parameters: parameters [p, B], jacobian [B, p, n], value and residual [B, n], total [B].

    rounding_scale [B]: the rounding error of a weighted sum of squared targets.
    """

    parameters: Array
    jacobian: Array
    value: Array
    residual: Array
    total: Array
    rounding_scale: Array

    @classmethod
    def at(cls, problem: Problem, parameters: Array) -> State:
        """Evaluate the law, its Jacobian and the objective at parameters [p, B]."""
        jacobian = problem.law.jacobian(problem.inputs, parameters)
        value = problem.law.value_from(problem.inputs, parameters, jacobian)
        residual = problem.objective.residuals(value, problem.target)
        weight = 1.0 if problem.weight is None else problem.weight
        total = problem.objective.total(residual, weight)
        size = problem.target if problem.objective.residual == "linear" else np.ones_like(problem.target)
        scale = ROUNDING * np.sum(weight * size**2, axis=-1)
        return cls(parameters, jacobian, value, residual, total, np.broadcast_to(scale, total.shape))

    @property
    def rounding(self) -> Array:
        """[B] rounding error of the total: residuals r of targets y are known to about eps y."""
        size = np.sqrt(ROUNDING * np.maximum(self.total, 0.0) * self.rounding_scale)
        return np.asarray(size + ROUNDING * self.rounding_scale)

    def quadratic(self, problem: Problem, majorizer_weight: Array) -> tuple[Array, Array]:
        """The Gram matrix [p, p, B] and the slopes [p, B] of the linearized least-squares problem."""
        rows, scale = problem.objective.linearize(
            self.residual, self.value, problem.weight, majorizer_weight[:, None]
        )
        columns = self.jacobian if scale is None else self.jacobian * scale[:, None, :]
        gram = np.matmul(columns, columns.transpose(0, 2, 1))
        slope = np.matmul(columns, rows[:, :, None])[:, :, 0]
        return np.ascontiguousarray(gram.transpose(1, 2, 0)), np.ascontiguousarray(slope.T)

    def project(self, problem: Problem, majorizer_weight: Array) -> State:
        """The state after solving the linear parameters: exactly for plain squares, else by one accepted step.

        Without this projection, steps along the valley that exponents share with their amplitudes stay very short.
        """
        if not problem.law.linear_index.size:
            return self
        solved = self.solve_linear(problem, majorizer_weight)
        if problem.objective.is_quadratic:
            return solved.refresh(problem, self.parameters)
        lower = solved.total < self.total
        return self.merge(State.at(problem, solved.parameters), lower) if lower.any() else self

    def solve_linear(self, problem: Problem, majorizer_weight: Array | None = None) -> State:
        """The state after a step of the linear parameters alone (within their bounds): exact for plain squares.

        The Jacobian is not evaluated again. majorizer_weight [B]: see `Objective.linearize`; 1 by default.
        """
        lower, upper = problem.box
        linear = problem.law.linear_index
        if not linear.size:
            return self
        blend = 1.0 if majorizer_weight is None else majorizer_weight[:, None]
        rows, scale = problem.objective.linearize(self.residual, self.value, problem.weight, blend)
        columns = self.jacobian[:, linear]
        columns = columns if scale is None else columns * scale[:, None, :]
        gram = np.matmul(columns, columns.transpose(0, 2, 1)).transpose(1, 2, 0)
        slope = np.matmul(columns, rows[:, :, None])[:, :, 0].T
        start = self.parameters[linear]
        step = box_minimum(gram, slope, start, lower[linear], upper[linear])
        parameters = self.parameters.copy()
        parameters[linear] = np.clip(start + step, lower[linear], upper[linear])
        value = problem.law.moved_value(self.value, self.parameters, parameters, self.jacobian)
        residual = problem.objective.residuals(value, problem.target)
        total = problem.objective.total(residual, 1.0 if problem.weight is None else problem.weight)
        return replace(self, parameters=parameters, value=value, residual=residual, total=total)

    def refresh(self, problem: Problem, before: Array) -> State:
        """The state with its Jacobian evaluated again in rows where a linear parameter changed by more than a third.

        `before` [p, B] is where the Jacobian was evaluated. Columns of the other parameters scale with the linear
        parameter of their term: outdated columns make steps too long, or zero at a linear parameter of zero.
        """
        linear = problem.law.linear_index
        now, then = np.abs(self.parameters[linear]), np.abs(before[linear])
        rows = np.flatnonzero(((now > 1.3 * then) | (then > 1.3 * now)).any(axis=0))
        if rows.size > 0.2 * now.shape[1]:
            return State.at(problem, self.parameters)
        if rows.size:
            fresh = State.at(problem.rows(rows), self.parameters[:, rows])
            for name in ("jacobian", "value", "residual", "total"):
                getattr(self, name)[rows] = getattr(fresh, name)
        return self

    def take(self, rows: Array) -> State:
        """The state of the rows `rows` only."""
        return replace(
            self,
            parameters=self.parameters[:, rows],
            jacobian=self.jacobian[rows],
            value=self.value[rows],
            residual=self.residual[rows],
            total=self.total[rows],
            rounding_scale=self.rounding_scale[rows],
        )

    def merge(self, other: State, use: Array) -> State:
        """The rows of `other` where `use`, else these."""
        if use.all():
            return other
        for name in ("jacobian", "value", "residual", "total"):
            np.copyto(
                getattr(other, name),
                getattr(self, name),
                where=~use.reshape(-1, *[1] * (getattr(self, name).ndim - 1)),
            )
        np.copyto(other.parameters, self.parameters, where=~use)
        return other
