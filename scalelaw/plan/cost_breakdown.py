"""What one query costs with one model, part by part."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scalelaw import plugins
from scalelaw.costs import memory
from scalelaw.costs._workload import Workload
from scalelaw.errors import InputError, typed, unknown
from scalelaw.model_shapes.count_shape import shape_warnings
from scalelaw.plan import flop_conventions
from scalelaw.plan.budget import cost_of, kinds
from scalelaw.plan.catalogue import Model, find_models, model_of
from scalelaw.plan.cost_needs import missing, range_factors, ranges_of
from scalelaw.plan.encoders import assumed, of_one, with_own_encoder
from scalelaw.plan.grid import total
from scalelaw.plan.hardware import uncalibrated
from scalelaw.plan.images import (
    Seen,
    check_alone,
    each_query,
    percentile,
    see,
    vision_model_of,
    workload_with,
)
from scalelaw.plan.tokens import can_give, refuse_tokens
from scalelaw.plan.unused_options import idle_price
from scalelaw.plan.workload import TYPES, Query, Setup, make_query, without_images
from scalelaw.results.cost_breakdown import Bill
from scalelaw.results.warning import as_warnings
from scalelaw.tokens.pictures import Pictures, read_pictures
from scalelaw.tokens.settings import changed

EXACT = "layer_flops"
"""The FLOP accounting of the exact count."""


@typed(**TYPES, image=("str", "list", "tuple"), frames=("None", "int"), settings=("None", "Mapping"))
def find_cost(
    model: Any,
    visual_tokens: float | None = None,
    text_tokens: float = 50,
    convention: str = "exact",
    *,
    image: Any = (),
    image_sizes: Any = None,
    frames: int | None = None,
    settings: Mapping[str, Any] | None = None,
    **query: Any,
) -> Bill:
    """What one query costs.

    Args:
        model: a bundled name, or a config.json (or its folder).
        visual_tokens: of an image, 576 unless the images are given in pixels. 0, or images=0, is a text query: no
            encoder runs, and the encoder that the model has, or that was named, stays in memory.
        image: sizes in pixels, ("1920x1080", ...) or (width, height) pairs: the images of one query.
        image_sizes: many images, each of a query of its own: a csv, or a list. Costs are means.
        frames: the images are videos of so many frames.
        settings: knobs of the model's family, {"max_pixels": 602112}.
        query: see `make_query`.

    A configuration of an architecture that no closed form is known for is counted on the model itself.
    Raises InputError for an unknown model, convention or option, for tokens out of range, for more visual tokens than
    the tower has patches, and for images that the model refuses.
    """
    options = make_query(text_tokens, **query)
    setup, named = one_setup(options), find_model(model)
    pictures = read_pictures(image, image_sizes, frames)
    seen = None
    if pictures is None:
        if settings:
            raise InputError("A knob needs images: give --image 1920x1080, too.", code="usage")
        tokens = tokens_of_image(visual_tokens, options)
        if not options.stated_tower and count_of(tokens) and options.work.images:
            named = with_own_encoder(named)
        work, count, is_assumed = workload_for(named, options, tokens)
        unsure = assumed([named], work.tower) if is_assumed and work.tower else []
        visual, weights = np.array([[count]]), np.ones(1)
    else:
        if visual_tokens is not None:
            raise InputError("Visual tokens follow from the images: give one of the two.", code="usage")
        check_alone(query)
        seen, unsure = _seen(named, pictures, settings or {}, options)
        work = workload_with(one_work(options), seen, pictures.number)
        visual, weights, count = seen.visual_tokens[:, None], seen.weights, seen.mean_tokens
    shape = named.shape
    assert shape is not None
    if convention not in flop_conventions.CONVENTIONS:
        raise unknown("convention", convention, flop_conventions.CONVENTIONS)
    exact = {part: v for part, v in _parts(EXACT, named, visual, work, weights).items() if v}
    flops = sum(exact.values())
    parts = [
        {"part": p, "flops": v, "share": v / flops} for p, v in sorted(exact.items(), key=lambda i: -i[1])
    ]
    costs, stages, most = _costs(named, visual, work, weights)
    device = work.device
    by_convention = [
        flop_conventions.flops_by(convention, shape, float(one.text_tokens + one.in_prompt(tokens)), one)
        for one, tokens in zip(each_query(work), visual[:, 0], strict=True)
    ]
    return Bill(
        model=named.name,
        n_params=named.n_params,
        n_params_exact=shape.n_params,
        visual_tokens=count,
        text_tokens=work.text_tokens,
        generate=work.generate,
        batch=setup.batch,
        dtype=setup.dtype,
        tower=work.load.name if work.load else work.tower.name if work.tower else None,
        compressor=work.compressor,
        convention=convention,
        says=flop_conventions.CONVENTIONS[convention].says,
        flops=flops if convention == "exact" else _mean(by_convention, weights),
        parts=parts,
        costs=costs,
        stages=stages,
        largest_batch=None if device is None else float(np.min(
            memory.largest_batch(shape, visual, work, device.count * device.memory_bytes / 1e9))),
        warnings=as_warnings([*named.warnings, *unsure, *_warnings(named, exact, flops, work),
                              *_serving(options, costs)]),
        images=[] if seen is None or pictures is None or pictures.is_distribution else _images(pictures, seen),
        settings={} if seen is None else dict(seen.settings),
        costs_interval=ranges_of(costs, range_factors(costs, EXACT, work)),
        costs_p95=most if pictures is not None and pictures.is_distribution else {},
    )  # fmt: skip


def _seen(
    model: Model, pictures: Pictures, settings: Mapping[str, Any], options: Query
) -> tuple[Seen, list[tuple[str, str]]]:
    """What the model sees of the images, and the warnings of its files."""
    vision = vision_model_of(model)
    values = changed(vision.rules.SETTINGS, vision.settings, settings, vision.family)
    seen = see(model, vision, pictures, values, options.work.tower if options.stated_tower else "own")
    return seen, list(vision.warnings)


def _images(pictures: Pictures, seen: Seen) -> list[dict[str, Any]]:
    """Each image of the one query, with what it becomes."""
    names = ("resized_width", "resized_height", "patches", "visual_tokens", "tiles")
    return [
        {"width": size.width, "height": size.height, **{name: getattr(one, name) for name in names}}
        for size, one in zip(pictures.queries[0], seen.counts[0], strict=True)
    ]


@typed(**TYPES)
def explain_flops(
    value: str | float,
    model: Any,
    visual_tokens: float | None = None,
    text_tokens: float = 50,
    **query: Any,
) -> list[dict[str, Any]]:
    """Which convention and length give a published number for a model (see `conventions.explain`)."""
    options = make_query(text_tokens, **query)
    named = find_model(model)
    assert named.shape is not None
    work, visual, _ = workload_for(named, options, tokens_of_image(visual_tokens, options))
    return flop_conventions.explain(value, named.shape, work, visual)


def find_model(model: Any) -> Model:
    """The one model of this name or config.json, with its shape. Raises InputError where it is not one, or has none."""
    if isinstance(model, str | Path) and (os.path.exists(model) or str(model).endswith(".json")):
        return model_of(model)
    named = find_models(model)
    if len(named) != 1:
        raise InputError(
            f"'{model}' names {len(named)} models, and the cost is that of one.",
            code="bad_catalogue",
            hint=f"There are: {', '.join(m.name for m in named)}.",
        )
    if named[0].shape is None:
        raise InputError(
            f"The shape of {named[0].name} is not known.",
            code="cost_needs_more",
            hint="Give its config.json.",
        )
    return named[0]


def one_setup(query: Query) -> Setup:
    """The one way to serve. Raises InputError where several batches or number types are given."""
    for name in ("dtype", "batch"):
        if len(several := list(dict.fromkeys(getattr(setup, name) for setup in query.setups))) > 1:
            message = ", ".join(f"{value:g}" if name == "batch" else str(value) for value in several)
            raise InputError(
                f"cost takes one {name}, not {message}.",
                code="bad_workload",
                hint="`scalelaw optimize` chooses among several.",
            )
    return query.setups[0]


def workload_for(model: Model, query: Query, visual_tokens: Any) -> tuple[Workload, float, bool]:
    """The workload of one model, the visual tokens of an image, and whether its encoder is assumed.

    Raises InputError for several ways to serve, and for a number of tokens that the encoder or compressor cannot give.
    """
    one_setup(query)
    number = count_of(visual_tokens)
    if number > 0 and not query.work.images:
        raise without_images(f"{number:g} visual tokens")
    sees_images = number > 0 and query.work.images > 0
    work, is_assumed = of_one(model, one_work(query), query.stated_tower, sees_images)
    _check_tokens(number, work)
    return work, number, is_assumed


def one_work(query: Query) -> Workload:
    """The workload of a query with one way to serve."""
    return query.work.of_setup(0)


def tokens_of_image(visual_tokens: Any, query: Query) -> Any:
    """The visual tokens of an image: 576 unless they are given, and 0 for a query without images."""
    if visual_tokens is not None:
        return visual_tokens
    return 576 if query.work.images else 0


def count_of(visual_tokens: Any) -> float:
    """A number of visual tokens: 0 (a text query) or at least 1, a mean may be fractional. Raises InputError."""
    try:
        visual = float(visual_tokens)
    except (TypeError, ValueError, OverflowError):
        visual = float("nan")
    if not 0 <= visual <= 1e9:
        message = f"visual_tokens must be a number from 0 to 1e9; it is {str(visual_tokens)[:40]}."
        raise InputError(message, code="bad_tokens")
    if 0 < visual < 1:
        raise InputError(
            f"visual_tokens is {visual:g}, and an image has at least 1 visual token.",
            code="bad_tokens",
            hint="Multiply a share of the tokens by their full number, 576 for example; 0 is a text query.",
        )
    return visual


def _check_tokens(visual: float, work: Workload) -> None:
    """Raises InputError for more visual tokens than patches, and for a number that the compressor cannot give."""
    if work.tower is None or visual == 0:
        return
    if visual > work.patches:
        raise InputError(
            f"{visual:g} visual tokens are more than the {work.patches:g} patches of {work.tower.name}.",
            code="too_many_visual_tokens",
            hint="Name fewer tokens, more tiles, another tower, or none.",
        )
    if not can_give(work, np.array([visual])).all():
        raise refuse_tokens(work)


def _mean(values: Any, weights: np.ndarray) -> float:
    """The mean over the queries [I, ...]; of one query its own value."""
    rows = np.broadcast_to(np.asarray(values, dtype=float).reshape(-1), (len(weights),))
    return float(rows[0]) if len(weights) == 1 else float(weights @ rows)


def _parts(cost: str, model: Model, visual: np.ndarray, work: Any, weights: np.ndarray) -> dict[str, float]:
    return _parts_of(plugins.load("costs", cost), model, visual, work, weights)


def _costs(
    model: Model, visual: np.ndarray, work: Any, weights: np.ndarray
) -> tuple[dict[str, float], dict[str, dict[str, float]], dict[str, float]]:
    """Every kind of cost, its parts, and of each kind what 95% of the queries do not exceed."""
    costs: dict[str, float] = {}
    stages: dict[str, dict[str, float]] = {}
    most: dict[str, float] = {}
    seen = set()
    for kind in kinds():
        cost = cost_of(kind, EXACT)
        if cost.__name__ in seen or missing(cost, next(iter(cost.kinds)), [model], work):
            continue
        seen.add(cost.__name__)
        totals = total(cost, model, visual, work)
        costs.update({kind: _mean(value, weights) for kind, value in totals.items()})
        for name, value in totals.items():
            rows = np.broadcast_to(np.asarray(value, dtype=float).reshape(-1), (len(weights),))
            most[name] = float(percentile(rows, weights, 0.95))
        stages[next(iter(cost.kinds))] = _parts_of(cost, model, visual, work, weights)
    return costs, stages, most


def _parts_of(
    cost: Any, model: Model, visual: np.ndarray, work: Any, weights: np.ndarray
) -> dict[str, float]:
    parts = cost.parts(model.n_params, model.shape, visual, work)
    return {part: _mean(value, weights) for part, value in parts.items()}


def _serving(query: Query, costs: dict[str, float]) -> Iterator[tuple[str, str]]:
    """Warnings (code, message) about the card and its price."""
    device = query.work.device
    yield from idle_price(query)
    if device is None:
        return
    yield from uncalibrated(device)
    capacity_gb = device.count * device.memory_bytes / 1e9
    if costs["memory_gb"] > capacity_gb:
        yield (
            "does_not_fit",
            f"{costs['memory_gb']:.4g} GB do not fit into the {capacity_gb:g} GB of {device.count} x {device.name}: it "
            "cannot be served so; latency, energy and dollars are as if the memory were large enough.",
        )
    if query.scenarios:
        yield (
            "middle_of_range",
            f"The costs are those of the middle of the range of efficiencies: mfu {device.mfu:g}, mbu {device.mbu:g}.",
        )


def _warnings(model: Model, parts: dict[str, float], flops: float, work: Any) -> list[tuple[str, str]]:
    warnings = []
    if (share := parts.get("tower", 0.0) / flops) > 0.5:
        warnings.append((
            "tower_dominates",
            f"The vision tower is {100 * share:.0f} % of all FLOPs: fewer visual tokens or a smaller LLM save little; "
            "a lower resolution, a smaller tower, or its features cached between questions do.",
        ))  # fmt: skip
    warnings += shape_warnings(model.shape)
    if model.counted_as:
        warnings.append((
            "mixture",
            f"{model.name} is a mixture of experts: FLOPs are of the parameters that a token meets, memory of all; its "
            f"n_params of {model.n_params:.3g} is {model.counted_as}.",
        ))  # fmt: skip
    if work.tower is None and (work.load is None or work.load.name == "none"):
        warnings.append(("tower_left_out", "No vision encoder is counted."))
    return warnings
