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
from scalelaw.plan.images import check_alone
from scalelaw.plan.problem import Problem
from scalelaw.plan.reachable import Sights, knob_warnings, restricted, sights_of, token_axis
from scalelaw.plan.tokens import can_give, measured_counts, refuse_tokens, token_counts
from scalelaw.plan.unused_options import counts_tower, idle_price, without_effect
from scalelaw.plan.warnings import for_sizes
from scalelaw.plan.workload import Query, make_query, without_images
from scalelaw.tokens.pictures import Pictures, read_pictures

REQUIRED = ("n_params", "visual_tokens")
SMALLEST_MODEL = 1e4
"""Number of parameters that a law's largest model exceeds, unless its unit is millions or billions."""


def make_problem(
    fitted: Any,
    budget: Any,
    models: Any = None,
    visual_tokens: Any = None,
    cost: str | None = None,
    *,
    image: Any = (),
    image_sizes: Any = None,
    frames: int | None = None,
    **options: Any,
) -> Problem:
    """Check and complete the arguments of a search (see `find_optimum`). `options`: of the query, see `make_query`.

    Raises InputError for a law of other inputs and for anything that is unknown, out of range or missing.
    """
    fitted = fitted.with_column_names() if hasattr(fitted, "with_column_names") else fitted
    check_law(fitted)
    budgets = check_budget(budget, cost) if budget is not None else {}
    query, pictures = make_query(**options), read_pictures(image, image_sizes, frames)
    if pictures is not None:
        check_alone(options)
        if models is None:
            raise InputError(
                "A plan from images needs models that see them.",
                code="usage",
                hint="Name them with --models: a family of the catalogue, or folders with a config.json.",
            )
    elif not query.work.images:
        raise without_images(_visual_tokens(fitted, visual_tokens))
    _check_units(fitted)
    warnings: list[tuple[str, str]] = []
    catalogue, models_from = _models(fitted, models, budgets, cost, query.work.device is not None, warnings)
    warnings += for_sizes(catalogue)
    flop_cost = _named_accounting(cost) or _accounting(catalogue, warnings)
    shaped = all(model.shape is not None for model in catalogue)
    if pictures is not None:
        warnings += without_effect(catalogue, query, list(budgets) or [FLOPS], flop_cost)
        catalogue = _with_sights(catalogue, pictures, query)
        query = replace(query, work=replace(query.work, tower=None, images=float(pictures.number)))
        counts, counts_from = _reachable(fitted, visual_tokens, catalogue)
        warnings += knob_warnings(fitted, [model.sights for model in catalogue])
    else:
        if shaped and not query.stated_tower:
            catalogue = [with_own_encoder(model) for model in catalogue]
        counts, counts_from = _counts(fitted, visual_tokens, query, catalogue, warnings)
    if query.work.device is not None:
        warnings += uncalibrated(query.work.device) if shaped else _unused(query.work.device, catalogue)
    if "shape" in plugins.load("costs", flop_cost).needs or any(k != FLOPS for k in budgets):
        query = _within_patches(query, counts, catalogue, warnings)
    available, limits = _kinds(catalogue, query, flop_cost, budgets), dict(budgets)
    if "memory_gb" in available:
        _within_memory(limits, query.work.device, warnings)
    spent = list(budgets) or [FLOPS]
    if pictures is None:
        warnings += without_effect(catalogue, query, spent, flop_cost)
    warnings += idle_price(query)
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
        **_image_facts(catalogue),
        "units": _units(flop_cost),
    }
    error = predict(fitted, sizes[:, None], counts[None, :], query.work)
    error = np.where(_possible(catalogue, counts, query), error, np.nan)
    return Problem(
        fitted, catalogue, counts, query, flop_cost, available, budgets, limits, error, facts, warnings
    )


def _with_sights(models: Sequence[Model], pictures: Pictures, query: Query) -> list[Model]:
    """The models with every setting of their family's knobs, for these images; one configuration is seen once."""
    tower = query.work.tower if query.stated_tower else "own"
    known: dict[Any, Sights] = {}
    seeing = []
    for model in models:
        if model.shape is None:
            raise InputError(
                f"The shape of {model.name} is not known.",
                code="cost_needs_more",
                hint="Give its config.json.",
            )
        key = model.vision if isinstance(model.vision, str) else id(model.vision), model.shape.width
        if key not in known:
            known[key] = sights_of(model, pictures, tower)
        seeing.append(replace(model, sights=known[key], tower=None))
    return seeing


def _reachable(fitted: Any, visual_tokens: Any, models: Sequence[Model]) -> tuple[np.ndarray, str]:
    """The numbers of visual tokens that settings of the models give, and where they come from."""
    sights = list({id(model.sights): model.sights for model in models}.values())
    if visual_tokens is None:
        counts = token_axis(sights, fitted.measured_range["visual_tokens"])
        return counts, "what settings of the models give for these images, within the measured range"
    every = np.unique([tokens for one in sights for tokens in one.seen])
    return restricted(
        token_counts(visual_tokens), every
    ), "given, as far as settings of the models reach them"


def _image_facts(models: Sequence[Model]) -> dict[str, Any]:
    """What the knobs of the models lower; empty in a plan without images."""
    sights = [model.sights for model in models if model.sights is not None]
    if not sights:
        return {}
    lowered = sorted({one.lowers for one in sights})
    return {
        "families": sorted({one.family for one in sights}),
        "lowers": lowered[0] if len(lowered) == 1 else ", ".join(lowered),
        "image_sizes": [list(size) for size in sights[0].pictures.queries[0]]
        if not sights[0].pictures.is_distribution
        else len(sights[0].pictures.queries),
        **({} if sights[0].pictures.frames is None else {"frames": sights[0].pictures.frames}),
    }


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


def _visual_tokens(fitted: Any, visual_tokens: Any) -> str:
    """The numbers of visual tokens of a plan, in words."""
    if visual_tokens is not None:
        counts = token_counts(visual_tokens)
        return f"{counts[0]:g}{f' to {counts[-1]:g}' if len(counts) > 1 else ''} to choose from"
    low, high = fitted.measured_range["visual_tokens"]
    return f"{low:g} to {high:g} in the measured range"


def _check_units(fitted: Any) -> None:
    """Raises InputError `unit_mismatch` for a law of inputs in units that no cost can be computed from."""
    low, high = fitted.measured_range["visual_tokens"]
    if low < 1:
        raise InputError(
            f"The law was fitted to visual_tokens from {low:g} to {high:g}, and a plan needs numbers of tokens.",
            code="unit_mismatch",
            hint="Fit it again with --scale visual_tokens=576 (their full number) and without --as-is.",
        )
    low, high = fitted.measured_range["n_params"]
    if high < SMALLEST_MODEL:
        raise InputError(
            f"The law was fitted to n_params from {low:g} to {high:g}, and a plan needs numbers of parameters.",
            code="unit_mismatch",
            hint="Fit it again with --scale n_params=1e9 if they are in billions.",
        )


def _models(
    fitted: Any,
    models: Any,
    budgets: dict[str, float],
    cost: str | None,
    device: bool,
    warnings: list[tuple[str, str]],
) -> tuple[list[Model], str]:
    if models is not None:
        return find_models(models), "given"
    sizes = sizes_of(fitted.points)
    asks_shape = device or any(k != FLOPS for k in budgets)
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
    """A warning about a device that has no effect, because its costs need the shape of each model."""
    unknown = [m.name for m in models if m.shape is None]
    message = (
        f"The shape of {', '.join(unknown)} is unknown: latency, memory and energy on {device.name} are not computed. "
        "Name models of the catalogue, or their config.json."
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
    if models[0].sights is not None:
        sights = {id(model.sights): model.sights for model in models}
        possible = {key: np.isin(counts, list(one.seen)) for key, one in sights.items()}
        return np.stack([possible[id(model.sights)] for model in models])
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
        own.tiles * count
        for own in _works(models, query)
        if own.tower and (count := allowed_tokens(own.compressor, own.tower)) is not None
    ]
    gives = np.unique(np.concatenate(allowed)) if allowed else np.empty(0)
    return gives.tolist() if 0 < len(gives) <= 16 else None


def _towers(models: Sequence[Model], query: Query, kinds: Iterable[str], flop_cost: str) -> str:
    """The names of the encoders that these kinds of cost count; "none" where they count none."""
    if models[0].sights is not None:
        loads = [next(iter(model.sights.seen.values())).load for model in models]
        return ", ".join(dict.fromkeys(load.name for load in loads))
    of_each = {model.tower: model for model in models}
    counted = [
        work.tower.name
        for model in of_each.values()
        if (work := workload_of(model, query.work)).tower and counts_tower([model], query, kinds, flop_cost)
    ]
    return ", ".join(dict.fromkeys(counted)) or "none"


def _named_accounting(cost: str | None) -> str | None:
    """The FLOP accounting that is named. Raises InputError for a cost plug-in that counts no FLOPs."""
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
            f"The shape of {', '.join(unknown)} is unknown, so FLOPs are counted by linear_flops for every model.",
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
    models: Sequence[Model], query: Query, flop_cost: str, budgets: Mapping[str, float]
) -> tuple[str, ...]:
    """The kinds of cost that can be computed. Raises InputError for a budget that cannot be: what it lacks."""
    available = []
    for kind in kinds_with(flop_cost):
        lacks = missing(cost_of(kind, flop_cost), kind, models, query.work)
        if not lacks:
            available.append(kind)
        elif kind in budgets or kind == FLOPS:
            raise InputError(
                f"A budget of {kind} needs {' and '.join(lacks.values())}.",
                code="cost_needs_more",
                hint="Models of the catalogue (scalelaw list models) and those with a config.json have a shape."
                if "shape" in lacks
                else "",
            )
    return tuple(available)
