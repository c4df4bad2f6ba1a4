"""Budgets: what a query may cost, of one or more kinds, from words or numbers; all of them must hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from scalelaw import plugins
from scalelaw.errors import InputError, unknown

FLOPS = "flops"

LEAST = 1e-12
"""No budget is smaller, in its kind's unit."""

UNITS: dict[str, dict[str, float]] = {
    "flops": {
        p + u: f
        for p, f in (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15))
        for u in ("", "F", "FLOP", "FLOPs", "flop", "flops")
        if p + u
    },
    "ms": {"us": 1e-3, "ms": 1.0, "s": 1e3},
    "token": {"us": 1e-3, "ms": 1.0, "s": 1e3},
    "gb": {"MB": 1e-3, "GB": 1.0, "TB": 1e3, "MiB": 2**20 / 1e9, "GiB": 2**30 / 1e9},
    "j": {"mJ": 1e-3, "J": 1.0, "kJ": 1e3, "Wh": 3600.0},
    "million": {"$": 1.0, "usd": 1.0, "USD": 1.0},
    "tokens": {"$": 1.0, "usd": 1.0, "USD": 1.0},
}
"""Units of an amount, by the last word of the kind's name; in the unit of that name."""


def parse_budget(terms: str | Iterable[str], cost: str | None = None) -> dict[str, float]:
    """Budgets from words: `8e11` (FLOPs per query), `flops=800G`, `latency_ms=80`, `latency=.08s`; all must hold.

    An amount may carry a unit; it is given in the unit of the kind's name otherwise. A kind named without its unit
    (`latency`) needs one. cost: the FLOP accounting, which may be a file that gives kinds of its own.

    Raises InputError for a kind that no cost gives (with those there are), for what is not a number, and for
    a budget that is not positive and finite.
    """
    budget: dict[str, float] = {}
    for term in [terms] if isinstance(terms, str) else terms:
        named, equals, value = str(term).partition("=")
        named, value = (named.strip(), value.strip()) if equals else (FLOPS, named.strip())
        kind = _kind(named, cost)
        if kind in budget:
            raise InputError(f"The budget '{kind}' is given twice.", code="bad_budget")
        budget[kind] = _amount(kind, value, unit_needed=kind != named)
    return check_budget(budget, cost)


def check_budget(budget: Any, cost: str | None = None) -> dict[str, float]:
    """The budget as {kind: limit}; a bare number is FLOPs per query. Raises InputError as `parse_budget`."""
    if isinstance(budget, str):
        return parse_budget(budget, cost)
    limits = budget if isinstance(budget, Mapping) else {FLOPS: budget}
    if not limits:
        raise InputError("There is no budget.", code="bad_budget", hint="Give one, e.g. flops=8e11.")
    for kind in limits:
        _kind(str(kind), cost, whole=True)
    return {str(kind): _number(str(kind), limit) for kind, limit in limits.items()}


@cache
def kinds() -> dict[str, tuple[str, ...]]:
    """The kinds a budget may name -> the costs that give them, from the cost files."""
    givers: dict[str, list[str]] = {}
    for name in plugins.names("costs"):
        for kind in plugins.load("costs", name).kinds:
            givers.setdefault(kind, []).append(name)
    return {kind: tuple(names) for kind, names in sorted(givers.items())}


def kinds_with(cost: str | None) -> dict[str, tuple[str, ...]]:
    """The kinds of the installed costs, and those of the FLOP accounting where that is the user's own file."""
    givers = dict(kinds())
    for kind in plugins.load("costs", cost).kinds if cost else ():
        givers.setdefault(kind, (str(cost),))
    return givers


def cost_of(kind: str, flop_cost: str) -> ModuleType:
    """The cost that gives `kind`: `flop_cost` (a name or a file) where it does, else the first installed one."""
    accounting = plugins.load("costs", flop_cost)
    return accounting if kind in accounting.kinds else plugins.load("costs", kinds_with(flop_cost)[kind][0])


def _kind(named: str, cost: str | None, whole: bool = False) -> str:
    """The kind of this name, or the one kind of this name with its unit (`latency`, unless `whole`)."""
    known = kinds_with(cost)
    if named in known:
        return named
    fuller = [kind for kind in known if kind.startswith(f"{named}_")]
    if whole or len(fuller) != 1 or not named:
        raise unknown("kind of budget", named, known, code="unknown_budget")
    return fuller[0]


def _amount(kind: str, text: str, unit_needed: bool) -> float:
    match = re.fullmatch(r"([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z$]*)", text)
    units = UNITS.get(kind.rsplit("_", 1)[-1], {})
    if not match or not (match[2] or unit_needed):
        return _number(kind, text)
    if match[2] not in units:
        limits = f"has the unit '{match[2]}'" if match[2] else "has no unit"
        raise InputError(
            f"The budget '{text}' of {kind} {limits}.",
            code="unknown_unit",
            hint=f"Units: {', '.join(units) or 'none'}; or {kind}=NUMBER.",
        )
    return _number(kind, float(match[1]) * units[match[2]])


def _number(kind: str, value: Any) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The budget '{value}' is not a number.",
            code="bad_budget",
            hint="E.g. --budget 8e11 or --budget flops=8e11.",
        ) from error
    if not LEAST <= number < math.inf:
        raise InputError(
            f"The budget {kind} must be positive (at least {LEAST:g}) and finite; it is {number:g}.",
            code="bad_budget",
        )
    return number
