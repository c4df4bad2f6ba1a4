"""Many small symmetric systems at once: arrays [p, p, B], eliminated column by column, all rows together.

Each system is scaled to a unit diagonal. Masked parameters do not move. A pivot that has vanished to rounding
(a parameter that the others already explain) does not move either, and is counted in the rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Array = np.ndarray
_PIVOT = 1e-13


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
    diagonal = np.stack([gram[j, j] for j in range(p)])
    good = free & (diagonal > 0) & np.isfinite(diagonal)
    size = np.where(good, np.sqrt(np.where(good, diagonal, 1.0)), 1.0)
    keep = good / size
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
    step = solve(gram, slope, free, order, damping, undamped)
    crossed = free & ((start + step < lower) | (start + step > upper))
    if not crossed.any():
        return step, free
    b = np.flatnonzero(crossed.any(axis=0))
    step[:, b] = _walk(
        gram[:, :, b],
        slope[:, b],
        start[:, b],
        step[:, b],
        free[:, b],
        np.broadcast_to(lower, start.shape)[:, b],
        np.broadcast_to(upper, start.shape)[:, b],
        order,
        damping[b] if isinstance(damping, np.ndarray) else damping,
        undamped,
    )
    return step, free


def _walk(
    gram: Array,
    slope: Array,
    start: Array,
    leg: Array,
    free: Array,
    lower: Array,
    upper: Array,
    order: Sequence[int],
    damping: Array | float,
    undamped: int,
) -> Array:
    """The whole way of rows whose first leg leaves the box."""
    place, columns = start.copy(), np.arange(start.shape[1])
    for _ in range(len(slope)):
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(leg < 0, (lower - place) / leg, np.where(leg > 0, (upper - place) / leg, np.inf))
        room = np.where(free, np.maximum(room, 0.0), np.inf)
        first = room.argmin(axis=0)
        share = np.minimum(room[first, columns], 1.0)
        place = place + share * np.where(free, leg, 0.0)
        stopped = share < 1.0
        if not stopped.any():
            break
        at = (first[stopped], columns[stopped])
        place[at] = np.where(leg[at] < 0, lower[at], upper[at])
        free = free.copy()
        free[at] = False
        slope = slope * (1.0 - share)
        leg = solve(gram, slope, free, order, damping, undamped)
    return place - start
