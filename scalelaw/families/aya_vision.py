"""Aya Vision: tiles of 364 x 364 pixels in the grid nearest to the aspect ratio, and a thumbnail.

    tokens = 169 (tiles + 1), or 169 for one tile; a tile is 26 x 26 patches, of which 2 x 2 become one

Source: arXiv 2505.08751, section 3.1; defaults of CohereLabs/aya-vision-8b (at most 12 tiles).
Counts: the image tokens; markers: begin, end, and the name of each tile.
Leaves out: the chat template.
"""

from __future__ import annotations

from dataclasses import replace

from scalelaw.families._contract import Counted, Settings, fixed, switch
from scalelaw.families._tiles import closest_grid, grids, tile_count_settings, tiled
from scalelaw.families._vision import Fields, linear, projected
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("aya_vision",)
SETTINGS = (
    *tile_count_settings(1, 12),
    switch("crop_to_patches", "cut the image into tiles", True),
    fixed(
        "image_size",
        "side of a tile",
        364,
        "config.vision_config.image_size",
        "processor.img_size",
        "image.size.height",
    ),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size"),
    fixed(
        "downsample_factor",
        "patches along a side that become one token",
        2,
        "config.downsample_factor",
        unit="patches",
    ),
)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Each tile has a name in the prompt."""
    tile, grid = settings["image_size"], (1, 1)
    if settings["crop_to_patches"]:
        grid = closest_grid(
            width, height, (tile, tile), grids(settings["min_patches"], settings["max_patches"])
        )
    tokens = (tile // (settings["patch_size"] * settings["downsample_factor"])) ** 2
    counted = tiled(grid, tile, settings, tokens)
    return replace(counted, markers=2 + counted.tiles)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP; pixel shuffle, a norm and a gated feed-forward."""
    merge, inner = whole(top, "downsample_factor", 2), whole(top, "alignment_intermediate_size", text_width)
    wide = merge**2 * whole(vision, "hidden_size")
    projector = (linear(wide, inner, "merged", vectors=2 * wide), linear(inner // 2, text_width, "merged"))
    return projected({"vision_use_head": False, **vision}, projector, merge)
