"""Inverse questions: when does the next model pay, how do tokens follow the text, what does relaxing a limit buy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from scalelaw.errors import InputError, typed, unknown
from scalelaw.plan.budget import FLOPS, check_budget, kinds_with
from scalelaw.plan.continuous import continuous_optimum
from scalelaw.plan.grid import Grid, Place
from scalelaw.plan.make_problem import make_problem
from scalelaw.plan.objective import Rule, make_rule
from scalelaw.plan.problem import Problem
from scalelaw.plan.search import nothing_fits, plain_choice, plain_count, ranked
from scalelaw.plan.workload import TYPES


@typed(**TYPES)
def inverse_questions(fitted: Any, budget: Any, **options: Any) -> dict[str, list[dict[str, Any]]]:
    """The three below at once: {switch_points, tokens_against_text, relaxation}; the first kind of budget switches,
    the others hold.

    options: as `find_optimum`, `within` among them. Raises as `find_optimum`.
    """
    if budget is None:
        raise InputError(
            "The inverse questions start from a budget; there is none.",
            code="bad_budget",
            hint="E.g. flops=8e11.",
        )
    limits = check_budget(budget, options.get("cost"))
    first, *rest = limits
    beside = {name: value for name, value in options.items() if name != "text_tokens"}
    return {
        "switch_points": switch_points(fitted, first, {kind: limits[kind] for kind in rest}, **options),
        "tokens_against_text": tokens_against_text(fitted, limits, **beside),
        "relaxation": relaxation(fitted, limits, **options),
    }


@typed(**TYPES)
def switch_points(
    fitted: Any,
    kind: str = FLOPS,
    others: dict[str, float] | None = None,
    *,
    within: float | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """The budgets of one kind at which another model becomes the pick, from the smallest up.

    others: {kind: limit} of the other kinds, which hold all along.
    options: as `find_optimum` (models, visual_tokens, text_tokens, hardware, ...). Each: {budget, model,
    visual_tokens, error, from_model}: from this budget on (until the next) that model is the pick; the first has
    no from_model: below it nothing fits. Raises as `find_optimum`.
    """
    known = kinds_with(options.get("cost"))
    if kind not in known:
        raise unknown("kind of budget", kind, known, code="unknown_budget")
    limits = check_budget(others, options.get("cost")) if others else {}
    rule = make_rule(within, None, fitted)
    problem = make_problem(fitted, {**limits, kind: 1e300}, **options)
    grid = problem.grid(minimise=kind)
    if not grid.fits.any():
        raise nothing_fits(problem, grid)
    cost, error = grid.costs[kind][grid.fits], grid.error[grid.fits]
    places = np.argwhere(grid.fits)
    order = np.lexsort((error, cost))
    least = np.minimum.accumulate(error[order])
    begins = np.flatnonzero(np.r_[True, least[1:] < least[:-1]])
    picks = np.searchsorted(-least, -rule.good(least[begins]))  # the cheapest that is good enough by then
    rows: list[dict[str, Any]] = []
    for begin, i in zip(begins, order[picks], strict=True):
        place: Place = int(places[i][0]), int(places[i][1])
        model = problem.models[place[0]].name
        if not rows or rows[-1]["model"] != model:
            rows.append({
                "budget": float(cost[order[begin]]),
                "model": model,
                "visual_tokens": plain_count(grid.visual_tokens[place[1]]),
                "error": float(error[i]),
                "from_model": rows[-1]["model"] if rows else None,
            })  # fmt: skip
    return rows


def tokens_against_text(
    fitted: Any,
    budget: Any,
    text_tokens: Iterable[float] = (0, 10, 25, 50, 100, 200, 400),
    *,
    within: float | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """How the best number of visual tokens follows the length of the text.

    Each: {text_tokens, model, visual_tokens, error, continuous {n_params, visual_tokens, error} or None}; a length
    at which nothing fits has model None. Raises as `find_optimum`.
    """
    rule, rows = make_rule(within, None, fitted), []
    for text in text_tokens:
        problem = make_problem(fitted, budget, text_tokens=text, **options)
        grid = _grid(problem, problem.limits, rule)
        facts: dict[str, Any] = {
            "text_tokens": float(text),
            "model": None,
            "visual_tokens": None,
            "error": None,
        }
        if grid.fits.any():
            best = plain_choice(problem, grid, ranked(grid, rule)[0])
            facts.update({key: best[key] for key in ("model", "visual_tokens", "error")})
        rows.append({**facts, "continuous": continuous_optimum(problem)})
    return rows


@typed(**TYPES)
def relaxation(
    fitted: Any,
    budget: Any,
    factors: Iterable[float] = (1.1, 1.25, 1.5, 2.0),
    *,
    within: float | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """What relaxing each limit alone buys: {kind, factor, limit, model, visual_tokens, error, gained} a step, where
    `gained` is how much the error falls. Raises as `find_optimum`; NoAnswer where nothing fits to begin with.
    """
    rule = make_rule(within, None, fitted)
    problem = make_problem(fitted, check_budget(budget, options.get("cost")), **options)
    base = _pick(problem, problem.limits, rule)
    rows = []
    for kind, limit in problem.limits.items():
        for factor in factors:
            best = _pick(problem, {**problem.limits, kind: factor * limit}, rule)
            rows.append({
                "kind": kind,
                "factor": float(factor),
                "limit": factor * limit,
                "model": best["model"],
                "visual_tokens": best["visual_tokens"],
                "error": best["error"],
                "gained": base["error"] - best["error"],
            })  # fmt: skip
    return rows


def _grid(problem: Problem, limits: dict[str, float], rule: Rule) -> Grid:
    """The configurations as the plan itself sees them (see `find_optimum`)."""
    return problem.grid(limits, minimise=None if rule.least else next(iter(problem.budget)))


def _pick(problem: Problem, limits: dict[str, float], rule: Rule) -> dict[str, Any]:
    grid = _grid(problem, limits, rule)
    if not grid.fits.any():
        raise nothing_fits(problem, grid)
    return plain_choice(problem, grid, ranked(grid, rule)[0])
