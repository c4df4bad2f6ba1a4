"""The optimum of an objective over a law's parameters: many rows (starts, or bootstrap refits) at once.

Linear parameters are solved inside: each step eliminates them first (Kaufman's approximation of variable
projection, in Gram form), with a Levenberg-Marquardt damping of its own for every row on what is left, and for
plain least squares they are solved again after it. Bounds are kept by an active set. The exponents are looked
for over a low-discrepancy cover of their box, and the best distinct places are descended from.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from scalelaw.fit.law import Law
from scalelaw.fit.objective import Objective
from scalelaw.fit.smallsolve import box_step

Array = np.ndarray
_CHUNK = 65_536  # numbers in one array of a batch: it stays in the cache
_ROUNDING = 4 * np.finfo(float).eps


@dataclass(frozen=True)
class Problem:
    """What is fitted: a law, inputs [n] in the law's units, target and weight [1, n] or [rows, n], bounds [p].

    A parameter is fixed where its lower bound is its upper bound.
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

    def rows(self, chosen: Array) -> Problem:
        """The problem of some rows only; one shared target or weight stays shared."""
        return replace(self, target=_take(self.target, chosen), weight=_take(self.weight, chosen))


def _take(values: Array | None, chosen: Array) -> Array:
    return values if values is None or len(values) == 1 else values[chosen]  # type: ignore[return-value]


@dataclass(frozen=True)
class Descent:
    """Where rows ended: parameters [p, B], objective [B], converged [B]."""

    parameters: Array
    objective: Array
    converged: Array


def descend(problem: Problem, start: Array, tolerance: float = 1e-15, steps: int = 60) -> Descent:
    """Descend from start [p, B] to the nearest minimum, in batches that fit the cache."""
    rows = start.shape[1]
    size = max(1, _CHUNK // max(1, len(problem.inputs[0])))
    if rows <= size:
        return _descend(problem, start, tolerance, steps)
    parts = []
    for first in range(0, rows, size):
        chosen = np.arange(first, min(first + size, rows))
        parts.append(_descend(problem.rows(chosen), start[:, chosen], tolerance, steps))
    return Descent(
        np.concatenate([part.parameters for part in parts], axis=1),
        np.concatenate([part.objective for part in parts]),
        np.concatenate([part.converged for part in parts]),
    )


@np.errstate(all="ignore")
def _descend(problem: Problem, start: Array, tolerance: float, steps: int) -> Descent:
    lower, upper = problem.lower[:, None], problem.upper[:, None]
    parameters = np.clip(start, lower, upper)
    best, reached, done = parameters.copy(), np.full(start.shape[1], np.inf), np.zeros(start.shape[1], bool)
    live = np.arange(start.shape[1])
    here = _State.at(problem, parameters)
    damping = np.full(len(live), 1e-3)
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
        floor = _ROUNDING * here.floor
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
            step, damping, caution, floor = step[:, stay], damping[stay], caution[stay], floor[stay]
        there = _State.at(some, np.clip(here.parameters + step, lower, upper))
        if some.objective.is_quadratic:
            there = there.solve_linear(some, lower, upper)
        better = there.total <= here.total + floor
        here = here.merge(there, better)
        damping = np.where(better, damping * 0.02, np.maximum(damping * 8.0, 1e-4))
        caution = np.where(better, np.maximum(caution * 0.1, 1e-6), np.minimum(caution * 30.0, 1.0))
    best[:, live], reached[live] = here.parameters, here.total
    return Descent(best, reached, done)


@dataclass(frozen=True)
class _State:
    """Rows at a place: parameters [p, B], jacobian [B, p, n], value and residual [B, n], total [B]."""

    parameters: Array
    jacobian: Array
    value: Array
    residual: Array
    total: Array
    floor: Array

    @classmethod
    def at(cls, problem: Problem, parameters: Array) -> _State:
        jacobian = problem.law.jacobian(problem.inputs, parameters)
        value = problem.law.value_from(problem.inputs, parameters, jacobian)
        residual = problem.objective.residuals(value, problem.target)
        weight = 1.0 if problem.weight is None else problem.weight
        total = problem.objective.total(residual, weight)
        size = problem.target if problem.objective.residual == "linear" else np.ones_like(problem.target)
        floor = _ROUNDING * np.sum(weight * size**2, axis=-1)
        return cls(parameters, jacobian, value, residual, total, np.broadcast_to(floor, total.shape))

    def quadratic(self, problem: Problem, caution: Array) -> tuple[Array, Array]:
        """The Gram matrix [p, p, B] and the slopes [p, B] of the objective's local least squares."""
        rows, scale = problem.objective.linearise(self.residual, self.value, problem.weight, caution[:, None])
        columns = self.jacobian if scale is None else self.jacobian * scale[:, None, :]
        gram = np.matmul(columns, columns.transpose(0, 2, 1))
        slope = np.matmul(columns, rows[:, :, None])[:, :, 0]
        return np.ascontiguousarray(gram.transpose(1, 2, 0)), np.ascontiguousarray(slope.T)

    def solve_linear(self, problem: Problem, lower: Array, upper: Array) -> _State:
        """The same place with the linear parameters solved exactly (within their bounds)."""
        chosen = problem.law.linear_index
        if not chosen.size:
            return self
        columns = self.jacobian[:, chosen]
        weighted = columns if problem.weight is None else columns * problem.weight[:, None, :]
        gram = np.matmul(weighted, columns.transpose(0, 2, 1)).transpose(1, 2, 0)
        slope = np.matmul(weighted, self.residual[:, :, None])[:, :, 0].T
        start = self.parameters[chosen]
        step, _ = box_step(
            gram, slope, start, lower[chosen], upper[chosen], range(len(chosen)), 0.0, len(chosen)
        )
        parameters = self.parameters.copy()
        parameters[chosen] = np.clip(start + step, lower[chosen], upper[chosen])
        value = problem.law.moved_value(self.value, self.parameters, parameters, self.jacobian)
        residual = problem.objective.residuals(value, problem.target)
        total = problem.objective.total(residual, 1.0 if problem.weight is None else problem.weight)
        return replace(self, parameters=parameters, value=value, residual=residual, total=total)

    def take(self, rows: Array) -> _State:
        return replace(
            self,
            parameters=self.parameters[:, rows],
            jacobian=self.jacobian[rows],
            value=self.value[rows],
            residual=self.residual[rows],
            total=self.total[rows],
            floor=self.floor[rows],
        )

    def merge(self, other: _State, use: Array) -> _State:
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


@dataclass(frozen=True)
class Optimum:
    """The best place found [p], its objective, and how it was found."""

    parameters: Array
    objective: float
    converged: bool
    starts: int
    agreeing: int
    gap: float
    gradient_norm: float


@np.errstate(all="ignore")
def minimise(
    problem: Problem, starts: int | None = None, keep: int = 12, first: Array | None = None
) -> Optimum:
    """The global minimum of a problem of one row.

    starts: places where the exponents are tried (by default more for more of them: 256 for two, 4096 for six);
    keep: the best distinct ones that are descended from;
    first [p]: a place to descend from as well (a known answer).
    """
    nonlinear = int((~problem.law.is_linear & ~problem.fixed).sum())
    starts = starts or 256 * 2 ** min(max(nonlinear - 2, 0), 4)
    candidates = _cover(problem, starts, keep if nonlinear < 3 else 2 * keep)
    if first is not None:
        candidates = np.concatenate([candidates, first[:, None]], axis=1)
    for stage in _stages(problem, candidates):
        candidates = descend(stage, candidates, tolerance=1e-6, steps=20).parameters
    ends = descend(problem, candidates, steps=100).parameters
    totals = _State.at(problem, ends).total
    leading = np.argsort(totals, kind="stable")[:3]
    ends[:, leading] = descend(problem, ends[:, leading], steps=500).parameters
    totals[leading] = _State.at(problem, ends[:, leading]).total
    best = int(np.argmin(totals))
    reached = float(totals[best])
    polished = polish(problem, ends[:, best])
    objective, parameters = polished.objective, polished.parameters
    close = totals <= objective * (1 + 1e-6) + polished.floor
    moved = max(reached - objective, polished.promise) if np.isfinite(objective) else np.inf
    gap = 0.0 if moved <= polished.floor else moved / max(objective, polished.floor)
    return Optimum(
        parameters,
        objective,
        bool(np.isfinite(objective) and gap < 1e-6),
        starts,
        int(close.sum()),
        gap,
        polished.gradient_norm,
    )


def _cover(problem: Problem, starts: int, keep: int) -> Array:
    """[p, keep] the best distinct places of a low-discrepancy cover of the nonlinear parameters' box."""
    law = problem.law
    low, high = law.search_box(problem.inputs, problem.lower, problem.upper)
    chosen = np.flatnonzero(~law.is_linear & (low < high))
    count = starts if chosen.size else 1
    unit = _low_discrepancy(count, chosen.size)
    parameters = np.repeat(np.clip(0.0, problem.lower, problem.upper)[:, None], count, axis=1)
    parameters[~law.is_linear] = low[~law.is_linear, None]
    parameters[chosen] = _spread(unit, low[chosen, None], high[chosen, None])
    relative = problem.objective.residual == "log"
    weight = problem.weight
    if relative:
        weight = (1.0 if weight is None else weight) / np.maximum(problem.target, 1e-300) ** 2
    plain = replace(problem, objective=Objective(), weight=weight)
    place = _State.at(plain, parameters)
    for _ in range(3):
        place = place.solve_linear(plain, problem.lower[:, None], problem.upper[:, None])
    order = np.argsort(place.total, kind="stable")
    taken: list[int] = []
    for b in order[: 8 * keep]:
        if len(taken) < keep and (
            not taken or np.abs(unit[:, taken] - unit[:, [b]]).max(axis=0).min() > 0.08
        ):
            taken.append(int(b))
    return place.parameters[:, taken or [0]]


def _low_discrepancy(count: int, dimensions: int) -> Array:
    """[dimensions, count] points of the unit box: the Kronecker sequence of the generalised golden ratio."""
    ratio = 2.0
    for _ in range(40):
        ratio = (1.0 + ratio) ** (1.0 / (dimensions + 1))
    steps = ratio ** -(1.0 + np.arange(dimensions))
    return (0.5 + steps[:, None] * np.arange(1, count + 1)) % 1.0


def _spread(unit: Array, low: Array, high: Array) -> Array:
    """From the unit box to the search box: even in the logarithm where it spans decades, denser near zero."""
    decades = (low > 0) & (high > 100 * low)
    near_zero = (low == 0) & (high > 10)
    with np.errstate(all="ignore"):
        return np.select(
            [decades, near_zero, low == 0],
            [
                low * (high / np.where(decades, low, 1.0)) ** unit,
                high * 10 ** (9 * (unit - 1)),
                high * unit**2,
            ],
            low + (high - low) * unit,
        )


def _stages(problem: Problem, candidates: Array) -> list[Problem]:
    """Continuation: problems from plain squares (in the residual's space) down to the Huber function's delta."""
    objective = problem.objective
    if objective.loss != "huber":
        return []
    value = problem.law.value(problem.inputs, candidates[:, :1])
    residual = np.abs(objective.residuals(value, problem.target))
    finite = residual[np.isfinite(residual)]
    largest, delta = float(finite.max()) if finite.size else 1.0, float(objective.delta or 0.0)
    stages = []
    while largest > 3 * delta:
        stages.append(replace(problem, objective=replace(objective, delta=largest)))
        largest /= 6.0
    return stages


@dataclass(frozen=True)
class Polished:
    """After the last steps: the place [p], objective, what a further Newton step promises, gradient, rounding."""

    parameters: Array
    objective: float
    promise: float
    gradient_norm: float
    floor: float


def polish(problem: Problem, start: Array, steps: int = 12) -> Polished:
    """Steps by orthogonal factorisation (not normal equations) from one place, until nothing is gained.

    gradient_norm is the largest cosine between a free parameter's column and the rows that are left.
    """
    here = _State.at(problem, start[:, None])
    for _ in range(steps + 1):
        rows, scale = problem.objective.linearise(here.residual, here.value, problem.weight, 1e-6)
        columns = (here.jacobian if scale is None else here.jacobian * scale[:, None, :])[0]
        slope, size = columns @ rows[0], np.sqrt(np.sum(columns**2, axis=1))
        place = here.parameters[:, 0]
        free = ~(((place <= problem.lower) & (slope <= 0)) | ((place >= problem.upper) & (slope >= 0))) & (
            size > 0
        )
        step = np.zeros_like(place)
        if free.any() and np.isfinite(columns).all() and np.isfinite(rows).all():
            step[free] = (
                np.linalg.lstsq((columns[free] / size[free, None]).T, rows[0], rcond=1e-13)[0] / size[free]
            )
        promise = problem.objective.newton_factor * float(slope[free] @ step[free])
        floor = float(_ROUNDING * here.floor[0])
        there = _State.at(problem, np.clip(place + step, problem.lower, problem.upper)[:, None])
        if not there.total[0] < here.total[0]:
            break
        here = there
    length = float(np.sqrt(np.sum(rows**2)))
    cosines = np.abs(slope[free]) / (size[free] * length) if length > 0 and free.any() else np.zeros(1)
    return Polished(place, float(here.total[0]), max(promise, 0.0), float(cosines.max()), floor)
