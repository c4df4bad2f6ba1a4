"""Which vision encoder a query runs: the named one, else the model's own, else an assumed one, with a warning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scalelaw.costs._workload import Workload
from scalelaw.model_shapes import TowerShape
from scalelaw.model_shapes.count_shape import count_encoder
from scalelaw.plan.catalogue import Model, tower_by_name


def with_own_encoder(model: Model) -> Model:
    """The model with the encoder that its configuration describes, or names, as `tower`; unchanged where it has none.

    Raises InputError (`cannot_count`) for an encoder that can neither be read nor counted.
    """
    if isinstance(model.encoder, Mapping):
        name = f"{model.encoder.get('model_type') or 'vision encoder'} of {model.name}"
        return replace(model, tower=count_encoder(model.encoder, name))
    if isinstance(model.encoder, str) and (tower := tower_by_name(model.encoder)):
        return replace(model, tower=tower)
    return model


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
    no encoder runs, and none is assumed (memory holds one that is named or the model's own).
    """
    own = model if named else with_own_encoder(model)
    if own.tower is not None:
        work = replace(work, tower=own.tower)
    known = named or own.tower is not None
    if not sees_images:
        return replace(work, images=0.0, tower=work.tower if known else None), False
    return work, not known and work.tower is not None


def _names(models: Sequence[Model], most: int = 3) -> str:
    names = [model.name for model in models[:most]]
    more = [f"{len(models) - most} more"] if len(models) > most else []
    *first, last = [*names, *more]
    return f"{', '.join(first)} and {last}" if first else last
