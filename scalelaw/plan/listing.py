"""The catalogue as a list: sizes, encoders and knobs of its models."""

from __future__ import annotations

from typing import Any

from scalelaw.plan.catalogue import Model, bundled_models
from scalelaw.tokens.models import find_vision_model
from scalelaw.tokens.shapes import vision_shape_of


def list_models() -> dict[str, str]:
    """Every bundled model: name -> its family and sizes, its encoder and knobs, in one line."""
    return {model.name: _line(model, model_row(model)) for model in bundled_models()}


def model_rows() -> list[dict[str, Any]]:
    """Every bundled model: see `model_row`."""
    return [{**(row := model_row(model)), "summary": _line(model, row)} for model in bundled_models()]


def model_row(model: Model) -> dict[str, Any]:
    """Facts of a model of the catalogue.

    Returns {name, family, n_params (as the law counts), llm_params (exact), total_params (with encoder and projector),
    active_params (of a mixture, else the total), encoder, encoder_params, knobs, counted_as (of a mixture: what
    n_params is), source, unverified (what no public source confirmed, else None)}; of an LLM encoder is None.
    """
    assert model.shape is not None
    row: dict[str, Any] = {
        "name": model.name,
        "family": model.family,
        "n_params": model.n_params,
        "llm_params": model.shape.n_params,
        "total_params": model.shape.n_params,
        "active_params": model.shape.active_params,
        "encoder": None,
        "encoder_params": 0,
        "knobs": [],
        "counted_as": model.counted_as.partition(" (")[0] or None,
        "source": model.source,
        "unverified": model.unverified or None,
    }
    if model.vision is None:
        return row
    vision = find_vision_model(model.vision)
    shape = vision_shape_of(vision)
    names = [s.name for s in vision.rules.SETTINGS if s.knob and not s.name.startswith(("video_", "cap_"))]
    return {
        **row,
        "total_params": model.shape.n_params + shape.n_params,
        "active_params": model.shape.active_params + shape.n_params,
        "encoder": shape.name.removesuffix("_model").removesuffix("_vision"),
        "encoder_params": shape.n_params,
        "knobs": [name for name in names if name.startswith(("max_", "longest"))] or names,
    }


def _line(model: Model, row: dict[str, Any]) -> str:
    mixture = f"; a mixture, n_params is {model.counted_as}" if model.counted_as else ""
    vision = (
        f"; {row['total_params']:,} with the encoder {row['encoder']}; knobs: {', '.join(row['knobs']) or 'none'}"
        if row["encoder"]
        else ""
    )
    return (
        f"family {model.family}: n_params {model.n_params:g} as the law counts, {row['llm_params']:,} parameters"
        f"{mixture}{vision}{'; unverified' if model.unverified else ''}"
    )
