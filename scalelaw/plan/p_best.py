"""How sure the pick is, from the law's bootstrap draws (and the efficiencies' ranges)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from scalelaw.fit.fitted import RAISED
from scalelaw.plan.grid import Grid, Place, predict
from scalelaw.plan.objective import Rule
from scalelaw.plan.problem import Problem

CHUNK = 4_000_000
"""Errors held at once (draws x configurations): 32 MB."""

CHECKED = 48
"""Sizes, and numbers of visual tokens, at which a draw is checked for falling with size."""

Draws = Callable[[np.ndarray, np.ndarray], np.ndarray]


def spread(fitted: Any) -> float:
    """How much of the draws' distance from the fit counts in a decision: what brings wild draws to HC2; else 1.

    Wild draws raise residuals by more than 1 / sqrt(1 - leverage) (HC2), so that intervals keep their coverage; that
    overstates the variance and makes p_best too modest on few points (experiments/LOG.md). n points, p free
    parameters, the mean leverage p / n; where p is not small, 1.
    """
    points, bounds = getattr(fitted, "n_points", 0), getattr(fitted, "bounds", {})
    free = sum(low < high for low, high in bounds.values())
    if getattr(fitted, "draws_method", "") != "wild" or not 0 < 2 * free <= points:
        return 1.0
    return float((1 - free / points) ** (RAISED - 0.5))


def shares_of_best(
    draws: Draws, n_draws: int, grids: Sequence[Grid], rule: Rule
) -> tuple[np.ndarray, np.ndarray]:
    """The share of draws in which each configuration is the pick [M, K], and the least error that fits [n_draws].

    draws(rows, columns) gives the errors of models at token counts, [n_draws, ...] in the broadcast shape of both.
    grids: the configurations under each scenario of the efficiencies; draw d is judged under scenario d modulo their
    number. Within a draw the rule decides as it does for the pick: the least error, then the least spent (more tokens
    never cost less, so within a model that is the fewest tokens); or, of all that are good enough, the least spent,
    then the least error. A draw in which nothing fits, or nothing is good enough, counts for none.
    """
    least = np.full(n_draws, np.inf)
    if not rule.least:
        for which, _, _, errors in _blocks(draws, n_draws, grids):
            least[which] = np.minimum(least[which], errors.min(axis=(1, 2)))
    good = rule.good(least)
    leaders = _Leaders(n_draws)
    screened = _screened(draws, n_draws, grids[0]) if rule.least else np.zeros(n_draws, dtype=bool)
    for scenario, grid in enumerate(grids[:n_draws]) if screened.any() else ():
        rows, columns = _candidates(grid)
        errors = draws(rows, columns)[scenario :: len(grids)]
        errors[~np.isfinite(errors)] = np.inf
        order = np.lexsort((columns, rows, grid.spend[rows, columns]))
        if not len(order):
            continue
        place = order[errors[:, order].argmin(axis=1)]  # of equal errors the first, which spends least
        error, spend = (
            np.take_along_axis(errors, place[:, None], axis=1)[:, 0],
            grid.spend[rows, columns][place],
        )
        which = slice(scenario, n_draws, len(grids))
        leaders.update(which, rows[place], columns[place], error, spend, screened)
    for block, rows, grid, errors in _blocks(draws, n_draws, grids) if not screened.all() else ():
        if not rule.least:
            errors = _cheapest(errors, grid.spend[rows, : errors.shape[2]], good[block, None, None])
        place = errors.argmin(axis=2)
        at = np.take_along_axis(errors, place[..., None], axis=2)[..., 0]
        for j, row in enumerate(rows):
            spend = grid.spend[row, place[:, j]]
            key, other = (at[:, j], spend) if rule.least else (spend, at[:, j])
            key = np.where(np.isfinite(at[:, j]), key, np.inf)
            leaders.update(block, np.full(len(key), row), place[:, j], key, other, ~screened)
    shares = np.zeros(grids[0].fits.shape)
    settled = leaders.rows >= 0
    np.add.at(shares, (leaders.rows[settled], leaders.columns[settled]), 1)
    return shares / n_draws, leaders.key if rule.least else least


class _Leaders:
    """The best configuration of each draw so far: its row, its column and the two keys that it was ranked by."""

    def __init__(self, n_draws: int) -> None:
        self.rows, self.columns = np.full(n_draws, -1), np.full(n_draws, -1)
        self.key, self.second = np.full(n_draws, np.inf), np.full(n_draws, np.inf)

    def update(
        self, draws: slice, rows: np.ndarray, columns: np.ndarray, key: np.ndarray, second: np.ndarray,
        allowed: np.ndarray,
    ) -> None:  # fmt: skip
        """Replace the leaders of some draws where a configuration has a lower key, or the same and a lower second."""
        better = (key < self.key[draws]) | ((key == self.key[draws]) & (second < self.second[draws]))
        better &= np.isfinite(key) & allowed[draws]
        for values, new in (
            (self.rows, rows),
            (self.columns, columns),
            (self.key, key),
            (self.second, second),
        ):
            values[draws] = np.where(better, new, values[draws])


def _screened(draws: Draws, n_draws: int, grid: Grid) -> np.ndarray:
    """The draws in which the largest model that fits is best at every number of tokens, or size makes no difference
    [n_draws]: only the configurations of `_candidates` can be their pick.

    Checked on at most `CHECKED` sizes x token counts, and only where all errors do not fit into one block.
    """
    if n_draws * grid.error.size <= CHUNK:
        return np.zeros(n_draws, dtype=bool)
    order = np.argsort(grid.n_params, kind="stable")
    order = order[np.r_[True, np.diff(grid.n_params[order]) > 0]]
    rows, columns = (
        np.unique(np.linspace(0, length - 1, min(length, CHECKED)).round().astype(int))
        for length in (len(order), grid.error.shape[1])
    )
    errors = draws(order[rows][:, None], columns[None, :])
    change = np.diff(errors, axis=1)
    falls, constant = (change < 0).all(axis=(1, 2)), (change == 0).all(axis=(1, 2))
    return np.asarray((falls | constant) & np.isfinite(errors).all(axis=(1, 2)))


def _candidates(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the largest model that fits, and of the one that spends least, at each number of tokens."""
    columns = np.flatnonzero(grid.fits.any(axis=0))
    fits = grid.fits[:, columns]
    sizes = np.where(fits, grid.n_params[:, None], -np.inf)
    spend = np.where(fits, grid.spend[:, columns], np.inf)
    largest = np.where(sizes == sizes.max(axis=0), spend, np.inf).argmin(axis=0)
    rows = np.concatenate([largest, spend.argmin(axis=0)])
    return rows, np.concatenate([columns, columns])


def _cheapest(errors: np.ndarray, spend: np.ndarray, good: np.ndarray) -> np.ndarray:
    """The errors [draws, models, token counts] of what spends least of all that is good enough; infinite elsewhere."""
    spent = np.where(errors <= good, spend, np.inf)
    least = np.min(spent, axis=2, keepdims=True)
    return np.where((spent == least) & np.isfinite(least), errors, np.inf)


def _blocks(
    draws: Draws, n_draws: int, grids: Sequence[Grid]
) -> Iterator[tuple[slice, np.ndarray, Grid, np.ndarray]]:
    """Blocks of models of which something fits, under each scenario: (which draws, which models, the scenario's
    grid, errors [draws, models, token counts up to the last that fits], infinite where a configuration does not).
    """
    any_fits = np.logical_or.reduce([grid.fits for grid in grids])
    useful = np.flatnonzero(any_fits.any(axis=1))
    step = max(1, CHUNK // (n_draws * any_fits.shape[1]))
    for first in range(0, len(useful), step):
        rows = useful[first : first + step]
        last = int(np.flatnonzero(any_fits[rows].any(axis=0))[-1]) + 1
        columns = slice(0, last)
        every = draws(rows[:, None], np.arange(last)[None, :])
        every[~np.isfinite(every)] = np.inf
        for scenario, grid in enumerate(grids[:n_draws]):
            which = slice(scenario, n_draws, len(grids))
            errors = every[which] if len(grids) == 1 else every[which].copy()
            np.copyto(errors, np.inf, where=~grid.fits[rows, columns])
            yield which, rows, grid, errors


def confidence(
    problem: Problem, grid: Grid, rule: Rule, minimise: str | None, places: Sequence[Place]
) -> dict[Place, dict[str, Any]]:
    """{error_interval, p_best, p_model, regret} of some places; None each where the fit has no draws."""
    fitted, work = problem.fitted, problem.query.work
    if not has_draws(fitted):
        return {place: dict.fromkeys(("error_interval", "p_best", "p_model", "regret")) for place in places}
    scale = spread(fitted)

    def draws(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        errors = predict(fitted, grid.n_params[rows], grid.visual_tokens[columns], work, draws=True)
        if scale == 1:
            return errors
        fit = grid.error[rows, columns]
        errors -= fit
        errors *= scale
        errors += fit
        return errors

    at_rows, at_columns = map(list, zip(*places, strict=True))
    raw = predict(fitted, grid.n_params[at_rows], grid.visual_tokens[at_columns], work, draws=True)
    centre = grid.error[at_rows, at_columns]
    grids = [problem.grid(minimise=minimise, device=device) for device in problem.query.scenarios] or [grid]
    shares, least = shares_of_best(draws, len(raw), grids, rule)
    settled = np.isfinite(least)
    excess = np.maximum((centre + scale * (raw - centre))[settled] - least[settled, None], 0)
    intervals = interval(raw)
    return {
        place: {
            "error_interval": intervals[i],
            "p_best": float(shares[place]),
            "p_model": float(shares[place[0]].sum()),
            "regret": float(excess[:, i].mean()) if settled.any() and rule.target is None else None,
        }
        for i, place in enumerate(places)
    }


def has_draws(fitted: Any) -> bool:
    """Whether the fit carries bootstrap draws of its parameters."""
    draws = fitted.draws
    return bool(draws) and any(len(values) for values in draws.values())


def interval(errors: np.ndarray, level: float = 0.95) -> list[list[float]]:
    """The percentile interval at each place of the draws' errors [n_draws, places]; NaNs are left out."""
    ends = [(1 - level) / 2, (1 + level) / 2]
    quantile = np.quantile if not np.isnan(errors).any() else np.nanquantile
    pairs: list[list[float]] = quantile(errors, ends, axis=0).T.tolist()
    return pairs
