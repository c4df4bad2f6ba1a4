"""How sure the pick is, from the law's bootstrap draws (and the efficiencies' ranges)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from scalelaw.plan.grid import Grid
from scalelaw.plan.rule import Rule

CHUNK = 4_000_000
"""Errors held at once (draws x configurations): 32 MB."""

Draws = Callable[[slice], np.ndarray]


def shares_of_best(
    draws: Draws, n_draws: int, grids: Sequence[Grid], rule: Rule
) -> tuple[np.ndarray, np.ndarray]:
    """The share of draws in which each configuration is the pick [M, K], and the least error that fits [n_draws].

    draws(block) gives the errors of a block of models [n_draws, block, K]. grids: the configurations under each
    scenario of the efficiencies; draw d is judged under scenario d modulo their number. Within a draw the rule
    decides as it does for the pick: the least error, then the least spent; or, of all that are good enough, the
    least spent (more tokens never cost less, so within a model that is the fewest tokens).
    A draw in which nothing fits, or nothing is good enough, counts for none.
    """
    least = np.full(n_draws, np.inf)
    if not rule.least:
        for rows, _, _, errors in _blocks(draws, n_draws, grids):
            least[rows] = np.minimum(least[rows], errors.min(axis=(1, 2)))
    good = rule.good(least)
    winner = np.full((2, n_draws), -1)
    score, spent = np.full(n_draws, np.inf), np.full(n_draws, np.inf)
    for rows, first, grid, errors in _blocks(draws, n_draws, grids):
        place = (errors if rule.least else -(errors <= good[rows, None, None]).view(np.int8)).argmin(axis=2)
        at = np.take_along_axis(errors, place[..., None], axis=2)[..., 0]
        for j in range(errors.shape[1]):
            spend = grid.spend[first + j, place[:, j]]
            allowed = np.isfinite(at[:, j]) if rule.least else at[:, j] <= good[rows]
            key = at[:, j] if rule.least else np.zeros(len(at))
            better = allowed & ((key < score[rows]) | ((key == score[rows]) & (spend < spent[rows])))
            winner[0, rows] = np.where(better, first + j, winner[0, rows])
            winner[1, rows] = np.where(better, place[:, j], winner[1, rows])
            score[rows] = np.where(better, key, score[rows])
            spent[rows] = np.where(better, spend, spent[rows])
    shares = np.zeros(grids[0].fits.shape)
    settled = winner[0] >= 0
    np.add.at(shares, (winner[0, settled], winner[1, settled]), 1)
    return shares / n_draws, score if rule.least else least


def _blocks(
    draws: Draws, n_draws: int, grids: Sequence[Grid]
) -> Iterator[tuple[slice, int, Grid, np.ndarray]]:
    """Blocks of models under each scenario: (which draws, the first model, the scenario's grid, errors
    [draws, models, K], infinite where a configuration does not fit).
    """
    models, tokens = grids[0].fits.shape
    step = max(1, CHUNK // (n_draws * tokens))
    for first in range(0, models, step):
        block = slice(first, min(first + step, models))
        if not any(grid.fits[block].any() for grid in grids):
            continue
        every = draws(block)
        every[~np.isfinite(every)] = np.inf
        for scenario, grid in enumerate(grids[:n_draws]):
            rows = slice(scenario, n_draws, len(grids))
            errors = every[rows] if len(grids) == 1 else every[rows].copy()
            np.copyto(errors, np.inf, where=~grid.fits[block])
            yield rows, first, grid, errors


def interval(errors: np.ndarray, level: float = 0.95) -> list[float]:
    """The percentile interval of the draws' errors at one configuration."""
    low, high = np.nanquantile(errors, [(1 - level) / 2, (1 + level) / 2])
    return [float(low), float(high)]
