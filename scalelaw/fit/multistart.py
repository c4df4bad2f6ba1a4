"""The optimum, and how sure it is: the exponents are looked for everywhere, the best places descended and polished.

The cover of the exponents' box is a low-discrepancy sequence; at each place the linear parameters are solved. A Huber
objective is reached by continuation from squares. The winner is polished by orthogonal factorisation; what a further
step could still gain is the gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scalelaw.fit.huber import follow
from scalelaw.fit.starts import cover, stages
from scalelaw.fit.varpro import ROUNDING, Problem, State, agreeing, descend

Array = np.ndarray
# How many descents must end in one lowest place before the others are left there (with one or two exponents)
_AGREED, _AGREED_ROBUST = 3, 8
_SHORT = 1e-12  # a step, as a share of its parameter, that changes nothing any more
_ROUGH = 80  # points that rank the places to descend from, for one or two exponents
_CLOSE = 1e-6  # the gap of a minimum that was reached
_ENOUGH = 4000  # points that the search looks at where there are many more


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
    sample = _sample(problem, _ENOUGH)
    few = nonlinear < 3
    rough = _sample(sample, _ROUGH) if few else sample
    candidates, direct = cover(rough, starts, keep if few else 2 * keep)
    if first is not None:
        candidates = np.concatenate([candidates, first[:, None]], axis=1)
    for stage in stages(sample, candidates):
        candidates = descend(stage, candidates, tolerance=1e-3, steps=10).parameters
    candidates = np.concatenate([candidates, direct], axis=1)
    quadratic = problem.objective.is_quadratic
    enough = (_AGREED if quadratic else _AGREED_ROBUST) if few and first is None else None
    steps, damping = (60, 1.0 if quadratic else 10.0) if few else (100, 10.0)
    found = descend(sample, candidates, 1e-8, steps, damping, enough)
    ends, totals = found.parameters, found.objective
    if (
        enough is None
        or not problem.objective.is_quadratic
        or agreeing(totals[found.converged], totals) < enough
    ):
        leading = np.argsort(totals, kind="stable")[:3]
        further = descend(sample, ends[:, leading], tolerance=1e-13, steps=500)
        ends[:, leading], totals[leading] = further.parameters, further.objective
    best = int(np.argmin(totals))
    start = ends[:, best]
    if sample is not problem:
        start = descend(problem, start[:, None], tolerance=1e-13, steps=200).parameters[:, 0]
    polished, gap = _finished(problem, start)
    if problem.objective.loss == "huber" and sample is problem and _CLOSE <= gap < np.inf:
        place, gap = follow(problem, polished.parameters)
        polished = polish(problem, place)
    objective, parameters = polished.objective, polished.parameters
    return Optimum(
        parameters,
        objective,
        bool(np.isfinite(objective) and gap < _CLOSE),
        starts,
        agreeing(totals, totals),
        gap,
        polished.gradient_norm,
    )


def _finished(problem: Problem, start: Array) -> tuple[Polished, float]:
    """A place polished, and the gap: what polishing it once more still moves or promises."""
    reached = polish(problem, start).parameters
    before = float(State.at(problem, reached[:, None]).total[0])
    polished = polish(problem, reached)
    if not np.isfinite(polished.objective):
        return polished, np.inf
    moved = max(before - polished.objective, polished.promise)
    return polished, 0.0 if moved <= polished.floor else moved / max(polished.objective, polished.floor)


def _sample(problem: Problem, size: int) -> Problem:
    """The problem, or where its points are many, that of some of them: enough to find the place to descend from."""
    n = problem.target.shape[1]
    if n <= 2 * size:
        return problem
    some = np.sort(np.random.default_rng(0).choice(n, size, replace=False))
    weight = None if problem.weight is None else problem.weight[:, some]
    return replace(
        problem, inputs=tuple(x[some] for x in problem.inputs), target=problem.target[:, some], weight=weight
    )


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
        if not lower and promise <= here.rounding[0] and _length(step, here) < _SHORT:
            break
        if lower or (
            there.total[0] <= here.total[0] + here.rounding[0]
            and _length(further, there) < _length(step, here)
        ):
            here, step, promise, cosine, share = there, further, promised, smaller, 1.0
        elif share > 0.05 and promise > here.rounding[0]:
            share *= 0.4
        else:
            # a kink of the Huber function, not a slope, stopped the step: the majoriser promises what can be had
            promise = min(promise, _newton(problem, here, caution=1.0)[1])
            break
    return Polished(here.parameters[:, 0], float(here.total[0]), max(promise, 0.0), cosine, floor)


def _length(step: Array, here: State) -> float:
    """The largest step, as a share of its parameter."""
    return float(np.max(np.abs(step) / np.maximum(np.abs(here.parameters[:, 0]), 1e-40)))


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
