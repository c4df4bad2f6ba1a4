"""Command A Vision: tiles of 512 x 512 pixels in the smallest grid that holds the image, and a thumbnail.

    tokens = 256 (tiles + 1), or 256 for one tile; a tile is 32 x 32 patches, of which 2 x 2 become one

The grid is the one that needs the least enlargement; where even the largest is too small, the least reduction.
Source: the classes Cohere2VisionImageProcessor and Cohere2VisionProcessor of transformers; defaults of
CohereLabs/command-a-vision-07-2025 (at most 12 tiles).
Counts: the image tokens; markers: begin, end, and a break after each tile.
Leaves out: the chat template.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scalelaw.families._contract import Counted, Settings, fixed, switch
from scalelaw.families._tiles import grids, tile_count_settings, tiled
from scalelaw.families._vision import Fields, linear, projected
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("cohere2_vision",)
SETTINGS = (
    tile_count_settings(1, 12)[1],
    switch("crop_to_patches", "cut the image into tiles", True, "image.crop_to_patches"),
    fixed("image_size", "side of a tile", 512, "config.vision_config.image_size", "image.size.height"),
    fixed("patch_size", "side of a patch", 16, "config.vision_config.patch_size"),
    fixed(
        "downsample_factor",
        "patches along a side that become one token",
        2,
        "config.downsample_factor",
        unit="patches",
    ),
)


def smallest_holding(
    width: int, height: int, tile: int, candidates: tuple[tuple[int, int], ...]
) -> tuple[int, int]:
    """The (columns, rows) that needs the least enlargement of the image, or else the least reduction."""
    scales = np.min(np.array(candidates) * tile / np.array([width, height]), axis=-1)
    if np.all(scales < 1):
        return candidates[int(np.argmax(scales))]
    return candidates[int(np.argmin(np.where(scales < 1.0, 1e10, scales)))]


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """A break after each tile."""
    tile, grid = settings["image_size"], (1, 1)
    if settings["crop_to_patches"]:
        grid = smallest_holding(width, height, tile, grids(1, settings["max_patches"]))
    tokens = (tile // settings["patch_size"] // settings["downsample_factor"]) ** 2
    counted = tiled(grid, tile, settings, tokens)
    return replace(counted, markers=2 + counted.tiles)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP; pixel shuffle and a gated feed-forward."""
    merge, inner = whole(top, "downsample_factor", 2), whole(top, "alignment_intermediate_size", text_width)
    wide = merge**2 * whole(vision, "hidden_size")
    projector = (linear(wide, inner, "merged"), linear(inner // 2, text_width, "merged"))
    return projected({"vision_use_head": False, **vision}, projector, merge)
