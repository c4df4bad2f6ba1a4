"""The kind of budget decides: the optimum under each kind of budget that costs the same, and the free tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from scalelaw import plugins
from scalelaw.errors import InputError, typed
from scalelaw.plan.budget import cost_of
from scalelaw.plan.cost_needs import needs_of
from scalelaw.plan.grid import Grid, Place, workload_of
from scalelaw.plan.make_problem import make_problem
from scalelaw.plan.objective import Rule, make_rule
from scalelaw.plan.problem import Problem
from scalelaw.plan.search import nothing_fits, plain_choice, ranked
from scalelaw.plan.workload import TYPES
from scalelaw.results.envelope import Answer
from scalelaw.results.warning import Warning, as_warnings


@dataclass(frozen=True)
class Contrast(Answer):
    """rows: [{kind, limit, best {model, visual_tokens, ...}}]; the first is the budget that was given, the others
    allow of their own kind what its pick costs. free_tokens: {model, batch, hardware, tokens, tolerance}: how many
    visual tokens the pick's model may see before its latency rises by `tolerance`; None without hardware.
    """

    command: ClassVar[str] = "contrast"

    rows: list[dict[str, Any]]
    free_tokens: dict[str, Any] | None
    warnings: list[Warning]


@typed(**TYPES)
def contrast_budgets(
    fitted: Any,
    budget: Any,
    text_tokens: float = 50,
    generate: float = 0,
    models: Any = None,
    visual_tokens: Any = None,
    hardware: Any = None,
    batch: Any = 1,
    cost: str | None = None,
    *,
    within: float | None = None,
    tolerance: float = 0.05,
    **query: Any,
) -> Contrast:
    """The optimum under the budget, and under every other kind of budget of the same size (arguments as
    `find_optimum`, `within` among them; name hardware and usd_per_hour for more kinds).

    tolerance: tokens are free while the latency is at most so much (a share) above that of one token.

    Raises as `find_optimum`, and InputError for more than one budget.
    """
    if budget is None:
        raise InputError(
            "A contrast starts from one budget; there is none.", code="bad_budget", hint="E.g. flops=8e11."
        )
    if query.get("image") or query.get("image_sizes") is not None:
        raise InputError("A contrast takes numbers of visual tokens, not images.", code="usage")
    rule = make_rule(within, None, fitted)
    if not (isinstance(tolerance, int | float) and 0 <= tolerance <= 1e6):
        raise InputError(f"tolerance must be a share of at least 0; it is {tolerance}.", code="bad_objective")
    problem = make_problem(
        fitted, budget, models, visual_tokens, cost,
        text_tokens=text_tokens, generate=generate, batch=batch, hardware=hardware, **query,
    )  # fmt: skip
    if len(problem.budget) != 1:
        raise InputError("A contrast starts from one budget.", code="bad_budget")
    memory = {k: v for k, v in problem.limits.items() if k not in problem.budget}
    (kind,) = problem.budget
    first, place = _row(problem, kind, problem.budget[kind], memory, rule)
    grid = problem.grid(minimise=kind)
    rows = [first]
    for other in problem.kinds:
        is_rate = "answer" in needs_of(cost_of(other, problem.flop_cost), other)
        if other != kind and not is_rate and grid.costs[other][place] > 0:
            rows.append(_row(problem, other, float(grid.costs[other][place]), memory, rule)[0])
    return Contrast(
        rows,
        _free_tokens(problem, place, grid, tolerance),
        as_warnings([*_alone(problem, rows), *_disagreements(rows)]),
    )


def _row(
    problem: Problem, kind: str, limit: float, memory: dict[str, float], rule: Rule
) -> tuple[dict[str, Any], Place]:
    limits = {**memory, kind: limit}
    grid = problem.grid(limits, minimise=kind)
    if not grid.fits.any():
        raise nothing_fits(replace(problem, limits=limits), grid)
    place = ranked(grid, rule)[0]
    return {"kind": kind, "limit": limit, "best": plain_choice(problem, grid, place)}, place


def _alone(problem: Problem, rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What other kinds of budget would need, where there is none to contrast with."""
    if len(rows) > 1:
        return []
    bare = [model.name for model in problem.models if model.shape is None]
    needs = ["models with a shape (models='qwen1.5') for memory"] if bare else []
    needs += [] if problem.query.work.device else ["hardware for latency and energy"]
    needs += [] if problem.query.work.price_per_hour is not None else ["usd_per_hour for dollars"]
    message = (
        f"Only {rows[0]['kind']} can be computed, so there is nothing to contrast. Add {', '.join(needs)}."
    )
    return [("one_kind_of_budget", message)] if needs else []


def _disagreements(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """One warning for each other pick (another model, or a number of tokens off by more than a factor of 2)."""
    base = rows[0]["best"]
    others: dict[tuple[str, int], list[str]] = {}
    for row in rows[1:]:
        pick = row["best"]
        if pick["model"] != base["model"] or not 0.5 <= pick["visual_tokens"] / base["visual_tokens"] <= 2:
            others.setdefault((pick["model"], pick["visual_tokens"]), []).append(row["kind"])
    return [
        (
            "budgets_disagree",
            f"A budget of {rows[0]['kind']} picks {base['model']} with {base['visual_tokens']} visual token(s); one of "
            f"{' or '.join(named)} of the same size picks {model} with {tokens}.",
        )
        for (model, tokens), named in others.items()
    ]


def _free_tokens(problem: Problem, place: Place, grid: Grid, tolerance: float) -> dict[str, Any] | None:
    work, device = problem.query.work, problem.query.work.device
    model, setup = problem.models[place[0]], problem.query.setups[grid.setup[place]]
    if device is None or model.shape is None:
        return None
    at = grid.setup[place]
    work = workload_of(model, work).of_setup(at)
    most = max(float(problem.counts[-1]), work.patches)
    tokens = np.arange(1.0, most + 1)
    latency = sum(plugins.load("costs", "latency").parts(model.n_params, model.shape, tokens, work).values())
    return {
        "model": model.name,
        "batch": setup.batch,
        "hardware": device.name,
        "tokens": int(np.sum(np.asarray(latency) <= (1 + tolerance) * np.asarray(latency)[0])),
        "of": int(most),
        "tolerance": tolerance,
    }
