"""Profile likelihood: how far a parameter, or a derived quantity, can be pushed before the fit gets much worse.

A value v belongs to the interval while 2 c (objective at its best given v - objective at its best) <= F(1, n - p),
c = (mean of psi') / (sum of psi^2 / (n - p)): for squares this is the F test, for the Huber loss its robust form
(Schrader and Hettmansperger 1980). At a bound the interval ends there: it is one-sided. Both ends of all intervals
are searched for at once, as rows of one batch; at each value the best is looked for from the nearest values on both
sides and from the places where the search for the optimum began, so that a second valley is not missed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from scalelaw.fit.law import Law
from scalelaw.fit.starts import cover
from scalelaw.fit.varpro import Problem, State, descend

Array = np.ndarray
_ROUNDS = 40
_PULL = 1e3  # how many times the allowed rise it costs to stay one size of the quantity behind the pull
_MANY = 4000  # points from which the nearest values alone are started from: the optimum's valley is then deep
_STARTS, _KEPT = 256, 4  # places looked at for a second valley, and how many are descended from


def profile_parameters(
    problem: Problem, fitted: Array, level: float, free: int
) -> dict[str, tuple[float, float]]:
    """The interval of each parameter; a fixed one has no width. free: parameters counted as estimated."""
    chosen = np.flatnonzero(~problem.fixed)
    intervals = {name: (float(v), float(v)) for name, v in zip(problem.law.parameters, fitted, strict=True)}
    if not chosen.size:
        return intervals
    if problem.target.shape[1] <= free:
        return dict.fromkeys(intervals, (np.nan, np.nan))
    threshold = _threshold(problem, fitted, level, free)
    if _nothing(problem, fitted, threshold):
        return intervals

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
    problem: Problem,
    fitted: Array,
    quantity: Callable[[Array], Array],
    level: float,
    free: int,
    signed: bool = False,
) -> tuple[float, float]:
    """The interval of a quantity [p, B] -> [B]: the law is given one more point, at which its value is the quantity.

    The heavy weight of that point pulls the quantity; where it ends is read off, and a place that is best under the
    pull is the best with its own value of the quantity. An infinite quantity is profiled by its inverse;
    `signed`: a positive one may be negative as well, and is not searched along its logarithm.
    """
    value = float(quantity(fitted[:, None])[0])
    if problem.fixed.all():
        return (value, value)
    if problem.target.shape[1] <= free or np.isnan(value):
        return (np.nan, np.nan)
    if np.isinf(value):
        return _by_inverse(problem, fitted, quantity, level, free)
    threshold = _threshold(problem, fitted, level, free)
    if _nothing(problem, fitted, threshold):
        return (value, value)
    in_log = problem.objective.residual == "log"
    positive = in_log and value > 0 and not signed

    def pulled(parameters: Array) -> Array:
        """What the further point's value is: log residuals need it positive."""
        drawn = quantity(parameters)
        return np.asarray(np.exp(np.clip(drawn, -600, 600))) if in_log and not positive else drawn

    def place(parameters: Array) -> Array:
        """What is searched along: the quantity, or its logarithm."""
        return np.asarray(np.log(quantity(parameters))) if positive else quantity(parameters)

    centre = float(np.log(value)) if positive else value
    law = _with_quantity(problem.law, pulled)
    n = problem.target.shape[1]
    weight = np.ones((1, n)) if problem.weight is None else problem.weight
    size = 1.0 if positive else abs(value) or 1e-3
    pull = _PULL * max(float(threshold), 1e-30) / size**2
    heavy = np.concatenate([weight, np.full((1, 1), pull)], axis=1)
    wide = tuple(np.append(x, 1.0) for x in problem.inputs)

    def pinned(values: Array, rows: Array) -> Problem:
        last = np.exp(np.clip(values, -600, 600)) if in_log else values
        target = np.concatenate([np.repeat(problem.target, len(rows), axis=0), last[:, None]], axis=1)
        return replace(problem, law=law, inputs=wide, target=target, weight=heavy)

    ends = _search(
        problem,
        fitted,
        pinned,
        np.full(2, centre),
        np.array([-np.inf, np.inf]),
        threshold,
        lambda p, rows: place(p),
        size,
    )
    ends = np.exp(ends) if positive else ends
    return float(ends[0]), float(ends[1])


def _by_inverse(
    problem: Problem, fitted: Array, quantity: Callable[[Array], Array], level: float, free: int
) -> tuple[float, float]:
    """The interval of a quantity that is infinite at the fit; nan where its inverse does not move from 0 there."""

    def inverse(parameters: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.nan_to_num(1.0 / quantity(parameters))

    near = fitted[:, None] + 1e-6 * np.diag(np.maximum(np.abs(fitted), 1.0))[:, ~problem.fixed]
    if not inverse(near).any():
        return (np.nan, np.nan)
    high = profile_derived(problem, fitted, inverse, level, free)[1]
    return (1.0 / high if high > 0 else np.inf, np.inf)


def _nothing(problem: Problem, fitted: Array, threshold: float) -> bool:
    """Whether all that the objective may rise is lost in its rounding: a perfect fit, whose intervals have no width."""
    return threshold <= 100.0 * float(State.at(problem, fitted[:, None]).rounding[0])


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
    size: float = 0.0,
) -> Array:
    """The two ends for each centre (rows 2i: down, 2i + 1: up): by growing steps, then by false position.

    The root of the rise is nearly linear in the value; every third step halves the bracket.
    """
    rows = np.arange(len(centre))
    down = rows % 2 == 0
    best = float(State.at(problem, fitted[:, None]).total[0])
    scale = np.maximum(np.abs(centre), size)
    step = 0.02 * np.where(scale > 0, scale, 5e-3)
    inside, outside = centre.copy(), np.where(down, -np.inf, np.inf)
    within = np.repeat(fitted[:, None], len(centre), axis=1)
    beyond = within.copy()
    few = problem.target.shape[1] <= _MANY
    anywhere = np.concatenate(cover(problem, _STARTS, _KEPT), axis=1) if few else fitted[:, None][:, :0]
    short = np.zeros(len(centre))  # by how much a pulled quantity stays behind its pull
    below, above = np.full(len(centre), -1.0), np.full(len(centre), np.inf)
    ended = inside == bounds
    ends = np.where(ended, bounds, np.nan)
    for turn in range(_ROUNDS):
        live = np.flatnonzero(~ended)
        if not live.size:
            break
        far = np.isinf(outside[live])
        share = -below[live] / np.where(np.isinf(above[live]), -2 * below[live], above[live] - below[live])
        share = np.full(len(live), 0.5) if turn % 3 == 2 else np.clip(share, 0.01, 0.99)
        middle = short[live] + inside[live] + share * (np.where(far, 0.0, outside[live]) - inside[live])
        trial = np.where(far, inside[live] + np.where(down[live], -step[live], step[live]), middle)
        trial = np.where(down[live], np.maximum(trial, bounds[live]), np.minimum(trial, bounds[live]))
        found = _lowest(pinned, trial, live, [within[:, live], beyond[:, live]], anywhere)
        rise = State.at(problem, found).total - best
        reached = read(found, live)
        short[live] = np.where(np.isfinite(reached), trial - reached, 0.0)
        good = rise <= threshold
        off = np.sqrt(np.maximum(rise, 0.0) / threshold) - 1.0
        below[live], above[live] = np.where(good, off, below[live]), np.where(good, above[live], off)
        inside[live] = np.where(good, reached, inside[live])
        within[:, live] = np.where(good, found, within[:, live])
        beyond[:, live] = np.where(good, beyond[:, live], found)
        outside[live] = np.where(good, outside[live], np.where(np.isfinite(reached), reached, trial))
        step[live] = np.where(good & far, 2.5 * step[live], step[live])
        at_bound = good & (trial == bounds[live])
        close = np.abs(off) < 1e-7
        close |= np.abs(outside[live] - inside[live]) <= 1e-7 * np.where(scale > 0, scale, 1e-9)[live]
        ends[live] = np.where(at_bound, bounds[live], np.where(np.abs(off) < 1e-7, reached, inside[live]))
        ended[live] = at_bound | close
    runaway = ~ended & np.isinf(outside)
    return np.where(runaway, np.where(down, -np.inf, np.inf), ends)


def _lowest(
    pinned: Callable[[Array, Array], Problem], trial: Array, live: Array, near: list[Array], anywhere: Array
) -> Array:
    """[p, rows] the best places with the values pinned at `trial`, from places near by and from anywhere."""
    count = len(live)
    start = np.concatenate(near, axis=1)
    problem = pinned(np.tile(trial, 2), np.tile(live, 2))
    ends = [descend(problem, start, tolerance=1e-12, steps=200)]
    if each := anywhere.shape[1]:
        problem = pinned(np.tile(trial, each), np.tile(live, each))
        found = descend(problem, np.repeat(anywhere, count, axis=1), tolerance=1e-4, steps=20, damping=10.0)
        known = np.tile(ends[0].objective.reshape(2, count).min(axis=0), each)
        lower = np.flatnonzero(found.objective < known * (1 - 1e-9))
        if lower.size:
            further = descend(problem.rows(lower), found.parameters[:, lower], tolerance=1e-10, steps=60)
            found.parameters[:, lower], found.objective[lower] = further.parameters, further.objective
        ends.append(found)
    totals = np.concatenate([end.objective for end in ends]).reshape(-1, count)
    places = np.concatenate([end.parameters for end in ends], axis=1).reshape(len(start), -1, count)
    return np.asarray(places[:, totals.argmin(axis=0), np.arange(count)])


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
            step = 1e-6 * np.where(parameters == 0, 1e-6, np.abs(parameters))
            count, rows = parameters.shape
            moved = np.eye(count)[:, :, None] * step  # [parameter, moved one, row]
            there = np.concatenate([parameters[:, None] + moved, parameters[:, None] - moved], axis=1)
            value = quantity(there.reshape(count, -1)).reshape(2, count, rows)
            slopes = np.nan_to_num((value[0] - value[1]) / (2 * step))
            return np.concatenate([jacobian, slopes.T[:, :, None]], axis=2)

    names = {f: getattr(law, f) for f in law.__dataclass_fields__}
    return Wide(**{**names, "linear": ()})
