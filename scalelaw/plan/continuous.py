"""The optimum with every size allowed: the least error on the line where the whole budget is spent.

For error = A N^-alpha V^-beta + D and FLOPs = 2 N (Q + V + G) it is V* = beta (Q + G) / (alpha - beta) where
alpha > beta, else the most tokens (arXiv 2411.03312, section 4); here it is found for any law and any cost
that knows a size, on the logarithm of V, and clipped to the token range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from scalelaw.costs._workload import Workload

_SLOPE = np.array([-1.0, 9.0, -45.0, 45.0, -9.0, 1.0]) / 60
_STEPS = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
_WIDTH = 1e-2


def least_error(
    error: Callable[[np.ndarray, np.ndarray], np.ndarray],
    size_for: Callable[[np.ndarray], np.ndarray],
    lowest: float,
    highest: float,
) -> dict[str, Any]:
    """The least `error(n_params, visual_tokens)` over V in [lowest, highest] with N = size_for(V).

    size_for(V) is the size that spends the budget at V (NaN or not positive where none does). The minimum is
    searched on a grid in ln V, then sharpened as the root of the slope (6th-order differences: V to about 1e-9).
    Returns {n_params, visual_tokens, error}.
    """

    def along(log_tokens: Any) -> np.ndarray:
        tokens = np.exp(np.asarray(log_tokens, dtype=float))
        sizes = np.asarray(size_for(tokens), dtype=float)
        spent = np.isfinite(sizes) & (sizes > 0)
        values = np.asarray(error(np.where(spent, sizes, 1.0), tokens), dtype=float)
        return np.where(spent & np.isfinite(values), values, np.inf)

    grid = (
        np.linspace(np.log(lowest), np.log(highest), 1025) if highest > lowest else np.array([np.log(lowest)])
    )
    values = along(grid)
    place = int(np.argmin(values))
    low, high = grid[max(place - 1, 0)], grid[min(place + 1, len(grid) - 1)]
    best = _sharpen(along, float(low), float(grid[place]), float(high)) if low < high else float(grid[place])
    tokens = float(np.clip(np.exp(best), lowest, highest))
    size = float(np.asarray(size_for(np.array([tokens])))[0])
    return {"n_params": size, "visual_tokens": tokens, "error": float(along(np.log([tokens]))[0])}


def _sharpen(along: Callable[[Any], np.ndarray], low: float, middle: float, high: float) -> float:
    def slope(point: float) -> float:
        return float(_SLOPE @ along(point + _WIDTH * _STEPS)) / _WIDTH

    slopes = slope(low), slope(high)
    if np.all(np.isfinite(slopes)) and slopes[0] < 0 < slopes[1]:
        return float(brentq(slope, low, high, xtol=1e-13))
    result = minimize_scalar(lambda point: float(along(point)), bounds=(low, high), method="bounded",
                             options={"xatol": 1e-10})  # fmt: skip
    return float(result.x) if float(result.fun) <= float(along(middle)) else middle


def size_within(
    givers: Mapping[str, Any], limits: Mapping[str, float], visual_tokens: np.ndarray, work: Workload
) -> np.ndarray:
    """The largest size whose cost holds every budget, at each number of tokens; 0 where none does.

    givers: {kind: cost} that need no shape and rise with n_params. Found by bisection on the logarithm of the size.
    """
    low, high = np.zeros(np.shape(visual_tokens)), np.full(np.shape(visual_tokens), np.log(1e18))
    for _ in range(70):
        middle = (low + high) / 2
        held = np.ones(np.shape(visual_tokens), dtype=bool)
        for kind, giver in givers.items():
            cost = sum(giver.parts(np.exp(middle), None, visual_tokens, work).values())
            held &= cost <= limits[kind]
        low, high = np.where(held, middle, low), np.where(held, high, middle)
    return np.where(low > 0, np.exp(low), 0.0)
