"""How sure the pick is, from the law's bootstrap draws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CHUNK = 4_000_000
"""Errors held at once (draws x configurations): 32 MB."""


def shares_of_best(
    draws: Callable[[slice], np.ndarray], n_draws: int, fits: np.ndarray, use: np.ndarray
) -> np.ndarray:
    """The share of draws in which each configuration is the best that fits [M, K].

    draws(block) gives the errors of a block of models [n_draws, block, K]; fits: which configurations fit [M, K];
    use: the share of the budget that each takes [M, K]. Within a draw, equal errors go to the one that takes the
    least of the budget, as in the pick itself. A draw that predicts no finite error counts for none.
    """
    models, tokens = fits.shape
    least, least_use = np.full(n_draws, np.inf), np.full(n_draws, np.inf)
    winner = np.zeros(n_draws, dtype=np.int64)
    step = max(1, CHUNK // (n_draws * tokens))
    for first in range(0, models, step):
        block = slice(first, min(first + step, models))
        flat = np.flatnonzero(fits[block])
        if len(flat) == 0:
            continue
        order = flat[np.argsort(use[block].ravel()[flat], kind="stable")]
        errors = draws(block).reshape(n_draws, -1)[:, order]
        errors = np.where(np.isfinite(errors), errors, np.inf)
        place = np.argmin(errors, axis=1)
        error, share = errors[np.arange(n_draws), place], use[block].ravel()[order[place]]
        better = (error < least) | ((error == least) & (share < least_use))
        winner[better] = first * tokens + order[place[better]]
        least[better], least_use[better] = error[better], share[better]
    counts = np.bincount(winner[np.isfinite(least)], minlength=models * tokens)
    return (counts / n_draws).reshape(models, tokens)


def interval(errors: np.ndarray, level: float = 0.95) -> list[float]:
    """The percentile interval of the draws' errors at one configuration."""
    low, high = np.nanquantile(errors, [(1 - level) / 2, (1 + level) / 2])
    return [float(low), float(high)]
