"""The way down: from starts to minima of an objective, many rows (starts, or bootstrap refits) at once.

Linear parameters are solved inside: each step eliminates them first (Kaufman's approximation of variable
projection, in Gram form), with a Levenberg-Marquardt damping of its own for every row on what is left, and for
plain least squares they are solved again after it. Bounds are kept by an active set.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from scalelaw.fit.batched_solve import box_minimum, box_step
from scalelaw.fit.law import Law
from scalelaw.fit.objective import Objective

Array = np.ndarray
CHUNK = 65_536  # numbers in one array of a batch: it stays in the cache
SAME = 1e-6  # totals that differ by less, relatively, are of one minimum
ROUNDING = 4 * np.finfo(float).eps


@dataclass(frozen=True)
class Problem:
    """What is fitted: a law, inputs [n] in the law's units, target and weight [1, n] or [rows, n].

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

    def rows(self, chosen: Array) -> Problem:
        """The problem of some rows only; what they share stays shared."""
        own = self.lower.ndim == 2
        return replace(
            self,
            target=_take(self.target, chosen),
            weight=_take(self.weight, chosen),
            lower=self.lower[:, chosen] if own else self.lower,
            upper=self.upper[:, chosen] if own else self.upper,
        )


def _take(values: Array | None, chosen: Array) -> Array:
    return values if values is None or len(values) == 1 else values[chosen]  # type: ignore[return-value]


@dataclass(frozen=True)
class Descent:
    """Where rows ended: parameters [p, B], objective [B], converged [B]."""

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

    A row ends where a step promises less than `tolerance` of its objective. damping: of the first step; large for
    starts that may be far from a minimum. enough: leave the other rows where they are once so many have ended in one
    place and none is lower.
    """
    rows = start.shape[1]
    size = max(1, CHUNK // max(1, len(problem.inputs[0])))
    if rows <= size:
        return _descend(problem, start, tolerance, steps, damping, enough)
    parts = []
    for first in range(0, rows, size):
        chosen = np.arange(first, min(first + size, rows))
        parts.append(_descend(problem.rows(chosen), start[:, chosen], tolerance, steps, damping, None))
    return Descent(
        np.concatenate([part.parameters for part in parts], axis=1),
        np.concatenate([part.objective for part in parts]),
        np.concatenate([part.converged for part in parts]),
    )


@np.errstate(all="ignore")
def _descend(
    problem: Problem, start: Array, tolerance: float, steps: int, first: float, enough: int | None
) -> Descent:
    lower, upper = problem.box
    parameters = np.clip(start, lower, upper)
    best, reached, done = parameters.copy(), np.full(start.shape[1], np.inf), np.zeros(start.shape[1], bool)
    live = np.arange(start.shape[1])
    here = State.at(problem, parameters)
    damping = np.full(len(live), first)
    caution = np.full(len(live), 0.1)
    some = problem
    undamped = len(problem.law.linear_index) if problem.objective.is_quadratic else 0
    for _ in range(steps):
        gram, slope = here.quadratic(some, caution)
        step, free = box_step(
            gram,
            slope,
            here.parameters,
            lower,
            upper,
            problem.law.order,
            damping,
            undamped,
        )
        promise = some.objective.newton_factor * np.sum(np.where(free, slope * step, 0.0), axis=0)
        floor = ROUNDING * here.floor
        small = (promise <= tolerance * here.total + floor) & (damping < 1e-2) & (caution <= 0.1)
        finished = small | ~np.isfinite(here.total) | (damping > 1e12)
        if finished.any():
            gone = live[finished]
            best[:, gone], reached[gone] = here.parameters[:, finished], here.total[finished]
            done[gone] = small[finished]
            stay = np.flatnonzero(~finished)
            live = live[stay]
            if not live.size:
                return Descent(best, reached, done)
            some, here = some.rows(stay), here.take(stay)
            if enough is not None and agreeing(reached[done], here.total) >= enough:
                break
            lower, upper = some.box
            step, damping, caution, floor = step[:, stay], damping[stay], caution[stay], floor[stay]
        there = State.at(some, np.clip(here.parameters + step, lower, upper)).settled(some, caution)
        better = there.total <= here.total + here.rounding
        here = here.merge(there, better)
        damping = np.where(better, damping * 0.02, np.maximum(damping * 8.0, 1e-4))
        caution = np.where(better, np.maximum(caution * 0.1, 1e-6), np.minimum(caution * 30.0, 1.0))
    best[:, live], reached[live] = here.parameters, here.total
    return Descent(best, reached, done)


def agreeing(ended: Array, going: Array) -> int:
    """How many of the totals that descents ended with are the lowest; 0 where one that still goes is lower."""
    if not ended.size or going.min() < ended.min():
        return 0
    return int(np.sum(ended <= ended.min() * (1 + SAME) + 1e-30))


@dataclass(frozen=True)
class State:
    """Rows at a place: parameters [p, B], jacobian [B, p, n], value and residual [B, n], total [B]."""

    parameters: Array
    jacobian: Array
    value: Array
    residual: Array
    total: Array
    floor: Array

    @classmethod
    def at(cls, problem: Problem, parameters: Array) -> State:
        jacobian = problem.law.jacobian(problem.inputs, parameters)
        value = problem.law.value_from(problem.inputs, parameters, jacobian)
        residual = problem.objective.residuals(value, problem.target)
        weight = 1.0 if problem.weight is None else problem.weight
        total = problem.objective.total(residual, weight)
        size = problem.target if problem.objective.residual == "linear" else np.ones_like(problem.target)
        floor = ROUNDING * np.sum(weight * size**2, axis=-1)
        return cls(parameters, jacobian, value, residual, total, np.broadcast_to(floor, total.shape))

    @property
    def rounding(self) -> Array:
        """[B] what rounding does to the total: residuals r of targets y are known to about eps y."""
        return np.sqrt(ROUNDING * np.maximum(self.total, 0.0) * self.floor) + ROUNDING * self.floor

    def quadratic(self, problem: Problem, caution: Array) -> tuple[Array, Array]:
        """The Gram matrix [p, p, B] and the slopes [p, B] of the objective's local least squares."""
        rows, scale = problem.objective.linearise(self.residual, self.value, problem.weight, caution[:, None])
        columns = self.jacobian if scale is None else self.jacobian * scale[:, None, :]
        gram = np.matmul(columns, columns.transpose(0, 2, 1))
        slope = np.matmul(columns, rows[:, :, None])[:, :, 0]
        return np.ascontiguousarray(gram.transpose(1, 2, 0)), np.ascontiguousarray(slope.T)

    def settled(self, problem: Problem, caution: Array) -> State:
        """The linear parameters solved: exactly for plain squares, else by one step, taken where it lowers the total.

        Without it a step along the valley that exponents share with their amplitudes must stay very short.
        """
        if not problem.law.linear_index.size:
            return self
        solved = self.solve_linear(problem, caution)
        if problem.objective.is_quadratic:
            return solved.renewed(problem, self.parameters)
        lower = solved.total < self.total
        return self.merge(State.at(problem, solved.parameters), lower) if lower.any() else self

    def solve_linear(self, problem: Problem, caution: Array | None = None) -> State:
        """The same place after a step of the linear parameters alone (within their bounds): exact for plain squares.

        The Jacobian stays that of the old place. caution [B]: see `Objective.linearise`; by default 1.
        """
        lower, upper = problem.box
        chosen = problem.law.linear_index
        if not chosen.size:
            return self
        careful = 1.0 if caution is None else caution[:, None]
        rows, scale = problem.objective.linearise(self.residual, self.value, problem.weight, careful)
        columns = self.jacobian[:, chosen]
        columns = columns if scale is None else columns * scale[:, None, :]
        gram = np.matmul(columns, columns.transpose(0, 2, 1)).transpose(1, 2, 0)
        slope = np.matmul(columns, rows[:, :, None])[:, :, 0].T
        start = self.parameters[chosen]
        step = box_minimum(gram, slope, start, lower[chosen], upper[chosen])
        parameters = self.parameters.copy()
        parameters[chosen] = np.clip(start + step, lower[chosen], upper[chosen])
        value = problem.law.moved_value(self.value, self.parameters, parameters, self.jacobian)
        residual = problem.objective.residuals(value, problem.target)
        total = problem.objective.total(residual, 1.0 if problem.weight is None else problem.weight)
        return replace(self, parameters=parameters, value=value, residual=residual, total=total)

    def renewed(self, problem: Problem, before: Array) -> State:
        """The same place, its Jacobian taken anew in rows where a linear parameter changed by more than a third.

        `before` [p, B] is where the Jacobian was taken: the columns of the other parameters grow with the linear one
        of their term, and old columns make steps too long, or at a linear parameter of zero none at all.
        """
        chosen = problem.law.linear_index
        now, then = np.abs(self.parameters[chosen]), np.abs(before[chosen])
        rows = np.flatnonzero(((now > 1.3 * then) | (then > 1.3 * now)).any(axis=0))
        if rows.size > 0.2 * now.shape[1]:
            return State.at(problem, self.parameters)
        if rows.size:
            fresh = State.at(problem.rows(rows), self.parameters[:, rows])
            for name in ("jacobian", "value", "residual", "total"):
                getattr(self, name)[rows] = getattr(fresh, name)
        return self

    def take(self, rows: Array) -> State:
        return replace(
            self,
            parameters=self.parameters[:, rows],
            jacobian=self.jacobian[rows],
            value=self.value[rows],
            residual=self.residual[rows],
            total=self.total[rows],
            floor=self.floor[rows],
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
