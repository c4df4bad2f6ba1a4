"""Parts of vision encoders and projectors that families share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scalelaw.model_shapes.reading import flag, whole
from scalelaw.model_shapes.towers import tower_from_fields
from scalelaw.model_shapes.vision import PROJECTOR, TOWER, Part, VisionShape

Fields = Mapping[str, Any]
LAYER_NORM = 2
"""Vectors of a layer norm; a norm without a shift has one."""


def inner_fields(fields: Fields, name: str) -> Fields:
    """The fields of a configuration within another; none where it is left out."""
    value = fields.get(name)
    return value if isinstance(value, Mapping) else {}


def patching(width: int, patch: int, channels: int = 3, *, frames: int = 1, vectors: int = 0) -> Part:
    """The convolution that makes a vector of each patch."""
    return Part(TOWER, "patch", channels * frames * patch**2 * width, vectors)


def blocks(
    number: int,
    width: int,
    feed_forward: int,
    *,
    gated: bool = False,
    norms: int = 2 * LAYER_NORM,
    attention_biases: int = 4,
    mlp_bias: bool = True,
    extra_vectors: int = 0,
    on: str = "token",
    within: str = "tile",
    name: str = TOWER,
) -> Part:
    """`number` equal transformer layers. norms: vectors of the norms of a layer; attention_biases: how many of its four
    matrices have one; extra_vectors: other parameters of a layer."""
    wide = 2 if gated else 1
    vectors = (norms + attention_biases) * width + extra_vectors
    vectors += (wide * feed_forward + width) if mlp_bias else 0
    weights = 4 * width**2 + (wide + 1) * width * feed_forward
    return Part(name, on, number * weights, number * vectors, 2 * number * width, within)


def shrunk(part: Part, shrink: int) -> Part:
    """Layers whose tokens are those of `shrink` patches each."""

    def work(rows: int, columns: int) -> float:
        tokens = rows * columns // shrink
        return tokens * part.weights + tokens**2 * part.pair

    return replace(part, on="nothing", pair=0, work=work)


def linear(
    inside: int, outside: int, on: str, *, bias: bool = True, vectors: int = 0, times: int = 1
) -> Part:
    """`times` equal matrices of the projector; vectors: other parameters of each."""
    each = (outside if bias else 0) + vectors
    return Part(PROJECTOR, on, times * inside * outside, times * each)


def vectors(number: int, name: str = TOWER) -> Part:
    """Parameters that no product meets: norms and positions."""
    return Part(name, "image", 0, number)


def fixed_tower(vision: Fields, image_size: int | None = None) -> tuple[tuple[Part, ...], dict[str, int]]:
    """The parts of a tower of fixed size (CLIP, SigLIP, DINOv2), and the sizes that `VisionShape` takes of it."""
    fields = vision if image_size is None else {**vision, "image_size": image_size}
    tower = tower_from_fields(fields, "tower")
    patch = patching(tower.width, tower.patch, tower.channels)
    rest = tower.n_params - patch.weights - tower.block_params
    parts = [
        patch,
        Part(TOWER, "token", tower.block_params, rest, 2 * tower.layers * tower.width),
    ]
    if tower.attention_pool and flag(vision, "vision_use_head", True):
        parts += pooled_head(tower.width, tower.feed_forward)
    return tuple(parts), {"width": tower.width, "patch": tower.patch, "extra_tokens": tower.extra_tokens}


def pooled_head(width: int, feed_forward: int) -> list[Part]:
    """SigLIP's head: one learned query over all tokens, and a feed-forward."""
    norms = 7 * width + feed_forward + width
    return [
        Part(TOWER, "token", 2 * width**2, 0, 2 * width, "query"),
        Part(TOWER, "tile", 2 * width**2 + 2 * width * feed_forward, norms),
    ]


def projected(vision: Fields, projector: tuple[Part, ...], merge: int = 1) -> VisionShape:
    """A tower of fixed size and a projector."""
    tower, sizes = fixed_tower(vision)
    return VisionShape(
        str(vision.get("model_type") or "vision encoder"), (*tower, *projector), merge=merge, **sizes
    )


def llava_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """A tower of fixed size; two matrices at each patch, for one or several of its layers' outputs."""
    layers = top.get("vision_feature_layer", -2)
    outputs = len(layers) if isinstance(layers, list | tuple) else 1
    bias = flag(top, "multimodal_projector_bias", True)
    tower, sizes = fixed_tower(vision)
    # the class token is dropped before the projector where the strategy is "default"
    on = "token" if top.get("vision_feature_select_strategy", "default") == "full" else "patch"
    projector = (
        linear(outputs * sizes["width"], text_width, on, bias=bias),
        linear(text_width, text_width, on, bias=bias),
    )
    return VisionShape(str(vision.get("model_type")), (*tower, *projector), **sizes)


def any_resolution_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """The same on each tile, with a learned break at the end of each row."""
    shape = llava_shape(vision, top, text_width)
    return replace(shape, parts=(*shape.parts, Part(PROJECTOR, "image", 0, text_width)))


def patch_tower(vision: Fields, positions: int, *, gated: bool = False) -> tuple[Part, ...]:
    """SigLIP's layers for images of any size: patches, learned positions, layers with biases, and a last norm."""
    width, patch = whole(vision, "hidden_size"), square_side(vision, "patch_size")
    layers, feed_forward = whole(vision, "num_hidden_layers"), whole(vision, "intermediate_size")
    channels = whole(vision, "num_channels", 3)
    return (
        patching(width, patch, channels, vectors=(1 + LAYER_NORM + positions) * width),
        blocks(layers, width, feed_forward, gated=gated),
    )


def merged_shape(vision: Fields, parts: tuple[Part, ...], width: int, window: int = 0) -> VisionShape:
    """An encoder whose sides follow the image's, with squares of patches merged into tokens."""
    return VisionShape(
        str(vision.get("model_type") or "vision encoder"),
        parts,
        width,
        whole(vision, "patch_size"),
        whole(vision, "spatial_merge_size"),
        window,
    )


def square_side(fields: Fields, key: str) -> int:
    """One side of what must be a square: a number, or two equal ones."""
    value = fields.get(key)
    sides = set(value) if isinstance(value, list | tuple) and value else {value}
    if len(sides) > 1:
        raise ValueError(f"{key} is {value}, not a square")
    return whole({key: sides.pop()}, key)
