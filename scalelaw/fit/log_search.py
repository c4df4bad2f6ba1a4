"""Descent in the logarithms of positive parameters.

A parameter that scales a power inside a function, s in exp(-s*N**q), moves by orders of magnitude with the exponent
beside it. In the logarithm of s the valley that both share is straight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from scalelaw.fit.law import Law
from scalelaw.fit.varpro import Problem, State, descend

Array = np.ndarray
_LARGEST = 690.0
"""Size of the largest logarithm: exp(690) is the largest number whose square root and inverse are safe."""

_SETTLED = 1e-14
"""Relative decrease of the objective in a nearly undamped step below which a descent ends."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _InLogs(Law):
    """A law of the logarithms of the parameters `logs` [p] bool, and of the others as they are."""

    base: Law
    logs: Array

    @classmethod
    def of(cls, law: Law, logs: Array) -> _InLogs:
        return cls(**{f.name: getattr(law, f.name) for f in fields(Law)}, base=law, logs=logs)

    def plain(self, parameters: Array) -> Array:
        """[p, B] the parameters of the law."""
        with np.errstate(all="ignore"):
            return np.where(self.logs[:, None], np.exp(parameters), parameters)

    def value(self, inputs: Sequence[Array], parameters: Array) -> Array:
        """[B, n] the law's value."""
        return self.base.value(inputs, self.plain(parameters))

    def jacobian(self, inputs: Sequence[Array], parameters: Array) -> Array:
        """[B, p, n] derivatives by the logarithms, and by the other parameters."""
        plain = self.plain(parameters)
        slopes = self.base.jacobian(inputs, plain)
        with np.errstate(all="ignore"):
            return np.asarray(slopes * np.where(self.logs[:, None], plain, 1.0).T[:, :, None])


def descend_in_logs(problem: Problem, start: Array, steps: int) -> Array:
    """[p, B] the ends of descents from start [p, B] in the logarithms of the positive nonlinear parameters."""
    law = problem.law
    logs = ~law.is_linear & ~problem.fixed & (problem.lower >= 0)
    if not logs.any():
        return start
    logged = _InLogs.of(law, logs)
    with np.errstate(all="ignore"):
        lower = np.where(logs, np.maximum(np.log(problem.lower), -_LARGEST), problem.lower)
        upper = np.where(logs, np.minimum(np.log(problem.upper), _LARGEST), problem.upper)
        first = np.where(logs[:, None], np.log(start), start)
    ends = descend(replace(problem, law=logged, lower=lower, upper=upper), first, 1e-8, steps, 10.0)
    plain = logged.plain(ends.parameters)
    return np.asarray(np.clip(plain, problem.lower[:, None], problem.upper[:, None]))


@np.errstate(all="ignore")
def refine_in_logs(problem: Problem, start: Array, steps: int = 300) -> Array:
    """[p] the end of Levenberg-Marquardt steps in the logarithms of positive parameters, by orthogonal factorization.

    For long valleys of many parameters: normal equations lose half of the digits that such a step needs.
    """
    place = start.copy()
    state, damping, factor = State.at(problem, place[:, None]), 1e-3, 4.0
    for _ in range(steps):
        rows, scale = problem.objective.linearize(state.residual, state.value, problem.weight, 1e-6)
        columns = (state.jacobian if scale is None else state.jacobian * scale[:, None, :])[0]
        logs = (problem.lower >= 0) & (place > 0)
        columns = columns * np.where(logs, place, 1.0)[:, None]
        size = np.sqrt(np.sum(columns**2, axis=1))
        slope = columns @ rows[0]
        stuck = ((place <= problem.lower) & (slope <= 0)) | ((place >= problem.upper) & (slope >= 0))
        free = ~problem.fixed & ~stuck & (size > 0) & np.isfinite(size)
        if not (free.any() and np.isfinite(rows).all()):
            break
        scaled = (columns[free] / size[free, None]).T
        system = np.concatenate([scaled, np.sqrt(damping) * np.eye(int(free.sum()))])
        step = np.zeros_like(place)
        right = np.concatenate([rows[0], np.zeros(int(free.sum()))])
        step[free] = np.linalg.lstsq(system, right, rcond=None)[0] / size[free]
        moved = np.where(logs, place * np.exp(np.clip(step, -2.0, 2.0)), place + step)
        trial = State.at(problem, np.clip(moved, problem.lower, problem.upper)[:, None])
        if trial.total[0] < state.total[0]:
            decrease = 1 - trial.total[0] / state.total[0]
            place, state = trial.parameters[:, 0], trial
            damping, factor = max(damping / 5.0, 1e-18), 4.0
            if decrease < _SETTLED and damping < 1e-6:
                break
        elif damping > 1e10:
            break
        else:
            damping, factor = damping * factor, 2 * factor
    return place
