"""DeepSeek-OCR 2: a global view padded to a square, and tiles of 768 x 768 pixels where the image is larger than one.

    tokens = (size / 64)^2 + tiles (768 / 64)^2 + 1, with 16 x 16 pixels a patch and 16 patches a token

Source: the classes DeepseekOcr2ImageProcessor and DeepseekOcr2Processor of transformers, whose defaults these are
(global view 1024 x 1024, 2 to 6 tiles).
Counts: the image tokens, with the learned separator of the views.
Leaves out: the chat template.
"""

from __future__ import annotations

import math

from scalelaw.families._contract import Counted, Settings, fixed, refuse, switch
from scalelaw.families._tiles import closest_grid, grids, tile_count_settings

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
    return Counted(
        wide, high, patches, side**2 + tiles * local**2 + 1, 0, tiles + 1, max(columns, 1), max(rows, 1)
    )
