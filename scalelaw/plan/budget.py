"""Budgets: what a query may cost, of one or more kinds, from words or numbers; all of them must hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from scalelaw import plugins
from scalelaw.errors import InputError, unknown

FLOPS = "flops"


def parse_budget(terms: str | Iterable[str]) -> dict[str, float]:
    """Budgets from words: `8e11` (FLOPs per query), `flops=8e11`, `latency_ms=80`; several must all hold.

    Raises InputError for a kind that no cost gives (with those there are), for what is not a number, and for
    a budget that is not positive and finite.
    """
    budget: dict[str, float] = {}
    for term in [terms] if isinstance(terms, str) else terms:
        kind, equals, value = str(term).partition("=")
        kind, value = (kind.strip(), value.strip()) if equals else (FLOPS, kind.strip())
        if kind in budget:
            raise InputError(f"The budget '{kind}' is given twice.", code="bad_budget")
        budget[kind] = _number(kind, value)
    return check_budget(budget)


def check_budget(budget: Any) -> dict[str, float]:
    """The budget as {kind: limit}; a bare number is FLOPs per query. Raises InputError as `parse_budget`."""
    if isinstance(budget, str):
        return parse_budget(budget)
    given = budget if isinstance(budget, Mapping) else {FLOPS: budget}
    if not given:
        raise InputError("There is no budget.", code="bad_budget", hint="Give one, e.g. flops=8e11.")
    for kind in given:
        if kind not in kinds():
            raise unknown("kind of budget", str(kind), kinds(), code="unknown_budget")
    return {str(kind): _number(str(kind), limit) for kind, limit in given.items()}


@cache
def kinds() -> dict[str, tuple[str, ...]]:
    """The kinds a budget may name -> the costs that give them, from the files in the drawer."""
    givers: dict[str, list[str]] = {}
    for name in plugins.names("costs"):
        for kind in plugins.load("costs", name).kinds:
            givers.setdefault(kind, []).append(name)
    return {kind: tuple(names) for kind, names in sorted(givers.items())}


def cost_of(kind: str, flop_cost: str) -> ModuleType:
    """The cost that gives `kind`: `flop_cost` (a name or a file) where it does, else the first in the drawer."""
    chosen = plugins.load("costs", flop_cost)
    return chosen if kind in chosen.kinds else plugins.load("costs", kinds()[kind][0])


def _number(kind: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The budget '{value}' is not a number.",
            code="bad_budget",
            hint="E.g. --budget 8e11 or --budget flops=8e11.",
        ) from error
    if not (math.isfinite(number) and number > 0):
        raise InputError(
            f"The budget {kind} must be positive and finite; it is {number:g}.", code="bad_budget"
        )
    return number
