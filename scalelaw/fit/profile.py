"""Profile likelihood: how far a parameter, or a derived quantity, can be pushed before the fit gets much worse.

A value v belongs to the interval while 2 c (objective at its best given v - objective at its best) <= F(1, n - p),
c = (mean of psi') / (sum of psi^2 / (n - p)): for squares this is the F test, for the Huber loss its robust form
(Schrader and Hettmansperger 1980). At a bound the interval ends there: it is one-sided. Both ends of all intervals
are searched for at once, as rows of one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from scalelaw.fit.engine import Problem, State, descend
from scalelaw.fit.law import Law

Array = np.ndarray
_ROUNDS = 40


def profile_parameters(
    problem: Problem, fitted: Array, level: float, free: int
) -> dict[str, tuple[float, float]]:
    """The interval of each parameter; a fixed one has no width. free: parameters counted as estimated."""
    chosen = np.flatnonzero(~problem.fixed)
    intervals = {name: (float(v), float(v)) for name, v in zip(problem.law.parameters, fitted, strict=True)}
    if problem.target.shape[1] <= free:
        return dict.fromkeys(intervals, (np.nan, np.nan))
    threshold = _threshold(problem, fitted, level, free)

    def pinned(values: Array, rows: Array) -> Problem:
        lower = np.repeat(problem.lower[:, None], len(rows), axis=1)
        upper = np.repeat(problem.upper[:, None], len(rows), axis=1)
        which = chosen[rows // 2]
        lower[which, np.arange(len(rows))] = upper[which, np.arange(len(rows))] = values
        return replace(problem, lower=lower, upper=upper)

    bounds = np.stack([problem.lower[chosen], problem.upper[chosen]], axis=1).ravel()
    centre = np.repeat(fitted[chosen], 2)
    ends = _search(
        problem,
        fitted,
        pinned,
        centre,
        bounds,
        threshold,
        lambda p, rows: p[chosen[rows // 2], np.arange(len(rows))],
    )
    for i, j in enumerate(chosen):
        intervals[problem.law.parameters[j]] = (float(ends[2 * i]), float(ends[2 * i + 1]))
    return intervals


def profile_derived(
    problem: Problem, fitted: Array, quantity: Callable[[Array], Array], level: float, free: int
) -> tuple[float, float]:
    """The interval of a quantity [p, B] -> [B]: the law is given one more point, at which its value is the quantity.

    The heavy weight of that point pulls the quantity; where it ends is read off, so the profile is exact.
    """
    value = float(quantity(fitted[:, None])[0])
    if problem.target.shape[1] <= free or not np.isfinite(value):
        return (np.nan, np.nan)
    threshold = _threshold(problem, fitted, level, free)
    law = _with_quantity(problem.law, quantity)
    n = problem.target.shape[1]
    weight = np.ones((1, n)) if problem.weight is None else problem.weight
    size = max(abs(value), 1e-12)
    pull = 1e6 * max(float(threshold), 1e-30) / size**2
    heavy = np.concatenate([weight, np.full((1, 1), pull)], axis=1)
    wide = tuple(np.append(x, 1.0) for x in problem.inputs)

    def pinned(values: Array, rows: Array) -> Problem:
        target = np.concatenate([np.repeat(problem.target, len(rows), axis=0), values[:, None]], axis=1)
        return replace(problem, law=law, inputs=wide, target=target, weight=heavy)

    ends = _search(
        problem,
        fitted,
        pinned,
        np.full(2, value),
        np.array([-np.inf, np.inf]),
        threshold,
        lambda p, rows: quantity(p),
    )
    return float(ends[0]), float(ends[1])


def _threshold(problem: Problem, fitted: Array, level: float, free: int) -> float:
    """How much the objective may rise."""
    from scipy.special import fdtri

    here = State.at(problem, fitted[:, None])
    n = problem.target.shape[1]
    weight = np.ones(n) if problem.weight is None else problem.weight[0]
    residual = here.residual[0]
    quantile = float(fdtri(1, n - free, level))
    if problem.objective.loss == "huber":
        delta = float(problem.objective.delta or 0.0)
        psi = weight * np.clip(residual, -delta, delta)
        slope = max(float(np.mean(weight * (np.abs(residual) <= delta))), 1 / n)
        return 0.5 * quantile * float(np.sum(psi**2)) / (n - free) / slope
    return quantile * float(here.total[0]) / (n - free)


def _search(
    problem: Problem,
    fitted: Array,
    pinned: Callable[[Array, Array], Problem],
    centre: Array,
    bounds: Array,
    threshold: float,
    read: Callable[[Array, Array], Array],
) -> Array:
    """The two ends for each centre (rows 2i: down, 2i + 1: up), by doubling steps, then bisection."""
    rows = np.arange(len(centre))
    down = rows % 2 == 0
    best = float(State.at(problem, fitted[:, None]).total[0])
    step = np.maximum(0.02 * np.abs(centre), 1e-4)
    inside, outside = centre.copy(), np.where(down, -np.inf, np.inf)
    places = np.repeat(fitted[:, None], len(centre), axis=1)
    ended = inside == bounds
    ends = np.where(ended, bounds, np.nan)
    for _ in range(_ROUNDS):
        live = np.flatnonzero(~ended)
        if not live.size:
            break
        far = np.isinf(outside[live])
        middle = 0.5 * (inside[live] + np.where(far, 0.0, outside[live]))
        trial = np.where(far, inside[live] + np.where(down[live], -step[live], step[live]), middle)
        trial = np.where(down[live], np.maximum(trial, bounds[live]), np.minimum(trial, bounds[live]))
        found = descend(pinned(trial, live), places[:, live], tolerance=1e-10, steps=60).parameters
        rise = State.at(problem, found).total - best
        reached = read(found, live)
        good = rise <= threshold
        inside[live] = np.where(good, reached, inside[live])
        places[:, live] = np.where(good, found, places[:, live])
        outside[live] = np.where(good, outside[live], np.where(np.isfinite(reached), reached, trial))
        step[live] = np.where(good & far, 2.5 * step[live], step[live])
        at_bound = good & (trial == bounds[live])
        close = np.abs(outside[live] - inside[live]) <= 1e-7 * np.maximum(np.abs(centre[live]), 1e-9)
        ends[live] = np.where(at_bound, bounds[live], inside[live])
        ended[live] = at_bound | close
    runaway = ~ended & np.isinf(outside)
    return np.where(runaway, np.where(down, -np.inf, np.inf), ends)


def _with_quantity(law: Law, quantity: Callable[[Array], Array]) -> Law:
    """The law with one more point at its end, whose value is the quantity."""

    class Wide(Law):
        def value(self, inputs, parameters):  # type: ignore[no-untyped-def]
            value = law.value([x[:-1] for x in inputs], parameters)
            return np.concatenate([value, quantity(parameters)[:, None]], axis=1)

        def value_from(self, inputs, parameters, jacobian):  # type: ignore[no-untyped-def]
            return self.value(inputs, parameters)

        def jacobian(self, inputs, parameters):  # type: ignore[no-untyped-def]
            jacobian = law.jacobian([x[:-1] for x in inputs], parameters)
            step = 1e-6 * np.maximum(np.abs(parameters), 1e-6)
            slopes = []
            for j in range(len(parameters)):
                up, down = parameters.copy(), parameters.copy()
                up[j] += step[j]
                down[j] -= step[j]
                slopes.append((quantity(up) - quantity(down)) / (2 * step[j]))
            return np.concatenate([jacobian, np.nan_to_num(np.stack(slopes, axis=1))[:, :, None]], axis=2)

    names = {f: getattr(law, f) for f in law.__dataclass_fields__}
    return Wide(**{**names, "linear": ()})
