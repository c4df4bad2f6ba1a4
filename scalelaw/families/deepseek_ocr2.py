"""DeepSeek-OCR 2: a global view padded to a square, and tiles of 768 x 768 pixels where the image is larger than one.

    tokens = (size / 64)^2 + tiles (768 / 64)^2 + 1, with 16 x 16 pixels a patch and 16 patches a token

Source: the classes DeepseekOcr2ImageProcessor and DeepseekOcr2Processor of transformers, whose defaults these are
(global view 1024 x 1024, 2 to 6 tiles).
Counts: the image tokens, with the learned separator of the views.
Leaves out: the chat template.
"""

from __future__ import annotations

import math
from dataclasses import replace

from scalelaw.families._contract import Counted, Settings, fixed, refuse, switch
from scalelaw.families._sam import SamShape, halving
from scalelaw.families._tiles import closest_grid, grids, tile_count_settings
from scalelaw.families._vision import Fields, inner_fields, linear
from scalelaw.model_shapes.reading import listed, whole
from scalelaw.model_shapes.vision import TOWER, Part, VisionShape

MODEL_TYPES = ("deepseek_ocr2",)
SETTINGS = (
    switch("crop_to_patches", "add tiles of an image that is larger than one tile", True),
    *tile_count_settings(2, 6, sources=()),
    fixed("image_size", "side of the global view", 1024, "image.size.height"),
    fixed("tile_size", "side of a tile", 768, "image.tile_size"),
    fixed("patch_size", "side of a patch", 16, "processor.patch_size"),
    fixed(
        "downsample_ratio",
        "patches along a side that become one token",
        4,
        "processor.downsample_ratio",
        unit="patches",
    ),
)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Without tiles the global view has the side of a tile, but takes as many tokens as before."""
    view, tile, patch = settings["image_size"], settings["tile_size"], settings["patch_size"]
    columns = rows = 0
    if settings["crop_to_patches"] and max(height, width) > tile:
        columns, rows = closest_grid(
            width, height, (tile, tile), grids(settings["min_patches"], settings["max_patches"])
        )
    seen = view if settings["crop_to_patches"] else tile
    if round(min(height, width) * (seen / max(height, width))) == 0:
        raise refuse(
            f"An image of {width} x {height} pixels has no pixel left in its short side at {seen} pixels."
        )
    tiles = columns * rows
    side = math.ceil(view / patch / settings["downsample_ratio"])
    local = math.ceil(tile / patch / settings["downsample_ratio"])
    patches = (seen // patch) ** 2 + tiles * (tile // patch) ** 2
    wide, high = (columns * tile, rows * tile) if tiles else (seen, seen)
    views = ((seen // patch,) * 2 + (1,), (tile // patch,) * 2 + (tiles,))
    return Counted(
        wide,
        high,
        patches,
        side**2 + tiles * local**2 + 1,
        0,
        tiles + 1,
        max(columns, 1),
        max(rows, 1),
        views=views if tiles else views[:1],
    )


SAM = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "global_attn_indexes": [2, 5, 8, 11],
}
READER = {
    "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
    "num_key_value_heads": 2,
}  # fmt: skip
"""Of the two encoders, where their configurations leave them out: the released values."""
SMALL, LARGE = 144, 256
"""Learned queries of a view of 768 x 768 pixels, and of one of 1024 x 1024."""


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SAM's encoder and two convolutions that halve the sides; an LLM's layers over its tokens and as many queries; a
    matrix at each query."""
    first, second = inner_fields(vision, "sam_config"), inner_fields(vision, "encoder_config")
    sam, reader = SamShape.read({**SAM, **first}), {**READER, **second}
    middle, out = listed(first, "downsample_channels") or (512, 896)
    width, wide = whole(reader, "hidden_size"), whole(reader, "intermediate_size")
    heads, layers = whole(reader, "num_attention_heads"), whole(reader, "num_hidden_layers")
    shared = whole(reader, "num_key_value_heads", heads) * (width // heads)
    weights = layers * (2 * width * (width + shared) + 3 * width * wide)
    vectors = layers * (3 * width + 2 * shared) + (1 + SMALL + LARGE) * width

    def work(rows: int, columns: int) -> int:
        tokens = rows * columns // 16
        tokens += SMALL if tokens <= SMALL else LARGE
        return tokens * weights + 2 * layers * width * tokens**2

    def projected(rows: int, columns: int) -> int:
        return width * text_width * (SMALL if rows * columns // 16 <= SMALL else LARGE)

    projector = linear(width, text_width, "nothing", vectors=text_width)
    parts = (
        *sam.parts(),
        halving(sam.out, int(middle), int(out)),
        Part(TOWER, "nothing", weights, vectors, work=work),
        replace(projector, work=projected),
    )
    return VisionShape("deepseek_ocr2_vision", parts, sam.width, sam.patch)
