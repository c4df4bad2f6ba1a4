"""The optimum, and how sure it is: the exponents are looked for everywhere, the best places descended and polished.

The cover of the exponents' box is a low-discrepancy sequence; at each place the linear parameters are solved. A Huber
objective is reached by continuation from squares. The winner is polished by orthogonal factorisation; what a further
step could still gain is the gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scalelaw.fit.engine import ROUNDING, Problem, State, descend
from scalelaw.fit.objective import Objective

Array = np.ndarray


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
        candidates = descend(stage, candidates, tolerance=1e-3, steps=10).parameters
    ends = descend(problem, candidates, tolerance=1e-10, steps=60 if nonlinear < 3 else 100).parameters
    totals = State.at(problem, ends).total
    leading = np.argsort(totals, kind="stable")[:3]
    ends[:, leading] = descend(problem, ends[:, leading], tolerance=1e-13, steps=500).parameters
    totals[leading] = State.at(problem, ends[:, leading]).total
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
    place = State.at(plain, parameters)
    for _ in range(3):
        place = place.solve_linear(plain)
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
        largest /= 10.0
    return stages


@dataclass(frozen=True)
class Polished:
    """After the last steps: the place [p], objective, what a further Newton step promises, gradient, rounding."""

    parameters: Array
    objective: float
    promise: float
    gradient_norm: float
    floor: float


def polish(problem: Problem, start: Array, steps: int = 30) -> Polished:
    """Steps by orthogonal factorisation (not normal equations) from one place, until rounding stops them.

    gradient_norm is the largest cosine between a free parameter's column and the rows that are left.
    """
    here = State.at(problem, start[:, None])
    step, promise, cosine = _newton(problem, here)
    floor = float(ROUNDING * here.floor[0])
    share = 1.0
    for _ in range(steps):
        place = np.clip(
            here.parameters + share * step[:, None], problem.lower[:, None], problem.upper[:, None]
        )
        there = State.at(problem, place)
        further, promised, smaller = _newton(problem, there)
        lower = there.total[0] < here.total[0] - here.rounding[0]
        if lower or (there.total[0] <= here.total[0] + here.rounding[0] and smaller < cosine):
            here, step, promise, cosine, share = there, further, promised, smaller, 1.0
        elif share > 0.05 and promise > here.rounding[0]:
            share *= 0.4
        else:
            # a kink of the Huber function, not a slope, stopped the step: the majoriser promises what can be had
            promise = min(promise, _newton(problem, here, caution=1.0)[1])
            break
    return Polished(here.parameters[:, 0], float(here.total[0]), max(promise, 0.0), cosine, floor)


def _newton(problem: Problem, here: State, caution: float = 1e-6) -> tuple[Array, float, float]:
    """The step [p] from a place, what it promises, and the largest cosine of a free column with the rows."""
    rows, scale = problem.objective.linearise(here.residual, here.value, problem.weight, caution)
    columns = (here.jacobian if scale is None else here.jacobian * scale[:, None, :])[0]
    place, left = here.parameters[:, 0], rows[0]
    step = np.zeros_like(place)
    if not (np.isfinite(columns).all() and np.isfinite(left).all()):
        return step, np.inf, np.inf
    slope, size = columns @ left, np.sqrt(np.sum(columns**2, axis=1))
    held = ((place <= problem.lower) & (slope <= 0)) | ((place >= problem.upper) & (slope >= 0))
    free = ~held & (size > 0)
    length = float(np.sqrt(left @ left))
    if not free.any() or length == 0:
        return step, 0.0, 0.0
    step[free] = np.linalg.lstsq((columns[free] / size[free, None]).T, left, rcond=1e-13)[0] / size[free]
    promise = problem.objective.newton_factor * float(slope[free] @ step[free])
    return step, promise, float(np.max(np.abs(slope[free]) / (size[free] * length)))
