"""Which vision encoder a query runs: the named one, else the model's own, else an assumed one, with a warning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scalelaw.costs._workload import Workload
from scalelaw.errors import InputError
from scalelaw.families._contract import Counted
from scalelaw.model_shapes import TowerShape
from scalelaw.model_shapes.count_shape import count_encoder
from scalelaw.model_shapes.towers import CLOSED
from scalelaw.model_shapes.vision import TOWER
from scalelaw.plan.catalogue import Model, tower_by_name
from scalelaw.tokens.count import count_one
from scalelaw.tokens.images import Size
from scalelaw.tokens.models import find_vision_model
from scalelaw.tokens.shapes import has_closed_form, vision_shape_of

NATIVE = 1024
"""Pixels along a side of the image that is assumed where none is given and the encoder takes any."""


def with_own_encoder(model: Model) -> Model:
    """The model with the encoder that its configuration describes, or names, as `tower`; unchanged where it has none.

    Raises InputError (`cannot_count`) for an encoder that can neither be read nor counted.
    """
    if model.tower is not None:
        return model
    if isinstance(model.encoder, Mapping):
        name = f"{model.encoder.get('model_type') or 'vision encoder'} of {model.name}"
        if str(model.encoder.get("model_type") or "") not in CLOSED and (tower := _by_family(model, name)):
            message = (
                f"No image is given: the encoder of {model.name} is counted for one of {tower.image} x {tower.image} "
                "pixels. Give its size with --image."
            )
            return replace(model, tower=tower, warnings=(*model.warnings, ("assumed_image", message)))
        return replace(model, tower=count_encoder(model.encoder, name))
    if isinstance(model.encoder, str) and (tower := tower_by_name(model.encoder)):
        return replace(model, tower=tower)
    return model


def _by_family(model: Model, name: str) -> TowerShape | None:
    """The encoder by its family's closed form, at the size of its images, or at `NATIVE` where they have any size; None
    for a model of no such family.
    """
    if model.vision is None:
        return None
    try:
        vision = find_vision_model(model.vision) if isinstance(model.vision, str) else model.vision
        if not has_closed_form(vision):
            return None
        shape = vision_shape_of(vision)
    except InputError:
        return None
    step = shape.patch * shape.merge
    if side := vision.settings.get("image_size"):
        rows = side // shape.patch
        seen = Counted(side, side, rows**2, rows**2 // shape.merge**2)
    else:
        side = NATIVE // step * step
        seen = count_one(vision, Size(side, side), vision.settings, 1)
    flops = shape.flops(seen)[TOWER]
    params = sum(part.weights + part.vectors for part in shape.parts if part.name == TOWER)
    return TowerShape(
        name, 1, shape.width, 1, shape.patch, side, shape.extra_tokens, counted=(float(params), flops)
    )


def assumed(models: Sequence[Model], tower: TowerShape) -> list[tuple[str, str]]:
    """The warnings (code, message) of models for which this encoder is assumed."""
    named = [model for model in models if model.encoder]
    plain = [model for model in models if not model.encoder]
    messages = []
    if plain:
        described = "describes" if len(plain) == 1 else "describe"
        messages.append(
            f"{_names(plain)} {described} no vision encoder, so {tower.name} is assumed. "
            "Name yours with --tower, or --tower none for text alone."
        )
    messages += [
        f"The vision encoder of {model.name}, '{str(model.encoder)[:80]}', is not a bundled one, so {tower.name} is "
        "assumed. Give its config.json with --tower."
        for model in named
    ]
    return [("assumed_encoder", message) for message in messages]


def of_one(model: Model, work: Workload, named: bool, sees_images: bool) -> tuple[Workload, bool]:
    """The workload with the encoder that one model runs, and whether that is assumed.

    named: the workload's own encoder was named, and stays. A query without images, or without visual tokens, is text:
    no encoder runs. Memory holds one that is named, or that the model has; it is assumed only where the configuration
    describes one that is not known.
    """
    own = model if named else with_own_encoder(model)
    if own.tower is not None:
        work = replace(work, tower=own.tower)
    known = named or own.tower is not None
    if not sees_images:
        has_one = known or bool(model.encoder)
        tower = work.tower if has_one else None
        return replace(work, images=0.0, tower=tower), not known and tower is not None
    return work, not known and work.tower is not None


def _names(models: Sequence[Model], most: int = 3) -> str:
    names = [model.name for model in models[:most]]
    more = [f"{len(models) - most} more"] if len(models) > most else []
    *first, last = [*names, *more]
    return f"{', '.join(first)} and {last}" if first else last
