"""The search: enumerate every configuration, keep those that fit the budget, take the best by the rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scalelaw.errors import InputError, NoAnswer, typed
from scalelaw.plan import p_best, warnings
from scalelaw.plan.budget import FLOPS, kinds
from scalelaw.plan.continuous import continuous_optimum, sizes_allowed
from scalelaw.plan.cost_needs import ranges_of
from scalelaw.plan.grid import Grid, Place, compute_costs, use
from scalelaw.plan.make_problem import make_problem
from scalelaw.plan.objective import Rule, check_error, make_rule
from scalelaw.plan.pareto import pareto
from scalelaw.plan.problem import Problem
from scalelaw.plan.workload import TYPES
from scalelaw.results.optimum import Optimum
from scalelaw.results.warning import as_warnings


@typed(
    budget=("None", "str", "int", "float", "list", "tuple", "Mapping"),
    cost=("None", "str"), within=("None", "int", "float"), target_error=("None", "int", "float"),
    minimise=("None", "str"), tie=("int", "float"), **TYPES,
)  # fmt: skip
def find_optimum(
    fitted: Any,
    budget: Any = None,
    text_tokens: float = 50,
    generate: float = 0,
    models: Any = None,
    visual_tokens: Any = None,
    hardware: Any = None,
    batch: Any = 1,
    cost: str | None = None,
    *,
    within: float | None = None,
    target_error: float | None = None,
    minimise: str | None = None,
    tie: float = 0.001,
    **query: Any,
) -> Optimum:
    """Find the configuration (model, visual tokens, way to serve) with the least error within every budget.

    Args:
        fitted: a `FittedLaw` of n_params and visual_tokens, or several, see `blend`.
        budget: {kind: limit}, a number (FLOPs per query), or text such as `latency_ms=80`. Optional with target_error.
        text_tokens: tokens of the question and the system prompt.
        generate: tokens of the answer.
        models: a catalogue (see `find_models`); by default the sizes that the law was measured at.
        visual_tokens: `1,4,16`, `1:576` or a list; by default every whole number in the measured range.
        hardware: a card's name or YAML file, for latency, memory, energy and dollars.
        batch: queries served together; several are compared.
        cost: the FLOP accounting; by default `layer_flops` where every shape is known, else `linear_flops`.
        within: take the cheapest configuration whose error is at most this much above the least.
        target_error: take the cheapest configuration that reaches this error.
        minimise: the kind of cost to minimize with `within` or `target_error`; by default that of the first budget,
            else flops.
        tie: errors closer than this to that of the best are near ties.
        query: images, tiles, cached_prefix, questions_per_image, dtype, cache_dtype, tower, compressor, devices, mfu,
            mbu, usd_per_hour and seed, see `make_query`. Also image, image_sizes and frames, as `find_cost` takes them:
            visual tokens then follow from the settings of the models' own knobs.

    Returns:
        The `Optimum`: the best configuration, those behind it, and warnings.

    Raises:
        InputError: for a law of other inputs, and for anything that is unknown or out of range.
        NoAnswer: nothing fits the budget (with the cheapest), or the target is not reached (with the nearest).
    """
    rule = make_rule(within, target_error, fitted)
    check_error("tie", tie)
    if budget is None and rule.target is None:
        raise InputError(
            "There is no budget.", code="bad_budget", hint="Give one (8e11, for example), or a target error."
        )
    problem = make_problem(
        fitted, budget, models, visual_tokens, cost,
        text_tokens=text_tokens, generate=generate, batch=batch, hardware=hardware, **query,
    )  # fmt: skip
    spent = _minimised(problem, rule, minimise)
    grid = problem.grid(minimise=spent)
    if not grid.fits.any():
        raise nothing_fits(problem, grid)
    places = ranked(grid, rule)
    if not places:
        raise _missed(problem, grid, rule)
    known = p_best.confidence(problem, grid, rule, spent, places)
    choices = [{**plain_choice(problem, grid, place), **known[place]} for place in places]
    best = choices[0]
    best["binding"] = binding(grid, problem.limits, places[0], rule)
    ties = near_ties(grid, places[0], tie, rule)
    sized = rule.target is None and problem.budget and problem.models[0].sights is None
    continuous = continuous_optimum(problem) if sized else None
    front = _front(problem, next(iter(problem.budget), spent or FLOPS))
    return Optimum(
        budget=problem.budget,
        text_tokens=problem.query.work.text_tokens,
        generate=problem.query.work.generate,
        batch=best["batch"],
        cost=problem.flop_cost,
        best=best,
        runners_up=choices[1:],
        pareto=front,
        continuous=continuous,
        extrapolates=warnings.is_extrapolation(problem, best),
        warnings=as_warnings(
            [
                *problem.warnings,
                *warnings.for_choice(problem, grid, best, rule),
                *warnings.for_choices(fitted, [*choices[1:], *front]),
                *warnings.for_continuous(problem, continuous),
            ]
        ),
        law=str(fitted.law),
        searched={
            **problem.facts,
            "configurations": int(grid.error.size * len(problem.query.setups)),
            "that_fit": int(grid.fits.sum()),
            "sizes_allowed": sizes_allowed(problem) if continuous else None,
            **warnings.target_facts(fitted),
            "rule": {"within": within, "target_error": target_error, "minimise": spent},
        },
        near_ties=[plain_choice(problem, grid, place) for place in ties],
        fit_hash=str(getattr(fitted, "fit_hash", "")),
    )


def ranked(grid: Grid, rule: Rule) -> list[Place]:
    """The pick of each model, the best first: by error, or by what is spent where the rule is not the least error."""
    least = grid.error[grid.fits].min()
    good = grid.fits & (np.isfinite(grid.error) if rule.least else grid.error <= rule.good(least))
    ranking = []
    for row in np.flatnonzero(good.any(axis=1)):
        columns = np.flatnonzero(good[row])
        keys = grid.spend[row, columns], grid.error[row, columns]
        first, second = keys if not rule.least else keys[::-1]
        column = columns[np.lexsort((second, first))[0]]
        key = float(grid.error[row, column]), float(grid.spend[row, column])
        ranking.append((*(key if rule.least else key[::-1]), int(row), int(column)))
    return [(row, column) for _, _, row, column in sorted(ranking)]


def binding(grid: Grid, limits: Mapping[str, float], pick: Place, rule: Rule) -> str | None:
    """The limit that keeps a better configuration out: the one whose lifting lowers the error most; where only
    lifting several would, the one of which the pick takes the largest share; None where nothing is better.
    """
    better = np.isfinite(grid.error) & (grid.error < grid.error[pick])
    if not limits or not better.any() or not (better & ~grid.fits).any() or rule.target is not None:
        return None
    gains = {}
    for kind in limits:
        allowed = better & grid.holds({k: limit for k, limit in limits.items() if k != kind})
        gains[kind] = float(grid.error[pick] - grid.error[allowed].min()) if allowed.any() else 0.0
    top = max(gains, key=lambda kind: gains[kind])
    return (
        top if gains[top] > 0 else max(limits, key=lambda kind: float(grid.costs[kind][pick] / limits[kind]))
    )


def near_ties(grid: Grid, pick: Place, tie: float, rule: Rule) -> list[Place]:
    """The cheapest configuration of each model whose error lies within `tie` of the pick's, the cheapest first; only
    such as the rule itself allows, where it is not the least error.
    """
    close = grid.fits & (np.abs(grid.error - grid.error[pick]) <= tie)
    if not rule.least:
        close &= grid.error <= rule.good(grid.error[grid.fits].min())
    ranking = []
    for row in np.flatnonzero(close.any(axis=1)):
        columns = np.flatnonzero(close[row])
        column = columns[np.argmin(grid.spend[row, columns])]
        ranking.append((float(grid.spend[row, column]), int(row), int(column)))
    return [(row, column) for _, row, column in sorted(ranking)]


def nothing_fits(problem: Problem, grid: Grid) -> NoAnswer:
    """The error that names the cheapest configuration: the one that exceeds the limits least."""
    share = use(grid.costs, problem.limits)
    if (possible := np.isfinite(grid.error)).any():
        share = np.where(possible, share, np.inf)
    row, column = divmod(int(np.argmin(share)), share.shape[1])
    facts = plain_choice(problem, grid, (row, column))
    over = {
        kind: facts["costs"][kind] for kind in problem.limits if facts["costs"][kind] > problem.limits[kind]
    }
    spent = ", ".join(
        f"{kind} {value:.6g} (the limit is {problem.limits[kind]:g})" for kind, value in over.items()
    )
    clash = _contradiction(problem)
    return NoAnswer(
        f"No configuration fits the budget. The cheapest is {facts['model']} with {facts['visual_tokens']:g} visual "
        f"token(s): {spent}.{clash}",
        code="nothing_fits",
        hint="Raise the budget, or allow smaller models, fewer visual tokens or a shorter query.",
        best=facts,
    )


def _contradiction(problem: Problem) -> str:
    """Which two limits contradict each other, though each alone can be held, and by how much."""
    costs = problem.costs(problem.limits)
    alone = {kind: costs[kind] / limit for kind, limit in problem.limits.items()}
    if len(alone) < 2 or any(share.min() > 1 for share in alone.values()):
        return ""
    pairs = [(a, b) for a in alone for b in alone if a < b]
    excess = {pair: float(np.maximum(alone[pair[0]], alone[pair[1]]).min()) for pair in pairs}
    pair = max(excess, key=lambda p: excess[p])
    if excess[pair] <= 1:
        return " Each pair of the limits can be met, all of them together cannot."
    over = 100 * (excess[pair] - 1)
    return f" {pair[0]} and {pair[1]} contradict: a configuration within one exceeds the other by at least {over:.3g}%."


def _front(problem: Problem, kind: str) -> list[dict[str, Any]]:
    """The least error at each cost of a kind, under the limits of every other kind."""
    grid = problem.grid({k: limit for k, limit in problem.limits.items() if k != kind}, minimise=kind)
    return [plain_choice(problem, grid, place) for place in pareto(grid, kind)]


def _missed(problem: Problem, grid: Grid, rule: Rule) -> NoAnswer:
    at = np.where(grid.fits, grid.error, np.inf)
    row, column = divmod(int(np.argmin(at)), at.shape[1])
    facts = plain_choice(problem, grid, (row, column))
    return NoAnswer(
        f"No configuration that fits reaches an error of {rule.target:g}. The nearest is {facts['model']} with "
        f"{facts['visual_tokens']:g} visual token(s): {facts['error']:.4g}.",
        code="target_not_reached",
        hint="Raise the target or the budget, or allow larger models or more visual tokens.",
        best=facts,
    )


def _minimised(problem: Problem, rule: Rule, minimise: str | None) -> str | None:
    if minimise is not None and rule.least:
        raise InputError(
            "minimise needs within or target_error; without them the error is minimized.",
            code="bad_objective",
        )
    if minimise is not None and minimise not in problem.kinds:
        raise InputError(
            f"'{minimise}' cannot be minimized here.",
            code="bad_objective",
            hint=f"Available: {', '.join(problem.kinds)}. All kinds: {', '.join(kinds())}.",
        )
    return None if rule.least else minimise or next(iter(problem.budget), FLOPS)


def plain_choice(problem: Problem, grid: Grid, place: Place) -> dict[str, Any]:
    """A configuration in plain facts; where several fits are planned on, with the error of each task."""
    model, setup = problem.models[place[0]], problem.query.setups[grid.setup[place]]
    tokens = grid.visual_tokens[place[1]]
    tasks = (
        problem.fitted.by_task(n_params=model.n_params, visual_tokens=tokens)
        if hasattr(problem.fitted, "by_task")
        else {}
    )
    costs = {kind: float(values[place]) for kind, values in grid.costs.items()}
    return {
        "model": model.name,
        "n_params": float(model.n_params),
        **({"counted_as": model.counted_as} if model.counted_as else {}),
        "visual_tokens": plain_count(tokens),
        "dtype": setup.dtype,
        "batch": setup.batch,
        "error": float(grid.error[place]),
        **({"errors": {task: float(error) for task, error in tasks.items()}} if tasks else {}),
        "costs": costs,
        "costs_interval": ranges_of(costs, problem.range_factors),
        **_of_images(problem, grid, place),
    }


def _of_images(problem: Problem, grid: Grid, place: Place) -> dict[str, Any]:
    """Of a plan from pixels: the knobs that differ from the model's own settings, and patches; over many images the
    mean costs, and what 95% of the images do not exceed. Empty in any other plan.
    """
    model, tokens = problem.models[place[0]], float(grid.visual_tokens[place[1]])
    if model.sights is None:
        return {}
    seen = model.sights.nearest(tokens)
    facts: dict[str, Any] = {
        "settings": dict(model.sights.changes.get(tokens, {})),
        "patches": plain_count(seen.mean_patches),
    }
    if model.sights.pictures.is_distribution:
        setup = int(grid.setup[place])
        means = compute_costs(
            [model], np.array([tokens]), problem.query.work, grid.costs, problem.flop_cost,
            len(problem.query.setups), expected=True,
        )  # fmt: skip
        facts["costs_p95"] = {kind: float(values[place]) for kind, values in grid.costs.items()}
        facts["costs"] = {kind: float(values[0, 0, setup]) for kind, values in means.items()}
    return facts


def plain_count(tokens: Any) -> float:
    """A number of visual tokens: a whole number as one, a mean as it is."""
    return int(tokens) if float(tokens).is_integer() else float(tokens)
