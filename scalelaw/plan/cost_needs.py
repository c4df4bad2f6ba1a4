"""What a cost needs before it can be computed, and what of that is missing.

A cost file names its needs (`needs`), and those of single kinds beside (`kind_needs`); here each need is checked and
described. No cost is known by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType

from scalelaw.costs._workload import Workload
from scalelaw.errors import unknown
from scalelaw.plan.budget import cost_of
from scalelaw.plan.catalogue import Model


def needs_of(cost: ModuleType, kind: str) -> tuple[str, ...]:
    """What one kind of a cost needs."""
    return (*cost.needs, *getattr(cost, "kind_needs", {}).get(kind, ()))


def missing(cost: ModuleType, kind: str, models: Sequence[Model], work: Workload) -> dict[str, str]:
    """The needs of one kind of a cost that are not met: {need: what to add, in words}.

    Raises InputError (`unknown_need`) for a need that is not one of `NEEDS`.
    """
    needs = needs_of(cost, kind)
    for need in needs:
        if need not in NEEDS:
            raise unknown("need", str(need), NEEDS)
    lacks = {need: text for need in needs if (text := NEEDS[need](models, work))}
    if "device" in lacks:
        lacks.pop("power", None)
    return lacks


def range_factors(kinds: Iterable[str], flop_cost: str, work: Workload) -> dict[str, tuple[float, float]]:
    """The ends of the 90% range, as factors of the value, of every kind of cost whose file states one."""
    if work.device is None:
        return {}
    givers = {kind: cost_of(kind, flop_cost) for kind in kinds}
    return {
        kind: giver.range_factors(kind, work)
        for kind, giver in givers.items()
        if hasattr(giver, "range_factors")
    }


def ranges_of(
    costs: Mapping[str, float], factors: Mapping[str, tuple[float, float]]
) -> dict[str, list[float]]:
    """The 90% range of every kind of cost that has one."""
    return {kind: [value * end for end in factors[kind]] for kind, value in costs.items() if kind in factors}


def _shape(models: Sequence[Model], work: Workload) -> str:
    names = [model.name for model in models if model.shape is None]
    return f"the shape of every model; that of {', '.join(names)} is not known" if names else ""


def _device(models: Sequence[Model], work: Workload) -> str:
    return "" if work.device else "the hardware (h100, for example)"


def _price(models: Sequence[Model], work: Workload) -> str:
    return "" if work.price_per_hour is not None else "the price of the device's hour (usd_per_hour)"


def _power(models: Sequence[Model], work: Workload) -> str:
    if work.device is None:
        return _device(models, work)
    return "" if work.device.watts is not None else f"the power of {work.device.name}, which is not published"


def _answer(models: Sequence[Model], work: Workload) -> str:
    return (
        "" if work.generate else "an answer (generate above 0): without one there is no time between tokens"
    )


NEEDS: dict[str, Callable[[Sequence[Model], Workload], str]] = {
    "shape": _shape,
    "device": _device,
    "price": _price,
    "power": _power,
    "answer": _answer,
}
"""What a cost may need, each with its check: a text of what to add, empty where it is there."""
