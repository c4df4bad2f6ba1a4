"""The search: enumerate every configuration, keep those that fit the budget, take the least error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from scalelaw.costs._workload import Device, Workload
from scalelaw.errors import InputError, NoAnswer
from scalelaw.plan import certainty, doubts
from scalelaw.plan.budget import FLOPS, check_budget, cost_of
from scalelaw.plan.catalogue import Model, find_models, sizes_of
from scalelaw.plan.continuous import least_error, size_within
from scalelaw.plan.grid import Grid, make_grid, predict
from scalelaw.plan.hardware import find_device
from scalelaw.plan.optimum import Optimum
from scalelaw.plan.tokens import measured_counts, token_counts

REQUIRED = ("n_params", "visual_tokens")
PARETO_POINTS = 200


def find_optimum(
    fitted: Any,
    budget: Any,
    text_tokens: float = 50,
    generate: float = 0,
    models: Any = None,
    visual_tokens: Any = None,
    hardware: str | None = None,
    batch: float = 1,
    cost: str | None = None,
) -> Optimum:
    """The configuration (model, visual tokens) of least predicted error whose cost fits every budget.

    fitted: a `FittedLaw` of n_params and visual_tokens. budget: {kind: limit}, a number (FLOPs per query) or text.
    text_tokens, generate, batch: the query. models: a catalogue (see `find_models`), by default the sizes that
    the law was measured at. visual_tokens: `1,4,16`, `1:576` or a list, by default every whole number in the
    measured range. cost: the FLOP accounting. Equal errors go to the one that takes the least of the budget.
    Raises InputError for a law of other inputs, an unknown budget, model or cost, counts or limits out of range;
    NoAnswer where nothing fits, with the cheapest configuration and its cost.
    """
    check_law(fitted)
    limits = check_budget(budget)
    work = check_workload(text_tokens, generate, batch, find_device(hardware))
    catalogue, models_from = choose_models(fitted, models)
    counts, counts_from = choose_counts(fitted, visual_tokens)
    flop_cost = cost or "linear_flops"
    grid = make_grid(fitted, catalogue, counts, work, dict.fromkeys([*limits, FLOPS]), flop_cost)
    fits = grid.fits(limits) & np.isfinite(grid.error)
    if not fits.any():
        raise nothing_fits(grid, limits)
    order = ranked(grid, fits, grid.use(limits))
    shares, intervals = _certainty(fitted, grid, fits, limits, work, order)
    choices = [_choice(grid, place, shares, intervals) for place in order]
    choices[0]["binding"] = binding(grid, limits, order[0])
    continuous = _continuous(fitted, limits, counts, work, flop_cost)
    facts = {
        "models": [m.name for m in catalogue],
        "models_from": models_from,
        "visual_tokens": [float(counts[0]), float(counts[-1])],
        "visual_tokens_from": counts_from,
        "configurations": int(grid.error.size),
        "that_fit": int(fits.sum()),
    }
    return Optimum(
        budget=limits,
        text_tokens=work.text_tokens,
        generate=work.generate,
        batch=work.batch,
        cost=flop_cost,
        best=choices[0],
        runners_up=choices[1:],
        pareto=[_choice(grid, place, None, {}) for place in pareto(grid, next(iter(limits)))],
        continuous=continuous,
        extrapolates=doubts.is_outside(fitted, choices[0]),
        warnings=doubts.of(fitted, grid, choices[0]),
        law=str(fitted.law),
        searched=facts,
    )


def check_law(fitted: Any) -> None:
    """Raises InputError where the law is not one of n_params and visual_tokens (text_tokens may join them)."""
    inputs = list(fitted.inputs)
    if not set(REQUIRED) <= set(inputs) <= {*REQUIRED, "text_tokens"}:
        raise InputError(
            f"The law '{fitted.law}' sees {', '.join(inputs) or 'nothing'}; a plan needs a law of n_params and "
            "visual_tokens.",
            code="wrong_law",
            hint="Fit product_power or additive_power, for instance.",
        )


def check_workload(
    text_tokens: float, generate: float, batch: float, device: Device | None = None
) -> Workload:
    """The query in numbers. Raises InputError for tokens below 0, a batch below 1, and what is not a number."""
    held: dict[str, float] = {}
    for name, value, least in (
        ("text_tokens", text_tokens, 0),
        ("generate", generate, 0),
        ("batch", batch, 1),
    ):
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not (math.isfinite(number) and number >= least):
            raise InputError(
                f"{name} must be a number of at least {least}; it is {value}.", code="bad_workload"
            )
        held[name] = number
    return Workload(**held, device=device)


def choose_models(fitted: Any, models: Any) -> tuple[list[Model], str]:
    """The catalogue and where it comes from; by default the sizes in the fit's points."""
    if models is not None:
        return find_models(models), "given"
    return sizes_of(fitted.points), "the sizes measured in the fit's points"


def choose_counts(fitted: Any, visual_tokens: Any) -> tuple[np.ndarray, str]:
    """The token counts [K] and where they come from; by default every whole number in the measured range."""
    if visual_tokens is not None:
        return token_counts(visual_tokens), "given"
    low, high = fitted.measured_range["visual_tokens"]
    return measured_counts(low, high), f"every whole number in the measured range, {low:g} to {high:g}"


def ranked(grid: Grid, fits: np.ndarray, use: np.ndarray) -> list[tuple[int, int]]:
    """The best configuration of each model that fits, by error, then by the share of the budget it takes."""
    best = []
    for row in np.flatnonzero(fits.any(axis=1)):
        columns = np.flatnonzero(fits[row])
        column = columns[np.lexsort((use[row, columns], grid.error[row, columns]))[0]]
        best.append((float(grid.error[row, column]), float(use[row, column]), int(row), int(column)))
    return [(row, column) for _, _, row, column in sorted(best)]


def binding(grid: Grid, limits: dict[str, float], pick: tuple[int, int]) -> str | None:
    """The budget that keeps a better configuration out: the one whose lifting lowers the error most; where only
    lifting several would, the one of which the pick takes the largest share; None where nothing is better.
    """
    best = grid.error[pick]
    better = grid.error < best
    if not better.any():
        return None
    gains = {}
    for kind in limits:
        others = {other: limit for other, limit in limits.items() if other != kind}
        allowed = better & (grid.fits(others) if others else True)
        gains[kind] = float(best - grid.error[allowed].min()) if allowed.any() else 0.0
    top = max(gains, key=lambda kind: gains[kind])
    return (
        top if gains[top] > 0 else max(limits, key=lambda kind: float(grid.costs[kind][pick] / limits[kind]))
    )


def pareto(grid: Grid, kind: str) -> list[tuple[int, int]]:
    """The configurations that no cheaper one betters, in order of cost; where they are many, evenly thinned
    but for the ends of each model's stretch.
    """
    cost, error = grid.costs[kind].ravel(), grid.error.ravel()
    order = np.lexsort((error, cost))
    order = order[np.isfinite(error[order])]
    least = np.minimum.accumulate(error[order])
    front = order[np.r_[True, least[1:] < least[:-1]]] if len(order) else order
    rows = front // len(grid.visual_tokens)
    ends = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    kept = np.unique(np.r_[np.linspace(0, len(front) - 1, PARETO_POINTS).astype(int), ends, ends[1:] - 1])
    return [divmod(int(i), len(grid.visual_tokens)) for i in front[kept]]


def nothing_fits(grid: Grid, limits: dict[str, float]) -> NoAnswer:
    """The error that names the cheapest configuration: the one that exceeds the budget least."""
    use = grid.use(limits)
    cheapest = divmod(int(np.argmin(use)), use.shape[1])
    facts = _choice(grid, cheapest, None, {})
    over = {kind: facts["costs"][kind] for kind in limits if facts["costs"][kind] > limits[kind]}
    spent = ", ".join(f"{kind} {value:g} (the budget is {limits[kind]:g})" for kind, value in over.items())
    return NoAnswer(
        f"No configuration fits the budget. The cheapest is {facts['model']} with {facts['visual_tokens']:g} visual "
        f"token(s): {spent}.",
        code="nothing_fits",
        hint="Raise the budget, or allow smaller models, fewer visual tokens or a shorter query.",
        best=facts,
    )


def _certainty(
    fitted: Any,
    grid: Grid,
    fits: np.ndarray,
    limits: dict[str, float],
    work: Workload,
    places: list[tuple[int, int]],
) -> tuple[np.ndarray | None, dict[tuple[int, int], list[float]]]:
    """p_best of every configuration [M, K] and the error interval at some places; None and {} without draws."""
    if not doubts.has_draws(fitted):
        return None, {}

    def draws(rows: slice | list[int], columns: slice | list[int] = slice(None)) -> np.ndarray:
        return predict(
            fitted, grid.n_params[rows][:, None], grid.visual_tokens[columns][None, :], work, draws=True
        )

    rows, columns = map(list, zip(*places, strict=True))
    at_places = predict(fitted, grid.n_params[rows], grid.visual_tokens[columns], work, draws=True)
    intervals = {place: certainty.interval(at_places[:, i]) for i, place in enumerate(places)}
    return certainty.shares_of_best(draws, len(at_places), fits, grid.use(limits)), intervals


def _choice(
    grid: Grid,
    place: tuple[int, int],
    shares: np.ndarray | None,
    intervals: dict[tuple[int, int], list[float]],
) -> dict[str, Any]:
    row, column = place
    return {
        "model": grid.models[row].name,
        "n_params": float(grid.models[row].n_params),
        "visual_tokens": int(grid.visual_tokens[column]),
        "error": float(grid.error[place]),
        "error_interval": intervals.get(place),
        "costs": {kind: float(values[place]) for kind, values in grid.costs.items()},
        "p_best": None if shares is None else float(shares[place]),
    }


def _continuous(
    fitted: Any, limits: dict[str, float], counts: np.ndarray, work: Workload, flop_cost: str
) -> dict[str, Any] | None:
    givers = {kind: cost_of(kind, flop_cost) for kind in limits}
    if any("shape" in giver.needs for giver in givers.values()):
        return None
    size_for: Callable[[np.ndarray], np.ndarray] = lambda tokens: size_within(givers, limits, tokens, work)  # noqa: E731
    return least_error(
        lambda n, v: predict(fitted, n, v, work), size_for, float(counts[0]), float(counts[-1])
    )
