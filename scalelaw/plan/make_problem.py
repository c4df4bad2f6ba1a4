"""From the options of a user to a planning problem: defaults, assumptions and their warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scalelaw import plugins
from scalelaw.costs._compressor import allowed_tokens
from scalelaw.costs._workload import Device, Workload
from scalelaw.errors import InputError, InputTypeError, unknown
from scalelaw.plan.budget import FLOPS, check_budget, cost_of, kinds, kinds_with
from scalelaw.plan.catalogue import Model, families_of_sizes, find_models, sizes_of
from scalelaw.plan.cost_needs import missing
from scalelaw.plan.encoders import assumed, with_own_encoder
from scalelaw.plan.grid import predict, workload_of
from scalelaw.plan.hardware import uncalibrated
from scalelaw.plan.problem import Problem
from scalelaw.plan.tokens import can_give, measured_counts, refuse_tokens, token_counts
from scalelaw.plan.unused_options import counts_tower, idle_price, without_effect
from scalelaw.plan.warnings import for_sizes
from scalelaw.plan.workload import Query, make_query

REQUIRED = ("n_params", "visual_tokens")


def make_problem(
    fitted: Any,
    budget: Any,
    models: Any = None,
    visual_tokens: Any = None,
    cost: str | None = None,
    **options: Any,
) -> Problem:
    """Check and complete what a person asks (see `find_optimum`). `options`: of the query, see `make_query`.

    Raises InputError for a law of other inputs and for anything that is unknown, out of range or missing.
    """
    fitted = fitted.with_column_names() if hasattr(fitted, "with_column_names") else fitted
    check_law(fitted)
    given = check_budget(budget, cost) if budget is not None else {}
    query = make_query(**options)
    warnings: list[tuple[str, str]] = []
    catalogue, models_from = _models(fitted, models, given, cost, query.work.device is not None, warnings)
    warnings += for_sizes(fitted, catalogue)
    flop_cost = _stated(cost) or _accounting(catalogue, warnings)
    shaped = all(model.shape is not None for model in catalogue)
    if shaped and not query.stated_tower:
        catalogue = [with_own_encoder(model) for model in catalogue]
    counts, counts_from = _counts(fitted, visual_tokens, query, catalogue, warnings)
    if query.work.device is not None:
        warnings += uncalibrated(query.work.device) if shaped else _unused(query.work.device, catalogue)
    if "shape" in plugins.load("costs", flop_cost).needs or any(k != FLOPS for k in given):
        query = _within_patches(query, counts, catalogue, warnings)
    available, limits = _kinds(catalogue, query, flop_cost, given), dict(given)
    if "memory_gb" in available:
        _within_memory(limits, query.work.device, warnings)
    spent = list(given) or [FLOPS]
    warnings += [*without_effect(catalogue, query, spent, flop_cost), *idle_price(query)]
    bare = [model for model in catalogue if model.tower is None]
    if (
        query.work.tower
        and bare
        and not query.stated_tower
        and counts_tower(bare, query, available, flop_cost)
    ):
        warnings += assumed(bare, query.work.tower)
    warnings += [warning for model in catalogue for warning in model.warnings]
    sizes = np.array([m.n_params for m in catalogue])
    facts = {
        "models": [m.name for m in catalogue],
        "models_from": models_from,
        "visual_tokens": [float(counts[0]), float(counts[-1])],
        "visual_tokens_from": counts_from,
        "limits": limits,
        "tower": _towers(catalogue, query, {*spent, FLOPS}, flop_cost),
        "compressor": query.work.compressor,
        "compressor_gives": _listed(counts, catalogue, query),
        "hardware": query.work.device.name if query.work.device else None,
        "calibrated": bool(query.work.device and query.work.device.calibrated),
        "devices": query.work.device.count if query.work.device else None,
        "usd_per_hour": query.work.price_per_hour,
        "images": query.work.images,
        "units": _units(flop_cost),
    }
    error = predict(fitted, sizes[:, None], counts[None, :], query.work)
    error = np.where(_possible(catalogue, counts, query), error, np.nan)
    return Problem(
        fitted, catalogue, counts, query, flop_cost, available, given, limits, error, facts, warnings
    )


def _units(cost: str) -> dict[str, str]:
    """The units of a user's own cost file, whose kinds a reader of the answer cannot look up."""
    if not cost.endswith(".py"):
        return {}
    return {str(kind): str(unit) for kind, unit in plugins.load("costs", cost).kinds.items()}


def check_law(fitted: Any) -> None:
    """Raises InputError where the law is not one of n_params and visual_tokens (text_tokens may join them)."""
    if not all(hasattr(fitted, name) for name in ("inputs", "predict", "measured_range")):
        raise InputTypeError(
            f"A plan cannot be made on an object of type {type(fitted).__name__}.",
            code="wrong_type",
            hint="It takes a fitted law: fit_law(...), load_fit(...), or blend(...) of several.",
        )
    inputs = list(fitted.inputs)
    if not set(REQUIRED) <= set(inputs) <= {*REQUIRED, "text_tokens"}:
        raise InputError(
            f"The law '{fitted.law}' sees {', '.join(inputs) or 'nothing'}; a plan needs a law of n_params and "
            "visual_tokens.",
            code="wrong_law",
            hint="Fit product_power or additive_power, for instance.",
        )


def _models(
    fitted: Any,
    models: Any,
    given: dict[str, float],
    cost: str | None,
    device: bool,
    warnings: list[tuple[str, str]],
) -> tuple[list[Model], str]:
    if models is not None:
        return find_models(models), "given"
    sizes = sizes_of(fitted.points)
    asks_shape = device or any(k != FLOPS for k in given)
    asks_shape = asks_shape or bool(cost and "shape" in plugins.load("costs", cost).needs)
    families = families_of_sizes([m.n_params for m in sizes]) if asks_shape else {}
    for family, members in families.items():
        others = (
            f" ({', '.join(f for f in families if f != family)} have these sizes too)"
            if len(families) > 1
            else ""
        )
        warnings.append((
            "shapes_assumed",
            f"No models are named, and this budget or hardware needs their shapes: the measured sizes are taken to be "
            f"those of {family}{others}. Name models to say otherwise.",
        ))  # fmt: skip
        return members, f"the sizes measured in the fit's points, with the shapes of {family}"
    return sizes, "the sizes measured in the fit's points"


def _unused(device: Device, models: Sequence[Model]) -> list[tuple[str, str]]:
    """What is to be said of a device that has no say, as no cost on it can be reckoned without a shape."""
    unknown = [m.name for m in models if m.shape is None]
    message = (
        f"The shape of {', '.join(unknown)} is not known, so no latency, memory or energy on {device.name} is reckoned "
        "or held: name models of the catalogue or give their config.json."
    )
    return [("hardware_not_used", message)] if unknown else []


def _counts(
    fitted: Any,
    visual_tokens: Any,
    query: Query,
    models: Sequence[Model],
    warnings: list[tuple[str, str]],
) -> tuple[np.ndarray, str]:
    """The token counts and where they come from; only such as the compressor can give, where one is named."""
    work = query.work
    low, high = fitted.measured_range["visual_tokens"]
    if visual_tokens is None and query.stated_tower and work.tower and low <= work.patches < high:
        high = work.patches
    counts = measured_counts(low, high) if visual_tokens is None else token_counts(visual_tokens)
    origin = (
        f"every whole number in the measured range, {low:g} to {high:g}" if visual_tokens is None else "given"
    )
    works = _works(models, query)
    if any(own.tower and counts[0] > own.patches for own in works) and all(
        own.tower and counts[0] > own.patches for own in works
    ):
        _refuse_patches(counts[0], max(works, key=lambda own: own.patches))
    possible = np.logical_or.reduce([can_give(own, counts) for own in works])
    if possible.all():
        return counts, origin
    if not possible.any():
        raise refuse_tokens(works[0])
    if visual_tokens is not None:
        message = refuse_tokens(works[0]).hint
        warnings.append(
            ("tokens_not_allowed", f"Only what {work.compressor} can give is searched. {message}")
        )
    return counts[possible], f"what {work.compressor} can give of: {origin}"


def _works(models: Sequence[Model], query: Query) -> list[Workload]:
    """The workload with each different encoder of the catalogue."""
    towers = dict.fromkeys(model.tower or query.work.tower for model in models)
    return [replace(query.work, tower=tower) for tower in towers]


def _possible(models: Sequence[Model], counts: np.ndarray, query: Query) -> np.ndarray:
    """Which numbers of visual tokens each model's own encoder and the compressor can give [M, K]."""
    spent: dict[Any, np.ndarray] = {}
    for model in models:
        if model.tower not in spent:
            work = workload_of(model, query.work)
            within = counts <= work.patches if model.tower else np.ones(len(counts), dtype=bool)
            spent[model.tower] = can_give(work, counts) & within
    return np.stack([spent[model.tower] for model in models])


def _listed(counts: np.ndarray, models: Sequence[Model], query: Query) -> list[float] | None:
    """The few numbers of visual tokens that the compressor can give, whatever is searched; None for any or many."""
    allowed = [
        own.tiles * given
        for own in _works(models, query)
        if own.tower and (given := allowed_tokens(own.compressor, own.tower)) is not None
    ]
    gives = np.unique(np.concatenate(allowed)) if allowed else np.empty(0)
    return gives.tolist() if 0 < len(gives) <= 16 else None


def _towers(models: Sequence[Model], query: Query, kinds: Iterable[str], flop_cost: str) -> str:
    """The names of the encoders that these kinds of cost count; "none" where they count none."""
    of_each = {model.tower: model for model in models}
    counted = [
        work.tower.name
        for model in of_each.values()
        if (work := workload_of(model, query.work)).tower and counts_tower([model], query, kinds, flop_cost)
    ]
    return ", ".join(dict.fromkeys(counted)) or "none"


def _stated(cost: str | None) -> str | None:
    """The FLOP accounting that is named. Raises InputError for a cost of the drawer that counts no FLOPs."""
    if cost in plugins.names("costs") and cost not in kinds()[FLOPS]:
        raise unknown("FLOP accounting", str(cost), kinds()[FLOPS])
    return cost


def _accounting(models: Sequence[Model], warnings: list[tuple[str, str]]) -> str:
    unknown = [m.name for m in models if m.shape is None]
    if not unknown:
        return "layer_flops"
    if len(unknown) < len(models):
        warnings.append((
            "mixed_shapes",
            f"The shape of {', '.join(unknown)} is not known, so every model is billed by linear_flops.",
        ))  # fmt: skip
    return "linear_flops"


def _within_memory(limits: dict[str, float], device: Device | None, warnings: list[tuple[str, str]]) -> None:
    """Hold the memory to the device's: a budget may ask for less than the card has, never for more."""
    if device is None:
        return
    spent = device.count * device.memory_bytes / 1e9
    if limits.get("memory_gb", 0.0) > spent:
        warnings.append((
            "memory_of_the_device",
            f"A budget of {limits['memory_gb']:g} GB is more than {device.count} x {device.name} holds: {spent:g} GB "
            "is the limit.",
        ))  # fmt: skip
    limits["memory_gb"] = min(limits.get("memory_gb", spent), spent)


def _within_patches(
    query: Query, counts: np.ndarray, models: Sequence[Model], warnings: list[tuple[str, str]]
) -> Query:
    """The query without an assumed encoder that has too few patches. Raises InputError where it was named."""
    work = query.work
    if work.tower is None or counts[-1] <= work.patches or all(model.tower for model in models):
        return query
    if query.stated_tower or work.tiles > 1:
        _refuse_patches(counts[-1], work)
    message = f"{counts[-1]:g} visual tokens are more than the {work.patches:g} patches of {work.tower.name}"
    warnings.append(
        ("tower_left_out", f"{message}: the vision tower is left out of the costs; name a tower or tiles.")
    )
    return replace(query, work=replace(work, tower=None, compressor=None))


def _refuse_patches(visual_tokens: float, work: Workload) -> None:
    assert work.tower is not None
    raise InputError(
        f"{visual_tokens:g} visual tokens are more than the {work.patches:g} patches of {work.tower.name}.",
        code="too_many_visual_tokens",
        hint="Name fewer tokens, more tiles, another tower, or none.",
    )


def _kinds(
    models: Sequence[Model], query: Query, flop_cost: str, given: Mapping[str, float]
) -> tuple[str, ...]:
    """The kinds of cost that can be reckoned. Raises InputError for one that is given and cannot: what it lacks."""
    available = []
    for kind in kinds_with(flop_cost):
        lacks = missing(cost_of(kind, flop_cost), kind, models, query.work)
        if not lacks:
            available.append(kind)
        elif kind in given or kind == FLOPS:
            raise InputError(
                f"A budget of {kind} needs {' and '.join(lacks.values())}.",
                code="cost_needs_more",
                hint="Models of the catalogue (scalelaw list models) and those with a config.json have a shape."
                if "shape" in lacks
                else "",
            )
    return tuple(available)
