"""Vision towers, as transformers describes them (CLIP, SigLIP, DINOv2 and those alike)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError
from scalelaw.model_shapes.parts import encoder_of
from scalelaw.model_shapes.reading import flag, number_of, read_config, understood, whole
from scalelaw.model_shapes.shapes import TowerShape

MOST_PATCHES = 1_000_000
"""Of an image: a tower of 4,096 pixels and patches of 4 has as many."""

CLOSED = (
    "clip_vision_model",
    "clip",
    "siglip_vision_model",
    "siglip",
    "dinov2",
    "dinov2_with_registers",
)
"""The `model_type`s whose closed form is tested against real models."""

NEEDED = "hidden_size, num_hidden_layers, patch_size, image_size, and intermediate_size or mlp_ratio"


def tower_from_config(path: str | Path) -> TowerShape:
    """The tower in a transformers config.json (a file, or the folder that holds it): its `vision_config`, or itself.

    Raises InputError as `tower_from_fields`, and for a file that is missing or is not JSON.
    """
    config, file = read_config(path)
    return tower_from_fields(config, file.resolve().parent.name, origin=str(file))


def tower_from_fields(config: Mapping[str, Any], name: str, origin: str = "") -> TowerShape:
    """The tower in the fields of a transformers vision config; `origin` names the file in an error's sentence.

    Raises InputError (`unknown_encoder`) for a type without a closed form, and for a field that is missing, is not a
    positive whole number, or contradicts another.
    """
    inner = encoder_of(config)
    fields, where = inner if isinstance(inner, dict) else config, origin or f"The vision encoder {name}"
    if (kind := str(fields.get("model_type") or "")) not in CLOSED:
        raise InputError(
            f"{where} is of the type '{kind[:60]}', which has no closed form.",
            code="unknown_encoder",
            hint=f"Types with one: {', '.join(CLOSED)}.",
        )
    return understood(lambda: _tower(fields, name), where, NEEDED)


def _tower(fields: Mapping[str, Any], name: str) -> TowerShape:
    kind = str(fields.get("model_type", ""))
    width, patch = whole(fields, "hidden_size"), whole(fields, "patch_size")
    image = whole(fields, "image_size", 224)  # every such class's default
    if patch > image:
        raise ValueError(f"a patch of {patch} pixels does not fit into an image of {image}")
    if (image // patch) ** 2 > MOST_PATCHES:
        raise ValueError(f"an image of {image} pixels holds more than {MOST_PATCHES:,} patches of {patch}")
    gated = flag(fields, "use_swiglu_ffn")
    ratio = number_of("mlp_ratio", fields.get("mlp_ratio", 4))
    if not 0 < ratio <= 1000:
        raise ValueError(f"mlp_ratio is {ratio:g}, not between 0 and 1000")
    widened = max(int(width * ratio), 1)
    if (
        not kind.startswith("dinov2")
        and width != 768
        and {"mlp_ratio", "intermediate_size"}.isdisjoint(fields)
    ):
        raise KeyError("intermediate_size")
    feed_forward = whole(fields, "intermediate_size", widened)
    registers = whole(fields, "num_register_tokens", 0, least=0)
    return TowerShape(
        name=name,
        layers=whole(fields, "num_hidden_layers"),
        width=width,
        feed_forward=(feed_forward * 2 // 3 + 7) // 8 * 8 if gated else feed_forward,
        patch=patch,
        image=image,
        extra_tokens=0 if kind.startswith("siglip") else 1 + registers,
        channels=whole(fields, "num_channels", 3),
        gated=gated,
        patch_bias=not kind.startswith("clip"),
        norms=2 if kind.startswith("clip") else 1,
        layer_scale=kind.startswith("dinov2"),
        projection=whole(fields, "projection_dim", 0, least=0) if kind.startswith("clip") else 0,
        attention_pool=kind.startswith("siglip"),
    )
