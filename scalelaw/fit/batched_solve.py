"""Batches of small symmetric systems, arrays [p, p, B], and bounded steps of all rows.

Each system is scaled to a unit diagonal. Masked parameters do not move. A few systems go to LAPACK one by one; many
are eliminated column by column, all rows together, where a pivot that has vanished to rounding (a parameter that
the others already explain) does not move either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Array = np.ndarray
Solver = Callable[[Array, Array], Array]  # (slope [p, B], free [p, B]) -> step [p, B]
_PIVOT = 1e-13
_FEW = 64
"""Number of systems up to which LAPACK, one at a time, is faster than batched elimination."""


def solve(
    gram: Array,
    slope: Array,
    free: Array,
    order: Sequence[int],
    damping: Array | float = 0.0,
    undamped: int = 0,
) -> Array:
    """[p, B] the solution d of (gram + damping) d = slope over the free parameters; others get 0.

    gram [p, p, B], slope [p, B], free [p, B] bool. Parameters are eliminated in `order`; the first `undamped`
    of them (the linear ones) as they are; each later pivot, what the earlier ones leave unexplained, is
    enlarged by 1 + damping.
    """
    p = len(slope)
    keep = _scale(gram, free)
    rows = [[gram[a, b] * keep[a] * keep[b] for b in order[: i + 1]] for i, a in enumerate(order)]
    right = [slope[a] * keep[a] for a in order]
    inverse = []
    for j in range(p):
        pivot = rows[j][j]
        alive = pivot > _PIVOT
        if j >= undamped:
            pivot = pivot * (1.0 + damping)
        inverse.append(np.where(alive, 1.0 / np.where(alive, pivot, 1.0), 0.0))
        for i in range(j + 1, p):
            factor = rows[i][j] * inverse[j]
            for k in range(j + 1, i + 1):
                rows[i][k] = rows[i][k] - factor * rows[k][j]
            right[i] = right[i] - factor * right[j]
    out = [np.zeros_like(slope[0])] * p
    for j in reversed(range(p)):
        total = right[j]
        for i in range(j + 1, p):
            total = total - rows[i][j] * out[i]
        out[j] = total * inverse[j]
    answer = np.empty_like(slope)
    for i, a in enumerate(order):
        answer[a] = out[i] * keep[a]
    return answer


def _scale(gram: Array, free: Array) -> Array:
    """[p, B] what brings each diagonal to one; zero for parameters that are fixed or have no effect."""
    diagonal = np.einsum("jjb->jb", gram)
    good = free & (diagonal > 0) & (diagonal < np.inf)
    return np.asarray(good / np.sqrt(np.where(good, diagonal, 1.0)))


def _by_lapack(
    gram: Array, free: Array, order: Sequence[int], damping: Array | float, undamped: int
) -> Solver:
    """`solve` for a few systems with one damping for all legs of a step.

    What the undamped parameters leave of another's diagonal is enlarged by 1 + damping.
    """
    p = len(free)
    scale = _scale(gram, free).T
    system = gram.transpose(2, 0, 1) * (scale[:, :, None] * scale[:, None, :])
    diagonal = system.reshape(-1, p * p)[:, :: p + 1]
    diagonal += _PIVOT
    if undamped < p:
        first, later = order[:undamped], order[undamped:]
        pivots = diagonal[:, later]
        if undamped:
            diagonal[:, first] += scale[:, first] == 0
            between = system[:, first, :][:, :, later]
            explained = np.linalg.solve(system[:, first, :][:, :, first], between)
            pivots = pivots - np.sum(between * explained, axis=1)
        diagonal[:, later] += np.reshape(damping, (-1, 1)) * np.maximum(pivots, _PIVOT)

    def step(slope: Array, free: Array) -> Array:
        use = free.T & (scale > 0)
        masked = np.where(use[:, :, None] & use[:, None, :], system, 0.0)
        masked.reshape(-1, p * p)[:, :: p + 1] += ~use
        right = np.where(use, slope.T * scale, 0.0)
        return np.asarray((np.linalg.solve(masked, right[:, :, None])[:, :, 0] * scale).T)

    return step


@np.errstate(divide="ignore", invalid="ignore")
def box_step(
    gram: Array,
    slope: Array,
    start: Array,
    lower: Array,
    upper: Array,
    order: Sequence[int],
    damping: Array | float = 0.0,
    undamped: int = 0,
) -> tuple[Array, Array]:
    """A step inside the box: ([p, B] step, [p, B] which parameters were free).

    Parameters that lie on a bound and are pushed outward stay. A row whose step would leave the box goes to the
    first bound on its way, lets that parameter rest there, and solves the others again from that place: each leg
    lowers the quadratic model.
    """
    free = ~(((start <= lower) & (slope <= 0)) | ((start >= upper) & (slope >= 0)))
    if slope.shape[1] <= _FEW:
        try:
            solver = _by_lapack(gram, free, list(order), damping, undamped)
            step = solver(slope, free)
            crossed = free & ((start + step < lower) | (start + step > upper))
            if crossed.any():
                step = _walk(slope, start, step, free, lower, upper, solver)
            return step, free
        except np.linalg.LinAlgError:
            pass  # a system without a solution: elimination leaves its vanished pivots out
    step = solve(gram, slope, free, order, damping, undamped)
    crossed = free & ((start + step < lower) | (start + step > upper))
    if not crossed.any():
        return step, free
    b = np.flatnonzero(crossed.any(axis=0))
    part, damp = gram[:, :, b], damping[b] if isinstance(damping, np.ndarray) else damping
    step[:, b] = _walk(
        slope[:, b],
        start[:, b],
        step[:, b],
        free[:, b],
        lower if lower.shape[1] == 1 else lower[:, b],
        upper if upper.shape[1] == 1 else upper[:, b],
        lambda slope, free: solve(part, slope, free, order, damp, undamped),
    )
    return step, free


def box_minimum(gram: Array, slope: Array, start: Array, lower: Array, upper: Array) -> Array:
    """[p, B] the step to the minimum of the quadratic model inside the box, in closed form for one or two parameters.

    For more it is a step along the box, which ends at the minimum unless a bound met on the way is to be left again.
    """
    if len(slope) > 2:
        return box_step(gram, slope, start, lower, upper, range(len(slope)), 0.0, len(slope))[0]
    if len(slope) == 1:
        full = np.where(gram[0] > 0, slope / np.where(gram[0] > 0, gram[0], 1.0), 0.0)
        return np.asarray(np.clip(start + full, lower, upper) - start)
    (a, b), (_, c) = gram
    unexplained = a * c - b * b
    apart = unexplained > _PIVOT * a * c
    pivot = np.where(apart, unexplained, 1.0)
    diagonal = np.stack([a, c])
    alone = np.where(diagonal > 0, slope / np.where(diagonal > 0, diagonal, 1.0), 0.0)
    step = np.stack(
        [
            np.where(apart, (c * slope[0] - b * slope[1]) / pivot, alone[0]),
            np.where(apart, (a * slope[1] - b * slope[0]) / pivot, np.where(a > 0, 0.0, alone[1])),
        ]
    )
    crossed = (start + step < lower) | (start + step > upper)
    if crossed.any():
        rows = np.flatnonzero(crossed.any(axis=0))
        low, high = (end if end.shape[1] == 1 else end[:, rows] for end in (lower, upper))
        step[:, rows] = _on_a_face(
            gram[:, :, rows], slope[:, rows], step[:, rows], low - start[:, rows], high - start[:, rows]
        )
    return step


def _on_a_face(gram: Array, slope: Array, step: Array, low: Array, high: Array) -> Array:
    """[2, B] the better of the minima on the faces that two parameters' free minimum lies beyond; low, high [2, B]."""
    best, least = np.clip(step, low, high), np.full(step.shape[1], np.inf)
    for j in (0, 1):
        o = 1 - j
        trial = np.clip(step, low, high)
        rest = slope[o] - gram[0, 1] * trial[j]
        trial[o] = np.clip(
            np.where(gram[o, o] > 0, rest / np.where(gram[o, o] > 0, gram[o, o], 1.0), 0.0), low[o], high[o]
        )
        value = np.sum(trial * (np.einsum("jkb,kb->jb", gram, trial) - 2.0 * slope), axis=0)
        better = (value < least) & (step[j] != np.clip(step[j], low[j], high[j]))
        best[:, better], least[better] = trial[:, better], value[better]
    return np.asarray(best)


def _walk(
    slope: Array, start: Array, leg: Array, free: Array, lower: Array, upper: Array, solver: Solver
) -> Array:
    """The whole way of rows whose first leg leaves the box."""
    place, columns = start.copy(), np.arange(start.shape[1])
    for _ in range(len(slope)):
        limit = np.where(leg < 0, lower, upper)
        room = np.where(free & (leg != 0), (limit - place) / leg, np.inf)
        first = room.argmin(axis=0)
        share = room[first, columns].clip(0.0, 1.0)
        place += share * np.where(free, leg, 0.0)
        stopped = share < 1.0
        if not stopped.any():
            break
        at = (first[stopped], columns[stopped])
        place[at] = limit[at]
        free = free.copy()
        free[at] = False
        slope = slope * (1.0 - share)
        leg = solver(slope, free)
    return np.asarray(place - start)
