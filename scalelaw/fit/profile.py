"""Profile-likelihood intervals of parameters and of derived quantities.

A value v belongs to the interval while 2 c (objective minimized with v fixed - minimum) <= F(1, n - p), with
c = (mean of psi') / (sum of psi^2 / (n - p)). For squared loss this is the F test, for the Huber loss its robust form
(Schrader and Hettmansperger 1980). An interval that reaches a bound ends there and is one-sided. All ends are searched
at once, as rows of one batch. At each value the objective is minimized from the nearest values on both sides and from
the starting points of the global search, so that a second valley is not missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from scalelaw.fit.law import Law
from scalelaw.fit.starts import cover
from scalelaw.fit.varpro import Problem, State, descend

Array = np.ndarray
_ROUNDS = 40
_PULL = 1e3
"""Penalty for missing the target value by the size of the quantity, in multiples of the allowed rise."""
_MANY = 4000
"""Points beyond which only the nearest values are starting points, as the valley of the minimum is then deep."""
_STARTS, _KEPT = 256, 4
"""Starting points examined for a second valley, and how many of them are descended from."""


def profile_parameters(
    problem: Problem, fitted: Array, level: float, free: int
) -> dict[str, tuple[float, float]]:
    """The interval of each parameter; that of a fixed one has no width. free: number of estimated parameters."""
    index = np.flatnonzero(~problem.fixed)
    intervals = {name: (float(v), float(v)) for name, v in zip(problem.law.parameters, fitted, strict=True)}
    if not index.size:
        return intervals
    if problem.target.shape[1] <= free:
        return dict.fromkeys(intervals, (np.nan, np.nan))
    threshold = _threshold(problem, fitted, level, free)
    if _negligible(problem, fitted, threshold):
        return intervals

    def pinned(values: Array, rows: Array) -> Problem:
        lower = np.repeat(problem.lower[:, None], len(rows), axis=1)
        upper = np.repeat(problem.upper[:, None], len(rows), axis=1)
        which = index[rows // 2]
        lower[which, np.arange(len(rows))] = upper[which, np.arange(len(rows))] = values
        return replace(problem, lower=lower, upper=upper)

    bounds = np.stack([problem.lower[index], problem.upper[index]], axis=1).ravel()
    center = np.repeat(fitted[index], 2)
    ends = _search(
        problem,
        fitted,
        pinned,
        center,
        bounds,
        threshold,
        lambda p, rows: p[index[rows // 2], np.arange(len(rows))],
    )
    for i, j in enumerate(index):
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
    """The interval of a derived quantity.

    The law gets one more point, with a heavy weight, whose value is the quantity. The minimum under this penalty is
    also the constrained minimum at the value that the quantity reaches there. An infinite quantity is profiled by its
    inverse.

    Args:
        quantity: parameters [p, B] -> [B].
        signed: a positive quantity may also be negative, so it is not searched along its logarithm.
    """
    value = float(quantity(fitted[:, None])[0])
    if problem.fixed.all():
        return (value, value)
    if problem.target.shape[1] <= free or np.isnan(value):
        return (np.nan, np.nan)
    if np.isinf(value):
        return _by_inverse(problem, fitted, quantity, level, free)
    threshold = _threshold(problem, fitted, level, free)
    if _negligible(problem, fitted, threshold):
        return (value, value)
    in_log = problem.objective.residual == "log"
    positive = in_log and value > 0 and not signed

    def pulled(parameters: Array) -> Array:
        """Value of the additional point; log residuals need it positive."""
        drawn = quantity(parameters)
        return np.asarray(np.exp(np.clip(drawn, -600, 600))) if in_log and not positive else drawn

    def coordinate(parameters: Array) -> Array:
        """The coordinate of the search: the quantity, or its logarithm."""
        return np.asarray(np.log(quantity(parameters))) if positive else quantity(parameters)

    center = float(np.log(value)) if positive else value
    law = _WithQuantity.of(problem.law, pulled)
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
        np.full(2, center),
        np.array([-np.inf, np.inf]),
        threshold,
        lambda p, rows: coordinate(p),
        size,
    )
    ends = np.exp(ends) if positive else ends
    return float(ends[0]), float(ends[1])


def _by_inverse(
    problem: Problem, fitted: Array, quantity: Callable[[Array], Array], level: float, free: int
) -> tuple[float, float]:
    """The interval of a quantity that is infinite at the fit; NaN where its inverse does not move from 0."""

    def inverse(parameters: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.nan_to_num(1.0 / quantity(parameters))

    near = fitted[:, None] + 1e-6 * np.diag(np.maximum(np.abs(fitted), 1.0))[:, ~problem.fixed]
    if not inverse(near).any():
        return (np.nan, np.nan)
    high = profile_derived(problem, fitted, inverse, level, free)[1]
    return (1.0 / high if high > 0 else np.inf, np.inf)


def _negligible(problem: Problem, fitted: Array, threshold: float) -> bool:
    """Whether the allowed rise is lost in rounding: a perfect fit, whose intervals have no width."""
    return threshold <= 100.0 * float(State.at(problem, fitted[:, None]).rounding[0])


def _threshold(problem: Problem, fitted: Array, level: float, free: int) -> float:
    """The allowed rise of the objective."""
    from scipy.special import fdtri

    state = State.at(problem, fitted[:, None])
    n = int(problem.target.shape[1])
    weight = np.ones(n) if problem.weight is None else problem.weight[0]
    residual = state.residual[0]
    quantile = float(fdtri(1, n - free, level))
    if problem.objective.loss == "huber":
        delta = float(problem.objective.delta or 0.0)
        psi = weight * np.clip(residual, -delta, delta)
        slope = max(float(np.mean(weight * (np.abs(residual) <= delta))), 1 / n)
        return 0.5 * quantile * float(np.sum(psi**2)) / (n - free) / slope
    return quantile * float(state.total[0]) / (n - free)


def _search(
    problem: Problem,
    fitted: Array,
    pinned: Callable[[Array, Array], Problem],
    center: Array,
    bounds: Array,
    threshold: float,
    read: Callable[[Array, Array], Array],
    size: float = 0.0,
) -> Array:
    """The two ends around each center (rows 2i: lower end, 2i + 1: upper end).

    The bracket grows by increasing steps, then shrinks by false position, as the square root of the rise is nearly
    linear in the value; every third step bisects. `inner` is the end of the bracket where the rise is allowed, `outer`
    the end where it is not.
    """
    rows = np.arange(len(center))
    is_lower = rows % 2 == 0
    minimum = float(State.at(problem, fitted[:, None]).total[0])
    scale = np.maximum(np.abs(center), size)
    step = 0.02 * np.where(scale > 0, scale, 5e-3)
    inner, outer = center.copy(), np.where(is_lower, -np.inf, np.inf)
    inner_params = np.repeat(fitted[:, None], len(center), axis=1)
    outer_params = inner_params.copy()
    # root of (rise / threshold) - 1 at both ends of the bracket
    inner_excess, outer_excess = np.full(len(center), -1.0), np.full(len(center), np.inf)
    few = problem.target.shape[1] <= _MANY
    starts = np.concatenate(cover(problem, _STARTS, _KEPT), axis=1) if few else fitted[:, None][:, :0]
    # by how much a penalized quantity misses its target
    offset = np.zeros(len(center))
    converged = inner == bounds
    ends = np.where(converged, bounds, np.nan)
    for turn in range(_ROUNDS):
        active = np.flatnonzero(~converged)
        if not active.size:
            break
        open_ended = np.isinf(outer[active])
        low, high = inner_excess[active], outer_excess[active]
        share = -low / np.where(np.isinf(high), -2 * low, high - low)
        share = np.full(len(active), 0.5) if turn % 3 == 2 else np.clip(share, 0.01, 0.99)
        middle = offset[active] + inner[active]
        middle = middle + share * (np.where(open_ended, 0.0, outer[active]) - inner[active])
        further = inner[active] + np.where(is_lower[active], -step[active], step[active])
        trial = np.where(open_ended, further, middle)
        trial = np.where(
            is_lower[active], np.maximum(trial, bounds[active]), np.minimum(trial, bounds[active])
        )
        params = _constrained_minimum(
            pinned, trial, active, [inner_params[:, active], outer_params[:, active]], starts
        )
        rise = State.at(problem, params).total - minimum
        value = read(params, active)
        offset[active] = np.where(np.isfinite(value), trial - value, 0.0)
        allowed = rise <= threshold
        excess = np.sqrt(np.maximum(rise, 0.0) / threshold) - 1.0
        inner_excess[active] = np.where(allowed, excess, low)
        outer_excess[active] = np.where(allowed, high, excess)
        inner_params[:, active] = np.where(allowed, params, inner_params[:, active])
        outer_params[:, active] = np.where(allowed, outer_params[:, active], params)
        inner[active] = np.where(allowed, value, inner[active])
        outer[active] = np.where(allowed, outer[active], np.where(np.isfinite(value), value, trial))
        step[active] = np.where(allowed & open_ended, 2.5 * step[active], step[active])
        at_bound = allowed & (trial == bounds[active])
        at_root = np.abs(excess) < 1e-7
        width = np.abs(outer[active] - inner[active])
        narrow = width <= 1e-7 * np.where(scale > 0, scale, 1e-9)[active]
        ends[active] = np.where(at_bound, bounds[active], np.where(at_root, value, inner[active]))
        converged[active] = at_bound | at_root | narrow
    unbounded = ~converged & np.isinf(outer)
    return np.where(unbounded, np.where(is_lower, -np.inf, np.inf), ends)


def _constrained_minimum(
    pinned: Callable[[Array, Array], Problem],
    trial: Array,
    active: Array,
    neighbors: list[Array],
    starts: Array,
) -> Array:
    """[p, rows] the best parameters with the values pinned at `trial`, from the neighbors and from all `starts`."""
    count = len(active)
    first = np.concatenate(neighbors, axis=1)
    problem = pinned(np.tile(trial, 2), np.tile(active, 2))
    descents = [descend(problem, first, tolerance=1e-12, steps=200)]
    if each := starts.shape[1]:
        problem = pinned(np.tile(trial, each), np.tile(active, each))
        others = descend(problem, np.repeat(starts, count, axis=1), tolerance=1e-4, steps=20, damping=10.0)
        best = np.tile(descents[0].objective.reshape(2, count).min(axis=0), each)
        lower = np.flatnonzero(others.objective < best * (1 - 1e-9))
        if lower.size:
            refined = descend(problem.rows(lower), others.parameters[:, lower], tolerance=1e-10, steps=60)
            others.parameters[:, lower], others.objective[lower] = refined.parameters, refined.objective
        descents.append(others)
    totals = np.concatenate([end.objective for end in descents]).reshape(-1, count)
    params = np.concatenate([end.parameters for end in descents], axis=1).reshape(len(first), -1, count)
    return np.asarray(params[:, totals.argmin(axis=0), np.arange(count)])


@dataclass(frozen=True, eq=False, kw_only=True)
class _WithQuantity(Law):
    """A law with one more point at its end, whose value is a quantity of the parameters."""

    base: Law
    quantity: Callable[[Array], Array]

    @classmethod
    def of(cls, law: Law, quantity: Callable[[Array], Array]) -> _WithQuantity:
        names = {f.name: getattr(law, f.name) for f in fields(Law)}
        return cls(**{**names, "linear": ()}, base=law, quantity=quantity)

    def value(self, inputs: Sequence[Array], parameters: Array) -> Array:
        """[B, n + 1] the law's values, and the quantity."""
        value = self.base.value([x[:-1] for x in inputs], parameters)
        return np.concatenate([value, self.quantity(parameters)[:, None]], axis=1)

    def value_from(self, inputs: Sequence[Array], parameters: Array, jacobian: Array) -> Array:
        """As `value`: the quantity is linear in nothing."""
        return self.value(inputs, parameters)

    def jacobian(self, inputs: Sequence[Array], parameters: Array) -> Array:
        """[B, p, n + 1] the law's derivatives, and those of the quantity by central differences."""
        jacobian = self.base.jacobian([x[:-1] for x in inputs], parameters)
        step = 1e-6 * np.where(parameters == 0, 1e-6, np.abs(parameters))
        count, rows = parameters.shape
        # [parameter, shifted parameter, row]
        moved = np.eye(count)[:, :, None] * step
        shifted = np.concatenate([parameters[:, None] + moved, parameters[:, None] - moved], axis=1)
        value = self.quantity(shifted.reshape(count, -1)).reshape(2, count, rows)
        slopes = np.nan_to_num((value[0] - value[1]) / (2 * step))
        return np.concatenate([jacobian, slopes.T[:, :, None]], axis=2)
