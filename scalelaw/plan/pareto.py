"""The Pareto front: the least error at each cost."""

from __future__ import annotations

import numpy as np

from scalelaw.plan.grid import Grid, Place

POINTS = 200


def pareto(grid: Grid, kind: str) -> list[Place]:
    """The configurations that fit and that no cheaper one betters, in order of cost; where they are many, evenly
    thinned but for the ends of each model's stretch. The grid must spend least of this kind.
    """
    cost, error = grid.costs[kind].ravel(), grid.error.ravel()
    order = np.lexsort((error, cost))
    order = order[grid.fits.ravel()[order]]
    least = np.minimum.accumulate(error[order])
    front = order[np.r_[True, least[1:] < least[:-1]]] if len(order) else order
    rows = front // len(grid.visual_tokens)
    ends = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    kept = np.unique(np.r_[np.linspace(0, len(front) - 1, POINTS).astype(int), ends, ends[1:] - 1])
    return [divmod(int(i), len(grid.visual_tokens)) for i in front[kept]]
