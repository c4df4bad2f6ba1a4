"""Molmo 2: the whole image at 378 x 378 pixels, and up to 8 overlapping crops of that size; features are pooled 2 x 2.

    tokens = rows x columns of pooled features of the whole image (14 x 14), and of the crops without their overlap

Crops overlap by 4 patches on each side. A frame of a video is 378 x 378 pixels, pooled 3 x 3: 81 tokens.
Source: arXiv 2601.10611, section 2; defaults of allenai/Molmo2-8B.
Counts: the pooled features; markers: begin and end of both parts, and a break after each row.
Leaves out: the time stamps of a video's frames; the sampling of its frames; the chat template.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from scalelaw.families._contract import Counted, Setting, Settings, fixed
from scalelaw.families._vision import Fields, blocks, inner_fields, linear, patching, square_side
from scalelaw.model_shapes.reading import flag, listed, whole
from scalelaw.model_shapes.vision import PROJECTOR, Part, VisionShape

MODEL_TYPES = ("molmo2",)
SETTINGS = (
    Setting(
        "max_crops", "most crops of an image, without the whole one", 8, ("image.max_crops",), "crops", 1, 64
    ),
    fixed("image_size", "side of a crop", 378, "image.size.height"),
    fixed("patch_size", "side of a patch", 14, "image.patch_size"),
    fixed(
        "overlap_margins", "overlap of crops, left and right", (4, 4), "image.overlap_margins", unit="patches"
    ),
    fixed(
        "pooling_size",
        "patches that become one token, along height and width",
        (2, 2),
        "image.pooling_size",
        unit="patches",
    ),
    fixed(
        "video_pooling_size",
        "patches of a frame that become one token",
        (3, 3),
        "video.pooling_size",
        unit="patches",
    ),
)


@lru_cache(maxsize=64)
def _grids(most: int) -> tuple[tuple[int, int], ...]:
    tilings = [(h, w) for h in range(1, most + 1) for w in range(1, most + 1) if h * w <= most]
    return tuple(sorted(tilings, key=lambda grid: (grid[0] * grid[1], grid[0])))


def crops(height: int, width: int, window: int, most: int) -> tuple[int, int]:
    """(rows, columns) that need the least enlargement, or else the least reduction, in single precision."""
    candidates = _grids(most)
    sides = (np.array(candidates, dtype=np.int32) * np.int32(window)).astype(np.float32)
    with np.errstate(divide="ignore"):
        scales = np.min(sides / np.array([height, width], dtype=np.float32), axis=-1)
    if np.all(scales < 1):
        return candidates[int(np.argmax(scales))]
    return candidates[int(np.argmin(np.where(scales < 1.0, np.float32(1e10), scales)))]


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """The crops' features are laid side by side before they are pooled."""
    size, patch, margins = settings["image_size"], settings["patch_size"], sum(settings["overlap_margins"])
    pool_high, pool_wide = settings["pooling_size"]
    window, margin = (size // patch - margins) * patch, margins * patch
    rows, columns = crops(height - margin, width - margin, window, settings["max_crops"])
    high, wide = rows * window + margin, columns * window + margin
    seen_rows, seen_columns = math.ceil(high // patch / pool_high), math.ceil(wide // patch / pool_wide)
    side_rows, side_columns = math.ceil(size // patch / pool_high), math.ceil(size // patch / pool_wide)
    images = rows * columns + 1
    tokens = side_rows * side_columns + seen_rows * seen_columns
    return Counted(
        wide,
        high,
        images * (size // patch) ** 2,
        tokens,
        4 + side_rows + seen_rows,
        images,
        columns,
        rows,
        pooled=tokens * pool_high * pool_wide,
    )


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """Begin and end of each frame are markers."""
    size, side = settings["image_size"], settings["image_size"] // settings["patch_size"]
    pool_high, pool_wide = settings["video_pooling_size"]
    tokens = math.ceil(side / pool_high) * math.ceil(side / pool_wide)
    pooled = frames * tokens * pool_high * pool_wide
    return Counted(size, size, frames * side**2, frames * tokens, 2 * frames, frames, pooled=pooled)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """A ViT without a last norm on each crop; the average of some patches attends to them, then a gated feed-forward.

    Layers of the encoder above the highest that is read are not in the released weights, and not counted.
    """
    width, heads = whole(vision, "hidden_size"), whole(vision, "num_attention_heads")
    reader = inner_fields(top, "adapter_config")
    layers, read = whole(vision, "num_hidden_layers"), listed(reader, "vit_layers")
    if read:
        layers = max(int(place) % layers for place in read) + 1
    sources = len(read or listed(reader, "vision_feature_layer") or (24, 18))
    patch = whole(vision, "patch_size", whole(vision, "image_patch_size", 14))
    side = {"image_size": vision.get("image_default_input_size") or 378, **vision}
    positions = whole(vision, "num_position_embeddings", (square_side(side, "image_size") // patch) ** 2)
    positions = whole(vision, "image_num_pos", positions)
    if whole(vision, "head_dim", width // heads) * heads != width:
        raise ValueError("the heads of the encoder do not add up to its hidden_size")
    inner = whole(reader, "num_attention_heads", 16) * whole(reader, "head_dim", 72)
    wide, out = whole(reader, "hidden_size", 1152), whole(reader, "intermediate_size", 18944)
    bias, thick = flag(reader, "attention_bias", True), flag(reader, "mlp_bias")
    source = sources * wide
    parts = (
        patching(width, patch, vectors=(1 + positions) * width),
        blocks(
            layers, width, whole(vision, "intermediate_size"),
            attention_biases=4 * flag(vision, "attention_bias", True),
        ),
        linear(source, inner, "visual_token", bias=bias),
        linear(source, inner, "pooled", bias=bias, times=2),
        Part(PROJECTOR, "pooled", 0, 0, 2 * inner, "fixed"),
        linear(inner, wide, "visual_token", bias=bias),
        linear(wide, out, "visual_token", bias=thick, times=2),
        linear(out, text_width, "visual_token", bias=False),
    )  # fmt: skip
    return VisionShape("molmo2_vision", parts, width, patch)
