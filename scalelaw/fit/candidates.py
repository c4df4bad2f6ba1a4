"""Candidates for an average: each law under each tail weight, fitted to all points and to every window at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scalelaw.fit.bootstrap import jackknife, leverage
from scalelaw.fit.holdout_windows import Window, misses, root_mean_square
from scalelaw.fit.law import Law
from scalelaw.fit.objective import Objective
from scalelaw.fit.starts import cover
from scalelaw.fit.varpro import Problem, descend
from scalelaw.fit.weights import effective_points

Array = np.ndarray
TAILS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
POINTS_PER_PARAMETER = 1.5
"""A member needs this many effective points, (sum w)^2 / sum w^2, for each of its parameters."""
_MOST_EXACT = 300


@dataclass(frozen=True)
class Sample:
    """Points for law selection: inputs in raw units [n], target [n], weight [n], objective and windows."""

    inputs: Mapping[str, Array]
    target: Array
    weight: Array
    objective: Objective
    windows: Sequence[Window]

    @property
    def relative(self) -> bool:
        """Whether prediction errors are logarithms of ratios, as every target is positive."""
        return bool((self.target > 0).all())

    def tail(self, gamma: float) -> Array:
        """[n] the weights, times (first input)^gamma."""
        log_x = np.log(next(iter(self.inputs.values())))
        tilted: Array = self.weight * np.exp(np.clip(gamma * (log_x - log_x.max()), -600, 0))
        return tilted


@dataclass(frozen=True)
class Member:
    """A law under a tail weight: parameters [p] for all points, values [n], and its error in each window, in order."""

    law: Law
    tail_weight: float
    parameters: Array
    values: Array
    window_misses: tuple[float, ...]


def fit_members(law: Law, sample: Sample, tails: Sequence[float]) -> list[Member]:
    """The law under every tail weight that leaves enough effective points (possibly none)."""
    needed = POINTS_PER_PARAMETER * len(law.parameters)
    allowed = [g for g in tails if effective_points(sample.tail(g)) >= needed]
    if not allowed:
        return []
    masks = [np.ones(len(sample.target), bool), *(w.kept for w in sample.windows)]
    weights = np.stack([sample.tail(gamma) * kept for gamma in allowed for kept in masks])
    weights = weights / weights.mean(axis=1, keepdims=True)
    parameters = refit(law, sample, weights)
    whole = slice(None, None, len(masks))
    parameters[:, whole] = _finish(law, sample, weights[whole], parameters[:, whole])
    values = law.value(law.scale(sample.inputs), parameters).reshape(len(allowed), len(masks), -1)
    parameters = parameters.reshape(-1, len(allowed), len(masks))
    members = []
    for k, gamma in enumerate(allowed):
        missed = tuple(
            root_mean_square(
                misses(values[k, j + 1, ~w.kept], sample.target[~w.kept], relative=sample.relative)
            )
            for j, w in enumerate(sample.windows)
        )
        members.append(Member(law, gamma, parameters[:, k, 0], values[k, 0], missed))
    return members


def refit(law: Law, sample: Sample, weights: Array, keep: int = 6) -> Array:
    """[p, rows] the best parameters under each row of weights [rows, n].

    Every row descends from the same starts: the best places of a cover of the exponents under the first weights and
    under the last.
    """
    problem = _problem(law, sample, weights)
    nonlinear = int((~law.is_linear).sum())
    count = 256 * 2 ** min(max(nonlinear - 2, 0), 3) if nonlinear else 1
    ends = [replace(problem, weight=weights[:1]), replace(problem, weight=weights[-1:])]
    starts = np.concatenate([cover(end, count, keep if nonlinear else 1)[0] for end in ends], axis=1)
    rows, each = len(weights), starts.shape[1]
    many = replace(problem, weight=np.repeat(weights, each, axis=0))
    places = np.tile(starts, (1, rows))
    if sample.objective.loss != "squared":
        plain = Objective(residual=sample.objective.residual)
        places = descend(replace(many, objective=plain), places, tolerance=1e-4, steps=20).parameters
    reached = descend(many, places, tolerance=1e-9, steps=60)
    totals = np.where(np.isfinite(reached.objective), reached.objective, np.inf).reshape(rows, each)
    best: Array = reached.parameters.reshape(-1, rows, each)[:, np.arange(rows), totals.argmin(axis=1)]
    return best


def _finish(law: Law, sample: Sample, weights: Array, places: Array) -> Array:
    """Converge tightly, as some laws have long flat valleys."""
    return descend(_problem(law, sample, weights), places, tolerance=1e-13, steps=300).parameters


def _problem(law: Law, sample: Sample, weights: Array) -> Problem:
    inputs = law.scale(sample.inputs)
    return Problem(law, inputs, sample.target[None], sample.objective, weights, law.lower, law.upper)


def leave_one_out(problem: Problem, fitted: Array) -> float:
    """Root mean square residual of each point predicted from the others.

    Refitted for up to 300 points; beyond, from the leverage (residual / (1 - h)), which is equal to first order.
    """
    value = problem.law.value(problem.inputs, fitted[:, None])
    residual = problem.objective.residuals(value, problem.target)[0]
    if len(residual) > _MOST_EXACT:
        return root_mean_square(residual / (1 - np.minimum(leverage(problem, fitted), 1 - 1e-6)))
    values = problem.law.value(problem.inputs, jackknife(problem, fitted))
    target = np.broadcast_to(problem.target, values.shape)
    return root_mean_square(np.diagonal(problem.objective.residuals(values, target)))
