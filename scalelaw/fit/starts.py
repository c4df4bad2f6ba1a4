"""Starting points: a low-discrepancy cover of the exponents' box, and continuation to a Huber objective."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from scalelaw.fit.objective import Objective
from scalelaw.fit.start_scan import scan
from scalelaw.fit.varpro import CHUNK, Problem, State

Array = np.ndarray
_APART = 0.05
"""Share of the box's side by which distinct starting points differ in at least one direction."""


def cover(problem: Problem, starts: int, keep: int) -> tuple[Array, Array]:
    """The best distinct starting points of a low-discrepancy cover of the nonlinear parameters' box.

    Returns:
        [p, up to 2 keep] ranked by squares (relative ones for log residuals) with the linear parameters solved; the
        points of a scan in the inputs' own scale come first, where the law has parameters without `search`.
        [p, up to keep] ranked by the objective after a step of the linear parameters; empty for a plain sum of squares.
    """
    law = problem.law
    low, high = law.search_box(problem.inputs, problem.lower, problem.upper)
    free = np.flatnonzero(~law.is_linear & (low < high))
    count = starts if free.size else 1
    unit = _low_discrepancy(count, free.size)
    parameters = np.repeat(np.clip(0.0, problem.lower, problem.upper)[:, None], count, axis=1)
    parameters[~law.is_linear] = low[~law.is_linear, None]
    parameters[free] = _spread(unit, low[free, None], high[free, None])
    relative = problem.objective.residual == "log"
    weight = problem.weight
    if relative:
        weight = (1.0 if weight is None else weight) / np.maximum(problem.target, 1e-300) ** 2
    plain = replace(problem, objective=Objective(), weight=weight)
    where = np.zeros_like(parameters)
    where[free] = unit
    scaled = scan(plain, where, parameters, keep)
    if law.form is not None and scaled.shape[1]:
        return scaled, parameters[:, :0] if problem.objective.is_quadratic else scaled
    parameters, totals = _placed(plain, parameters)
    best = np.concatenate([scaled, parameters[:, _distinct(unit, totals, keep)]], axis=1)
    if problem.objective.is_quadratic:
        return best, parameters[:, :0]
    projected, totals = _placed(problem, parameters)
    return best, projected[:, _distinct(unit, totals, keep)]


def _distinct(unit: Array, totals: Array, keep: int) -> list[int]:
    """Indices of the best points that are distinct from the better ones; unit [dimensions, B], totals [B]."""
    order = np.argsort(totals, kind="stable")[: 8 * keep]
    apart = np.abs(unit[:, order, None] - unit[:, None, order]).max(axis=0, initial=0.0) > _APART
    taken: list[int] = []
    for b in range(len(order)):
        if len(taken) < keep and apart[b, taken].all():
            taken.append(b)
    return [int(order[b]) for b in taken]


def _placed(problem: Problem, parameters: Array) -> tuple[Array, Array]:
    """([p, B], [B]) points after a step of their linear parameters, and their objective."""
    solved, totals = parameters.copy(), np.empty(parameters.shape[1])
    size = max(1, 4 * CHUNK // len(problem.inputs[0]))
    for first in range(0, parameters.shape[1], size):
        block = slice(first, first + size)
        place = State.at(problem, parameters[:, block]).solve_linear(problem)
        solved[:, block], totals[block] = place.parameters, place.total
    return solved, totals


@lru_cache(maxsize=32)
def _low_discrepancy(count: int, dimensions: int) -> Array:
    """[dimensions, count] points of the unit box: the Kronecker sequence of the generalized golden ratio."""
    ratio = 2.0
    for _ in range(40):
        ratio = (1.0 + ratio) ** (1.0 / (dimensions + 1))
    steps = ratio ** -(1.0 + np.arange(dimensions))
    return (0.5 + steps[:, None] * np.arange(1, count + 1)) % 1.0


def _spread(unit: Array, low: Array, high: Array) -> Array:
    """Map the unit box to the search box: uniform in the logarithm where it spans decades, denser near zero."""
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


def stages(problem: Problem, candidates: Array) -> list[Problem]:
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
