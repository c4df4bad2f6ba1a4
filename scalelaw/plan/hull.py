"""Whether places lie among the measured points: in their convex hull, on the logarithm of every input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

TOLERANCE = 0.01
"""How far outside, as a share of each input's measured range, is still inside: counts are rounded."""

MOST_CORNERS = 20_000
"""Points in a plane whose hull is found without scipy."""

DEGENERATE = 1e-6
"""A spread of the points that is smaller, as a share of the largest, is none."""


def among(points: Mapping[str, Any], places: Mapping[str, Any]) -> np.ndarray:
    """Whether each place lies in the convex hull of the points [m].

    points: {input: values [n]}, places: {input: values [m]} of the same inputs. Inputs that are positive everywhere
    enter by their logarithm. Points on a line, or in a plane, are a hull of that dimension: a place beside it is
    outside.
    """
    names = list(points)
    measured, locations = (
        np.stack([np.atleast_1d(np.asarray(arrays[name], dtype=float)) for name in names], axis=-1)
        for arrays in (points, places)
    )
    positive = (measured > 0).all(axis=0) & (locations > 0).all(axis=0)
    for values in (measured, locations):
        values[:, positive] = np.log(values[:, positive])
    measured = np.unique(measured, axis=0)
    low, high = measured.min(axis=0), measured.max(axis=0)
    scale = np.where(high > low, high - low, 1.0)
    centre = measured.mean(axis=0)
    measured, locations = (measured - centre) / scale, (locations - centre) / scale
    _, spread, axes = np.linalg.svd(measured, full_matrices=False)
    axes = axes[spread > DEGENERATE * max(spread.max(initial=0.0), 1e-300)]
    beside = np.linalg.norm(locations - locations @ axes.T @ axes, axis=-1)
    return np.asarray((beside <= TOLERANCE) & _inside(measured @ axes.T, locations @ axes.T))


def _inside(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Whether each place [m, r] lies in the hull of points [n, r] that span every dimension."""
    dimensions = points.shape[1]
    if dimensions == 0:
        return np.ones(len(places), dtype=bool)
    if dimensions == 1:
        low, high = points.min() - TOLERANCE, points.max() + TOLERANCE
        return np.asarray((places[:, 0] >= low) & (places[:, 0] <= high))
    if dimensions == 2 and len(points) <= MOST_CORNERS:
        facets = _sides(points)
    else:
        # here, as its import takes longer than a plan
        from scipy.spatial import ConvexHull, QhullError

        try:
            facets = ConvexHull(points).equations
        except QhullError:
            return np.array([_is_mixture(points, place) for place in places], dtype=bool)
    return np.asarray((places @ facets[:, :-1].T + facets[:, -1] <= TOLERANCE).all(axis=1))


def _sides(points: np.ndarray) -> np.ndarray:
    """The sides of the hull of points [n, 2] in a plane: [k, 3], the unit normal that points outward and the offset."""
    ordered = [(float(x), float(y)) for x, y in points[np.lexsort((points[:, 1], points[:, 0]))]]
    corners: list[tuple[float, float]] = []
    for chain in (ordered, ordered[::-1]):
        half: list[tuple[float, float]] = []
        for x, y in chain:
            while len(half) > 1:
                (x0, y0), (x1, y1) = half[-2:]
                if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0:
                    break
                half.pop()
            half.append((x, y))
        corners += half[:-1]
    starts = np.array(corners)
    along = np.roll(starts, -1, axis=0) - starts
    normals = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.linalg.norm(along, axis=1)[:, None]
    return np.column_stack([normals, -(normals * starts).sum(axis=1)])


def _is_mixture(points: np.ndarray, place: np.ndarray) -> bool:
    """Whether a place is a mean of the points with weights of at least 0, within the tolerance in each direction."""
    from scipy.optimize import linprog

    sides = np.vstack([points.T, -points.T])
    bounds = np.concatenate([place, -place]) + TOLERANCE
    weights = np.zeros(len(points))
    solution = linprog(weights, sides, bounds, np.ones((1, len(points))), [1.0], method="highs")
    return bool(solution.status == 0)
