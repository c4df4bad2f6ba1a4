"""Robust least squares on the logarithms of measured times: bad rows are named, and do not move the constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

FIRST_SCALE = 0.1
"""The spread of a residual (10%) that the first fit assumes."""
LEAST_SCALE = 0.02
OUTLYING = (4.0, 0.3)
"""A row is outlying where its residual is more than this many spreads, and more than this logarithm."""
MOST_OUTLYING = 0.35
"""Share of the rows beyond which what is far away is no outlier: the model does not describe the rows."""
ROUNDS = 3
LEAST_OF_KIND = 8
"""Rows of one kind of time from which their own spread is computed."""
FIXED = 1e-6
"""The width of the prior of a constant that stays."""
INSIDE = 1e-3
"""How far inside its bounds a constant begins."""
SEEN = 0.5
"""A constant is determined where the rows make its spread less than this share of what it is without them."""


@dataclass(frozen=True)
class RobustFit:
    """values: of the free constants; is_seen: which of them the rows determine; residuals: log(predicted / measured) of
    every row; is_outlying: which rows were left out; spread: of a row's residual, by its kind."""

    values: np.ndarray
    is_seen: np.ndarray
    residuals: np.ndarray
    is_outlying: np.ndarray
    spread: dict[str, float]


def fit_log(
    log_ratio: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    prior: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    kinds: np.ndarray,
    free: np.ndarray,
) -> RobustFit:
    """Minimize soft-L1 of log(predicted / measured) / spread, with normal priors of width `prior` around `start`.

    The spread of each kind of time is that of its own residuals; rows that lie far outside it are left out of the last
    round. A constant that the rows do not determine, or that is not `free`, stays at `start`.
    """
    used = np.ones(len(kinds), dtype=bool)
    scale = np.full(len(kinds), FIRST_SCALE)
    values = start.copy()
    for _ in range(ROUNDS):
        values = _minimize(log_ratio, start, values, prior, bounds, scale, used, free)
        residuals = log_ratio(values)
        scale = _scales(residuals, kinds, used, int(free.sum()))
        far = np.abs(residuals) > np.maximum(OUTLYING[0] * scale, OUTLYING[1])
        used = ~far if far.mean() <= MOST_OUTLYING else np.ones(len(kinds), dtype=bool)
    is_seen = free & _seen(log_ratio, values, np.where(free, prior, FIXED), scale, used)
    free = is_seen.copy()
    values = np.where(free, values, start)
    if free.any():
        values = _minimize(log_ratio, start, values, prior, bounds, scale, used, free)
    residuals = log_ratio(values)
    spread = {kind: float(scale[kinds == kind][0]) for kind in dict.fromkeys(kinds.tolist())}
    return RobustFit(values, is_seen, residuals, ~used, spread)


def _minimize(
    log_ratio: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    values: np.ndarray,
    prior: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    scale: np.ndarray,
    used: np.ndarray,
    free: np.ndarray,
) -> np.ndarray:
    # here, as its import takes longer than a plan
    from scipy.optimize import least_squares

    # in widths of the prior around 1: the first step of the solver is as long as its starting point
    center, width = start[free] - prior[free], prior[free]

    def residual(moving: np.ndarray) -> np.ndarray:
        full = values.copy()
        full[free] = center + width * moving
        return np.concatenate([(log_ratio(full) / scale)[used], moving - 1])

    low, high = ((bound[free] - center) / width for bound in bounds)
    inside = np.clip((values[free] - center) / width, low + INSIDE, high - INSIDE)
    fit = least_squares(residual, inside, bounds=(low, high), loss="soft_l1")
    result = values.copy()
    result[free] = center + width * fit.x
    return result


def _scales(residuals: np.ndarray, kinds: np.ndarray, used: np.ndarray, parameters: int) -> np.ndarray:
    """The spread of each row's kind, from the median absolute residual; few rows borrow from all."""
    whole = 1.4826 * np.median(np.abs(residuals[used]))
    correction = np.sqrt(used.sum() / max(used.sum() - parameters, 1))
    scale = np.full(len(kinds), whole)
    for kind in np.unique(kinds):
        rows = (kinds == kind) & used
        if rows.sum() >= LEAST_OF_KIND:
            scale[kinds == kind] = 1.4826 * np.median(np.abs(residuals[rows]))
    return np.asarray(np.clip(scale * min(float(correction), 2.0), LEAST_SCALE, 1.0))


def _seen(
    log_ratio: Callable[[np.ndarray], np.ndarray],
    values: np.ndarray,
    prior: np.ndarray,
    scale: np.ndarray,
    used: np.ndarray,
) -> np.ndarray:
    """Which constants have a posterior spread well below that of their prior."""
    slopes = np.empty((int(used.sum()), len(values)))
    for at, width in enumerate(prior):
        step = np.zeros(len(values))
        step[at] = 1e-3 * width
        slopes[:, at] = ((log_ratio(values + step) - log_ratio(values)) / (1e-3 * width) / scale)[used]
    information = slopes.T @ slopes + np.diag(1 / prior**2)
    spread = np.sqrt(np.diag(np.linalg.inv(information)))
    return np.asarray(spread < SEEN * prior, dtype=bool)
