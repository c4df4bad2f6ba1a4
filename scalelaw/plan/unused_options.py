"""What of a query has no effect on the costs that a plan holds: it is said, so that nobody takes it for counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scalelaw.costs._workload import Workload
from scalelaw.plan.catalogue import Model
from scalelaw.plan.grid import compute_costs, workload_of
from scalelaw.plan.workload import Query

PLAIN: dict[str, Any] = {
    "tower": None,
    "compressor": None,
    "tiles": 1.0,
    "images": 1.0,
    "generate": 0.0,
    "cached_prefix": 0.0,
    "questions_per_image": 1.0,
}
"""What a query holds where nothing is asked."""


def counts_tower(models: Sequence[Model], query: Query, kinds: Iterable[str], flop_cost: str) -> bool:
    """Whether any of these kinds of cost counts the vision tower."""
    named = workload_of(models[0], query.work).tower is not None
    return named and _matters(models, query, "tower", kinds, flop_cost)


def without_effect(
    models: Sequence[Model], query: Query, kinds: Sequence[str], flop_cost: str
) -> list[tuple[str, str]]:
    """Warnings (code, message) for what was asked and changes none of these kinds of cost."""
    used = [
        name
        for name, plain in PLAIN.items()
        if getattr(query.work, name) != plain and (name != "tower" or query.stated_tower)
    ]
    idle = [name for name in used if not _matters(models, query, name, kinds, flop_cost)]
    spent = " and ".join(kinds)
    warnings = []
    if idle:
        warnings.append((
            "no_effect",
            f"{', '.join(idle)}: no effect on {spent}, as {flop_cost} counts {'it' if len(kinds) == 1 else 'them'}.",
        ))  # fmt: skip
    if len(query.setups) > 1 and not _setups_matter(models, query, kinds, flop_cost):
        warnings.append((
            "no_effect",
            f"batch and dtype: no effect on {spent}; each configuration is served in the first way that fits.",
        ))  # fmt: skip
    return warnings


def idle_price(query: Query) -> list[tuple[str, str]]:
    """The warning (code, message) of a price of no device."""
    if query.work.price_per_hour is None or query.work.device is not None:
        return []
    return [("no_effect", "usd_per_hour: no effect without the hardware that it is the price of.")]


def _matters(models: Sequence[Model], query: Query, name: str, kinds: Iterable[str], flop_cost: str) -> bool:
    base = workload_of(models[0], query.work)
    models = [replace(models[0], tower=None)]
    plain = replace(base, **{name: PLAIN[name]})
    here, there = (_costs(models, query, work, kinds, flop_cost) for work in (base, plain))
    return any(not np.array_equal(here[kind], there[kind]) for kind in here)


def _setups_matter(models: Sequence[Model], query: Query, kinds: Iterable[str], flop_cost: str) -> bool:
    base = _costs(models, query, query.work, kinds, flop_cost)
    return any(bool((values != values[..., :1]).any()) for values in base.values())


def _costs(
    models: Sequence[Model], query: Query, work: Workload, kinds: Iterable[str], flop_cost: str
) -> dict[str, np.ndarray]:
    """At one model and one token of each image (a compressor's own cost is asked at what it gives least)."""
    return compute_costs(models[:1], np.array([1.0]), work, kinds, flop_cost, len(query.setups))
