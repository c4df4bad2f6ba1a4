"""How sure the pick is, from the law's bootstrap draws (and the efficiencies' ranges)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from scalelaw.plan.grid import Grid
from scalelaw.plan.rule import Rule

CHUNK = 4_000_000
"""Errors held at once (draws x configurations): 32 MB."""


def shares_of_best(
    draws: Callable[[slice], np.ndarray], n_draws: int, grids: Sequence[Grid], rule: Rule
) -> tuple[np.ndarray, np.ndarray]:
    """The share of draws in which each configuration is the pick [M, K], and the least error that fits [n_draws].

    draws(block) gives the errors of a block of models [n_draws, block, K]. grids: the configurations under each
    scenario of the efficiencies; draw d is judged under scenario d modulo their number. Within a draw the rule
    decides as it does for the pick: of all that are good enough, the one that spends least, then the first in the
    catalogue. A draw in which nothing fits, or nothing is good enough, counts for none.
    """
    models, tokens = grids[0].fits.shape
    least = np.full(n_draws, np.inf)
    for rows, _, errors in _blocks(draws, n_draws, grids):
        least[rows] = np.minimum(least[rows], errors.min(axis=1))
    good = rule.good(least)
    spent, winner = np.full(n_draws, np.inf), np.full(n_draws, -1)
    for rows, (flat, spend), errors in _blocks(draws, n_draws, grids):
        enough = errors <= good[rows, None]
        place = np.argmax(enough, axis=1)
        better = enough[np.arange(len(place)), place] & (spend[place] < spent[rows])
        chosen = np.arange(n_draws)[rows][better]
        winner[chosen], spent[chosen] = flat[place[better]], spend[place[better]]
    counts = np.bincount(winner[winner >= 0], minlength=models * tokens)
    return (counts / n_draws).reshape(models, tokens), least


def _blocks(
    draws: Callable[[slice], np.ndarray], n_draws: int, grids: Sequence[Grid]
) -> Iterator[tuple[slice, tuple[np.ndarray, np.ndarray], np.ndarray]]:
    """Blocks of models under each scenario: (which draws, (flat places that fit, what they spend) in order of
    spending, errors [draws, places]).
    """
    models, tokens = grids[0].fits.shape
    step = max(1, CHUNK // (n_draws * tokens))
    for first in range(0, models, step):
        block = slice(first, min(first + step, models))
        errors = None
        for scenario, grid in enumerate(grids):
            inside = np.flatnonzero(grid.fits[block])
            rows = slice(scenario, n_draws, len(grids))
            if len(inside) == 0 or scenario >= n_draws:
                continue
            spend = grid.spend[block].ravel()[inside]
            order = np.argsort(spend, kind="stable")
            if errors is None:
                errors = draws(block).reshape(n_draws, -1)
                errors = np.where(np.isfinite(errors), errors, np.inf)
            yield rows, (first * tokens + inside[order], spend[order]), errors[rows, inside[order]]


def interval(errors: np.ndarray, level: float = 0.95) -> list[float]:
    """The percentile interval of the draws' errors at one configuration."""
    low, high = np.nanquantile(errors, [(1 - level) / 2, (1 + level) / 2])
    return [float(low), float(high)]
