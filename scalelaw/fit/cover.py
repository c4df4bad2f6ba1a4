"""Where to start: a low-discrepancy cover of the exponents' box, and the way from squares to a Huber objective."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scalelaw.fit.engine import CHUNK, Problem, State
from scalelaw.fit.objective import Objective

Array = np.ndarray


def cover(problem: Problem, starts: int, keep: int) -> Array:
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
    parameters, totals = _placed(plain, parameters)
    order = np.argsort(totals, kind="stable")
    taken: list[int] = []
    for b in order[: 8 * keep]:
        if len(taken) < keep and (
            not taken or np.abs(unit[:, taken] - unit[:, [b]]).max(axis=0).min() > 0.08
        ):
            taken.append(int(b))
    return parameters[:, taken or [0]]


def _placed(problem: Problem, parameters: Array) -> tuple[Array, Array]:
    """([p, B], [B]) places with their linear parameters solved, and the objective there."""
    solved, totals = parameters.copy(), np.empty(parameters.shape[1])
    size = max(1, 4 * CHUNK // len(problem.inputs[0]))
    for first in range(0, parameters.shape[1], size):
        block = slice(first, first + size)
        place = State.at(problem, parameters[:, block])
        for _ in range(3):
            place = place.solve_linear(problem)
        solved[:, block], totals[block] = place.parameters, place.total
    return solved, totals


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
