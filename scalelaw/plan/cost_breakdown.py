"""The bill: what one query costs with one model, part by part."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
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
from scalelaw.plan.cost_needs import missing
from scalelaw.plan.encoders import assumed, of_one
from scalelaw.plan.grid import total
from scalelaw.plan.hardware import uncalibrated
from scalelaw.plan.tokens import can_give, refuse_tokens
from scalelaw.plan.unused_options import idle_price
from scalelaw.plan.workload import TYPES, Query, Setup, make_query
from scalelaw.results.envelope import answer, dumps

EXACT = "layer_flops"
"""The FLOP accounting of the exact count."""


@dataclass(frozen=True)
class Bill:
    """What one query costs; the fields are the data of `scalelaw cost --json`.

    parts: [{part, flops, share}], the largest first. costs: {kind: value} of every kind that can be reckoned.
    stages: {kind: {part: value}} of those that fall into parts. largest_batch: that the device's memory holds,
    None without a device. convention: how `flops` is counted; parts and shares are those of the exact count.
    """

    model: str
    n_params: float
    n_params_exact: int
    visual_tokens: float
    text_tokens: float
    generate: float
    batch: float
    dtype: str
    tower: str | None
    compressor: str | None
    convention: str
    says: str
    flops: float
    parts: list[dict[str, Any]]
    costs: dict[str, float]
    stages: dict[str, dict[str, float]]
    largest_batch: float | None
    warnings: list[tuple[str, str]]

    def to_dict(self) -> dict[str, Any]:
        """The data of the answer; warnings as {code, message}."""
        facts = asdict(self)
        facts["warnings"] = [{"code": code, "message": message} for code, message in self.warnings]
        return facts

    def to_json(self) -> str:
        """The whole answer (schema scalelaw.cost/1) as JSON text."""
        return dumps(answer("cost", self.to_dict(), self.warnings))


@typed(**TYPES)
def find_cost(
    model: Any,
    visual_tokens: float = 576,
    text_tokens: float = 50,
    convention: str = "exact",
    **query: Any,
) -> Bill:
    """What one query costs. model: a bundled name, or a config.json (or its folder); query: see `make_query`.

    A configuration of an architecture that no closed form is held for is counted on the model itself.
    Raises InputError for an unknown model, convention or option, for tokens out of range and for more visual tokens
    than the tower has patches.
    """
    options = make_query(text_tokens, **query)
    setup, named = one_setup(options), find_model(model)
    work, visual, is_assumed = workload_for(named, options, visual_tokens)
    unsure = assumed([named], work.tower) if is_assumed and work.tower else []
    shape = named.shape
    assert shape is not None
    if convention not in flop_conventions.CONVENTIONS:
        raise unknown("convention", convention, flop_conventions.CONVENTIONS)
    exact = {part: float(v) for part, v in _parts(EXACT, named, visual, work).items() if float(v)}
    flops = sum(exact.values())
    parts = [
        {"part": p, "flops": v, "share": v / flops} for p, v in sorted(exact.items(), key=lambda i: -i[1])
    ]
    costs, stages = _costs(named, visual, work)
    device = work.device
    return Bill(
        model=named.name,
        n_params=named.n_params,
        n_params_exact=shape.n_params,
        visual_tokens=visual,
        text_tokens=work.text_tokens,
        generate=work.generate,
        batch=setup.batch,
        dtype=setup.dtype,
        tower=work.tower.name if work.tower else None,
        compressor=work.compressor,
        convention=convention,
        says=flop_conventions.CONVENTIONS[convention].says,
        flops=flops if convention == "exact" else flop_conventions.flops_by(
            convention, shape, work.text_tokens + work.images * visual, work),
        parts=parts,
        costs=costs,
        stages=stages,
        largest_batch=None if device is None else float(
            memory.largest_batch(shape, visual, work, device.count * device.memory_bytes / 1e9)),
        warnings=[*named.warnings, *unsure, *_warnings(named, exact, flops, work), *_serving(options, costs)],
    )  # fmt: skip


@typed(**TYPES)
def explain_flops(
    value: str | float, model: Any, visual_tokens: float = 576, text_tokens: float = 50, **query: Any
) -> list[dict[str, Any]]:
    """Which convention and length give a published number for a model (see `conventions.explain`)."""
    options = make_query(text_tokens, **query)
    named = find_model(model)
    assert named.shape is not None
    work, visual, _ = workload_for(named, options, visual_tokens)
    return flop_conventions.explain(value, named.shape, work, visual)


def find_model(model: Any) -> Model:
    """The one model of this name or config.json, with its shape. Raises InputError where it is not one, or has none."""
    if isinstance(model, str | Path) and (os.path.exists(model) or str(model).endswith(".json")):
        return model_of(model)
    named = find_models(model)
    if len(named) != 1:
        raise InputError(
            f"'{model}' names {len(named)} models; a bill is for one.",
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


def one_setup(asked: Query) -> Setup:
    """The one way to serve. Raises InputError where several batches or number types are given."""
    for name in ("dtype", "batch"):
        if len(several := list(dict.fromkeys(getattr(setup, name) for setup in asked.setups))) > 1:
            message = ", ".join(f"{value:g}" if name == "batch" else str(value) for value in several)
            raise InputError(
                f"A bill is for one {name}; it is {message}.",
                code="bad_workload",
                hint="`scalelaw optimize` chooses among several.",
            )
    return asked.setups[0]


def workload_for(model: Model, query: Query, visual_tokens: Any) -> tuple[Workload, float, bool]:
    """The workload of one model, the visual tokens of an image, and whether its encoder is assumed.

    Raises InputError for several ways to serve, and for a number of tokens that the encoder or compressor cannot give.
    """
    one_setup(query)
    number = count_of(visual_tokens)
    sees_images = number > 0 and query.work.images > 0
    work, is_assumed = of_one(model, one_work(query), query.stated_tower, sees_images)
    _check_tokens(number, work)
    return work, number, is_assumed


def one_work(asked: Query) -> Workload:
    """The workload of a query with one way to serve."""
    work = asked.work
    return replace(work, batch=float(work.batch[0]), weight_bytes=float(work.weight_bytes[0]))


def count_of(visual_tokens: Any) -> float:
    """A number of visual tokens: at least 0 (a text query), a mean may be fractional. Raises InputError."""
    try:
        visual = float(visual_tokens)
    except (TypeError, ValueError, OverflowError):
        visual = float("nan")
    if not 0 <= visual <= 1e9:
        message = f"visual_tokens must be a number from 0 to 1e9; it is {str(visual_tokens)[:40]}."
        raise InputError(message, code="bad_tokens")
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


def _parts(cost: str, model: Model, visual: float, work: Any) -> dict[str, Any]:
    capacity_gb: dict[str, Any] = plugins.load("costs", cost).parts(
        model.n_params, model.shape, np.float64(visual), work
    )
    return capacity_gb


def _costs(model: Model, visual: float, work: Any) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    costs: dict[str, float] = {}
    stages: dict[str, dict[str, float]] = {}
    seen = set()
    for kind in kinds():
        cost = cost_of(kind, EXACT)
        if cost.__name__ in seen or missing(cost, next(iter(cost.kinds)), [model], work):
            continue
        seen.add(cost.__name__)
        totals = total(cost, model, np.float64(visual), work)
        costs.update({kind: float(value) for kind, value in totals.items()})
        parts = cost.parts(model.n_params, model.shape, np.float64(visual), work)
        stages[next(iter(cost.kinds))] = {part: float(value) for part, value in parts.items()}
    return costs, stages


def _serving(asked: Query, costs: dict[str, float]) -> Iterator[tuple[str, str]]:
    """What is to be said (code, message) of the card and its price."""
    device = asked.work.device
    yield from idle_price(asked)
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
    if asked.scenarios:
        yield (
            "middle_of_range",
            f"A bill takes the middle of a range of efficiencies: mfu {device.mfu:g}, mbu {device.mbu:g}.",
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
    if work.tower is None:
        warnings.append(("tower_left_out", "No vision encoder is counted."))
    return warnings
