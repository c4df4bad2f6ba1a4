"""Images in a plan: from their pixels to the visual tokens of the LLM and the work of the encoder, under a setting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalelaw.costs import _vision
from scalelaw.costs._workload import ImageLoad, Workload
from scalelaw.errors import InputError
from scalelaw.families._contract import Counted
from scalelaw.model_shapes import TowerShape
from scalelaw.model_shapes.vision import PROJECTOR, TOWER, VisionShape
from scalelaw.plan.catalogue import Model
from scalelaw.tokens.models import VisionModel, find_vision_model
from scalelaw.tokens.pictures import Pictures, count_queries
from scalelaw.tokens.shapes import vision_shape_of


@dataclass(frozen=True)
class Seen:
    """What the queries' images become under one setting of the knobs.

    Attributes:
        settings: every setting of the family and its value.
        counts: of each query's images.
        visual_tokens: of an image, the mean over each query's images [I].
        weights: of the queries [I].
        load: the work of the encoder, with arrays [I].
    """

    settings: Mapping[str, Any]
    counts: list[list[Counted]]
    visual_tokens: np.ndarray
    weights: np.ndarray
    load: ImageLoad

    @property
    def mean_tokens(self) -> float:
        """Visual tokens of an image, over all queries."""
        return float(self.weights @ self.visual_tokens)

    @property
    def mean_patches(self) -> float:
        """Patches of a query's images, over all queries."""
        return float(self.weights @ [sum(one.patches for one in query) for query in self.counts])


def vision_model_of(model: Model) -> VisionModel:
    """The files of a model's vision part. Raises InputError where it has none, or none that can be counted."""
    if isinstance(model.vision, VisionModel):
        return model.vision
    if isinstance(model.vision, str):
        return find_vision_model(model.vision)
    raise InputError(
        f"How {model.name} sees images is not known.",
        code="no_vision_part",
        hint="Give a folder with its config.json, or a vision-language model of the catalogue (scalelaw list models).",
    )


def see(
    model: Model,
    vision: VisionModel,
    pictures: Pictures,
    settings: Mapping[str, Any],
    tower: TowerShape | str | None = "own",
) -> Seen:
    """What a model sees of the queries' images. tower: another encoder than its own, or None to leave it out.

    Raises InputError: `refused_image`, `no_video`, and those of `vision_shape_of`.
    """
    counts = count_queries(vision, pictures, settings)
    visual = np.array([np.mean([one.visual_tokens for one in query]) for query in counts])
    markers = np.array([float(sum(one.markers for one in query)) for query in counts])
    if isinstance(tower, str):
        load = _own_load(own_shape(vision), counts)
    else:
        load = _other_load(tower, model, counts)
    return Seen(settings, counts, visual, pictures.weights, replace(load, markers=markers))


def own_shape(vision: VisionModel) -> VisionShape:
    """The encoder and projector of a model. Raises InputError (`unknown_encoder`) with what to name instead."""
    try:
        return vision_shape_of(vision)
    except InputError as error:
        if error.code == "unknown_encoder":
            error.hint = (
                "Name an encoder with --tower (scalelaw list towers), or leave it out with --tower none."
            )
        raise


def _own_load(shape: VisionShape, counts: list[list[Counted]]) -> ImageLoad:
    flops = [[shape.flops(one) for one in query] for query in counts]
    tower, projector = (
        np.array([sum(one[part] for one in query) for query in flops]) for part in (TOWER, PROJECTOR)
    )
    attention = np.array([sum(shape.attention_flops(one) for one in query) for query in counts])
    return ImageLoad(
        shape.name, float(shape.n_params), tower, projector, attention_flops=attention, tokens=_patches(counts),
        layers=shape.layers, width=shape.width,
    )  # fmt: skip


def _patches(counts: list[list[Counted]]) -> np.ndarray:
    """Patches of each query's images."""
    return np.array([float(sum(one.patches for one in query)) for query in counts])


def _other_load(tower: TowerShape | None, model: Model, counts: list[list[Counted]]) -> ImageLoad:
    if tower is None:
        nothing = np.zeros(len(counts))
        return ImageLoad("none", 0.0, nothing, nothing, attention_flops=nothing, tokens=nothing)
    assert model.shape is not None
    width = model.shape.width
    work = [
        sum(one.tiles * float(_vision.tower_flops(tower, one.patches / one.tiles)) for one in query)
        for query in counts
    ]
    projected = [
        float(sum(_vision.projector_flops(tower.width, width, one.visual_tokens) for one in query))
        for query in counts
    ]
    params = tower.n_params + _vision.projector_params(tower.width, width)
    attention = [
        sum(4.0 * tower.layers * tower.width * one.patches**2 / one.tiles for one in query)
        for query in counts
    ]
    return ImageLoad(
        tower.name, float(params), np.array(work), np.array(projected), attention_flops=np.array(attention),
        tokens=_patches(counts), layers=tower.layers, width=tower.width,
    )  # fmt: skip


def workload_with(work: Workload, seen: Seen, number: int) -> Workload:
    """The workload of queries with these images. The load's arrays are [I, 1], of several settings [I, K, 1]: the ways
    to serve stand beside them.
    """
    load = replace(
        seen.load,
        tower_flops=seen.load.tower_flops[..., None],
        projector_flops=seen.load.projector_flops[..., None],
        markers=np.asarray(seen.load.markers)[..., None],
        attention_flops=np.asarray(seen.load.attention_flops)[..., None],
        tokens=np.asarray(seen.load.tokens)[..., None],
    )
    return replace(work, images=float(number), tiles=1.0, tower=None, compressor=None, load=load)


def side_by_side(every: Sequence[Seen]) -> Seen:
    """Several settings for the same queries as one whose arrays are [I, K]; settings and counts are the first's."""
    first = every[0]

    def stacked(values: Iterable[Any]) -> np.ndarray:
        return np.stack([np.asarray(one) for one in values], axis=1)

    load = replace(
        first.load,
        tower_flops=stacked(one.load.tower_flops for one in every),
        projector_flops=stacked(one.load.projector_flops for one in every),
        markers=stacked(one.load.markers for one in every),
        attention_flops=stacked(one.load.attention_flops for one in every),
        tokens=stacked(one.load.tokens for one in every),
    )
    return replace(first, visual_tokens=stacked(one.visual_tokens for one in every), load=load)


def each_query(work: Workload) -> list[Workload]:
    """The workload of every query by itself, with numbers instead of arrays."""
    load = work.load
    if load is None:
        return [work]
    arrays = [np.asarray(a).reshape(-1) for a in (load.tower_flops, load.projector_flops, load.markers)]
    return [
        replace(
            work, load=ImageLoad(load.name, load.n_params, float(tower), float(projector), float(markers))
        )
        for tower, projector, markers in zip(*arrays, strict=True)
    ]


def percentile(values: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """The smallest value that this share of the queries does not exceed; values [I, ...] -> [...]."""
    order = np.argsort(values, axis=0, kind="stable")
    shares = np.cumsum(weights[order], axis=0)
    row = np.argmax(shares >= share - 1e-12, axis=0)
    picked: np.ndarray = np.take_along_axis(np.take_along_axis(values, order, 0), row[None], 0)[0]
    return picked


def check_alone(options: Mapping[str, Any]) -> None:
    """Raises InputError where an option contradicts images that are counted from their pixels."""
    for name, plain, why in (
        ("tiles", 1, "tiles follow from the images"),
        ("images", 1, "their number is that of the images"),
        ("compressor", None, "a compressor changes the tokens that follow from the images"),
    ):
        if options.get(name, plain) not in (plain, "none", ""):
            raise InputError(f"{name} cannot be given with the sizes of images: {why}.", code="usage")
