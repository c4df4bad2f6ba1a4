"""Global minimization: descend from many starting points, then refine the best minimum.

The starting points cover the box of the exponents with a low-discrepancy sequence; at each point the linear parameters
are solved. A Huber objective is approached by continuation from squares. The best minimum is refined with an orthogonal
factorization; the `gap` is the decrease that one more step predicts, as a share of the objective.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scalelaw.fit.huber import follow
from scalelaw.fit.log_search import descend_in_logs, refine_in_logs
from scalelaw.fit.starts import cover, stages
from scalelaw.fit.varpro import ROUNDING, Problem, State, count_agreeing, descend

Array = np.ndarray
_AGREED, _AGREED_ROBUST = 3, 8
"""Descents that must end in the lowest minimum before the others are stopped (with one or two exponents)."""
_SHORT = 1e-12
"""Length of a step, as a share of its parameter, below which it changes nothing."""
_ROUGH = 80
"""Points that rank the starting points, for one or two exponents."""
_CLOSE = 1e-6
"""Gap below which a minimum counts as reached."""
_ENOUGH = 4000
"""Points that the search uses when there are many more."""


@dataclass(frozen=True)
class Minimum:
    """The best parameters [p], their objective, and what the search knows of it.

    gap: the decrease that one more step predicts, as a share of the objective; it says nothing of other minima.
    """

    parameters: Array
    objective: float
    converged: bool
    starts: int
    agreeing: int
    gap: float
    gradient_norm: float
    descents: int = 0

    @property
    def certificate(self) -> dict[str, float | str]:
        """What is known of this minimum: it is `local`, and `agreeing` of `descents` descents end in it."""
        return {
            "scope": "local",
            "gap": self.gap,
            "starts": self.starts,
            "descents": self.descents,
            "agreeing": self.agreeing,
            "gradient_norm": self.gradient_norm,
        }


@np.errstate(all="ignore")
def minimize(
    problem: Problem, starts: int | None = None, keep: int = 12, first: Array | None = None
) -> Minimum:
    """The global minimum of a problem of one row.

    Args:
        problem: the fit problem.
        starts: number of starting points of the exponents; by default 256 for two exponents, up to 4096 for six (1024
            for a formula, whose starts are laid out by its form).
        keep: number of the best distinct starting points to descend from.
        first: [p] one more starting point, such as a known answer.
    """
    nonlinear = int((~problem.law.is_linear & ~problem.fixed).sum())
    starts = starts or 256 * 2 ** min(max(nonlinear - 2, 0), 4 if problem.law.form is None else 2)
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
    if problem.law.form is not None:
        candidates = descend_in_logs(sample, candidates, steps)
    descents = descend(sample, candidates, 1e-8, steps, damping, enough)
    ends, totals = descents.parameters, descents.objective
    if (
        enough is None
        or not problem.objective.is_quadratic
        or count_agreeing(totals[descents.converged], totals) < enough
    ):
        leading = np.argsort(totals, kind="stable")[:3]
        further = descend(sample, ends[:, leading], tolerance=1e-13, steps=500)
        ends[:, leading], totals[leading] = further.parameters, further.objective
    best = int(np.argmin(totals))
    start = ends[:, best]
    if sample is not problem:
        start = descend(problem, start[:, None], tolerance=1e-13, steps=200).parameters[:, 0]
    polished, gap = _finished(problem, start)
    if problem.law.form is not None and gap >= _CLOSE:
        for end in [start, *ends[:, np.argsort(totals, kind="stable")[1:3]].T]:
            other, other_gap = _finished(problem, refine_in_logs(problem, end))
            if other.objective < polished.objective or (
                other.objective <= polished.objective * (1 + _CLOSE) and other_gap < gap
            ):
                polished, gap = other, other_gap
    if problem.objective.loss == "huber" and sample is problem and _CLOSE <= gap < np.inf:
        place, gap = follow(problem, polished.parameters)
        polished = polish(problem, place)
    objective, parameters = polished.objective, polished.parameters
    return Minimum(
        parameters,
        objective,
        bool(np.isfinite(objective) and gap < _CLOSE),
        starts,
        count_agreeing(totals, totals),
        gap,
        polished.gradient_norm,
        len(totals),
    )


def _finished(problem: Problem, start: Array) -> tuple[Polished, float]:
    """The refined minimum and its gap: what one more refinement still gains or predicts to gain."""
    reached = polish(problem, start).parameters
    before = float(State.at(problem, reached[:, None]).total[0])
    polished = polish(problem, reached)
    if not np.isfinite(polished.objective):
        return polished, np.inf
    decrease = max(before - polished.objective, polished.predicted_decrease)
    negligible = decrease <= polished.resolution
    return polished, 0.0 if negligible else decrease / max(polished.objective, polished.resolution)


def _sample(problem: Problem, size: int) -> Problem:
    """The problem, or its restriction to a random sample of `size` points where it has more than twice as many."""
    n = problem.target.shape[1]
    if n <= 2 * size:
        return problem
    picks = np.sort(np.random.default_rng(0).choice(n, size, replace=False))
    weight = None if problem.weight is None else problem.weight[:, picks]
    return replace(
        problem,
        inputs=tuple(x[picks] for x in problem.inputs),
        target=problem.target[:, picks],
        weight=weight,
    )


@dataclass(frozen=True)
class Polished:
    """A refined minimum: parameters [p], objective, and the decrease that one more Newton step predicts.

    resolution: the smallest change of the objective that is not lost in rounding.
    """

    parameters: Array
    objective: float
    predicted_decrease: float
    gradient_norm: float
    resolution: float


def polish(problem: Problem, start: Array, steps: int = 30) -> Polished:
    """Refine start [p] by Newton steps from an orthogonal factorization, until rounding stops them.

    gradient_norm is the largest cosine between a free parameter's column and the residuals.
    """
    state = State.at(problem, start[:, None])
    step, predicted_decrease, cosine = _newton(problem, state)
    resolution = float(ROUNDING * state.rounding_scale[0])
    share = 1.0
    for _ in range(steps):
        moved = state.parameters + share * step[:, None]
        trial = State.at(problem, np.clip(moved, problem.lower[:, None], problem.upper[:, None]))
        next_step, next_decrease, next_cosine = _newton(problem, trial)
        lower = trial.total[0] < state.total[0] - state.rounding[0]
        if not lower and predicted_decrease <= state.rounding[0] and _length(step, state) < _SHORT:
            break
        if lower or (
            trial.total[0] <= state.total[0] + state.rounding[0]
            and _length(next_step, trial) < _length(step, state)
        ):
            state, step, predicted_decrease, cosine, share = trial, next_step, next_decrease, next_cosine, 1.0
        elif share > 0.05 and predicted_decrease > state.rounding[0]:
            share *= 0.4
        else:
            # A kink of the Huber function stopped the step: the majorizer's prediction is the attainable one.
            predicted_decrease = min(predicted_decrease, _newton(problem, state, majorizer_weight=1.0)[1])
            break
    return Polished(
        state.parameters[:, 0], float(state.total[0]), max(predicted_decrease, 0.0), cosine, resolution
    )


def _length(step: Array, state: State) -> float:
    """The largest step, as a share of its parameter."""
    return float(np.max(np.abs(step) / np.maximum(np.abs(state.parameters[:, 0]), 1e-40)))


def _newton(problem: Problem, state: State, majorizer_weight: float = 1e-6) -> tuple[Array, float, float]:
    """The Newton step [p], its predicted decrease, and the largest cosine of a free column with the residuals."""
    rows, scale = problem.objective.linearize(state.residual, state.value, problem.weight, majorizer_weight)
    columns = (state.jacobian if scale is None else state.jacobian * scale[:, None, :])[0]
    parameters, residual = state.parameters[:, 0], rows[0]
    step = np.zeros_like(parameters)
    if not (np.isfinite(columns).all() and np.isfinite(residual).all()):
        return step, np.inf, np.inf
    slope, size = columns @ residual, np.sqrt(np.sum(columns**2, axis=1))
    at_lower = (parameters <= problem.lower) & (slope <= 0)
    at_upper = (parameters >= problem.upper) & (slope >= 0)
    free = ~(at_lower | at_upper) & (size > 0)
    length = float(np.sqrt(residual @ residual))
    if not free.any() or length == 0:
        return step, 0.0, 0.0
    scaled = (columns[free] / size[free, None]).T
    step[free] = np.linalg.lstsq(scaled, residual, rcond=1e-13)[0] / size[free]
    predicted_decrease = problem.objective.newton_factor * float(slope[free] @ step[free])
    return step, predicted_decrease, float(np.max(np.abs(slope[free]) / (size[free] * length)))
