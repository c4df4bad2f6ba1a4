"""Phi-4-multimodal: tiles of 448 x 448 pixels that hold the padded image, and a global view; padding makes no tokens.

    tokens = 256 + 1 + 16 for the global view, its separator and row breaks, + tokens of the image in the tiles + its
    rows

A tile is 32 x 32 patches, of which 2 x 2 become one token.
Source: arXiv 2503.01743, section 2.1, and the class Phi4MultimodalImageProcessor of transformers (at most 36 tiles).
Counts: the image tokens, with the learned separator and row breaks among them.
Leaves out: the chat template; audio.
"""

from __future__ import annotations

import math
from functools import lru_cache

from scalelaw.families._contract import Counted, Setting, Settings, fixed, refuse
from scalelaw.families._tiles import closest_grid
from scalelaw.families._vision import Fields, linear, projected
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("phi4_multimodal", "phi4mm")
SHORTEST = 10
"""Pixels of the resized image's shorter side."""
SETTINGS = (
    Setting(
        "dynamic_hd",
        "most tiles of an image, without the global view",
        36,
        ("image.dynamic_hd",),
        "tiles",
        1,
        64,
    ),
    fixed("image_size", "side of a tile", 448, "image.size.height"),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size", "image.patch_size"),
)


@lru_cache(maxsize=64)
def _grids(most: int) -> tuple[tuple[int, int], ...]:
    candidates = {
        (i, j)
        for n in range(1, most + 1)
        for i in range(1, n + 1)
        for j in range(1, n + 1)
        if i * j <= most and i * j >= 1
    }
    return tuple(sorted(candidates, key=lambda grid: grid[0] * grid[1]))


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Whole patches of padding are masked; of the mask every second row and column makes a token."""
    tile, patch, most = settings["image_size"], settings["patch_size"], settings["dynamic_hd"]
    columns, rows = math.ceil(width / float(tile)), math.ceil(height / float(tile))
    if columns * rows > most:
        columns, rows = closest_grid(width, height, (tile, tile), _grids(most))
    wide, high = columns * tile, rows * tile
    ratio_x, ratio_y = wide / width, high / height
    if ratio_x < ratio_y:
        inner_x, inner_y = wide, int(height * ratio_x)
    else:
        inner_x, inner_y = int(width * ratio_y), high
    if min(inner_x, wide) < SHORTEST or min(inner_y, high) < SHORTEST:
        raise refuse(
            f"An image of {width} x {height} pixels is too narrow: {inner_x} x {inner_y} pixels remain of it."
        )
    side = tile // patch
    seen_x = _kept(columns * side, wide - inner_x, patch, side)
    seen_y = _kept(rows * side, high - inner_y, patch, side)
    tokens = 256 + 1 + seen_x * seen_y + seen_y + 16
    tiles = columns * rows
    return Counted(wide, high, (tiles + 1) * side**2, tokens, 0, tiles + 1, columns, rows)


def _kept(patches: int, padding: int, patch: int, side: int) -> int:
    """Tokens along one direction: every second patch of each tile that is not padding."""
    seen = patches - math.floor(padding / patch) if padding >= patch else patches
    return sum(1 for position in range(seen) if position % side % 2 == 0)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP with its pooling head on each tile; features are averaged, then two matrices at each visual token."""
    tower = {**vision, "model_type": "siglip_vision_model", "vision_use_head": True}
    width = whole(vision, "hidden_size")
    projector = (
        linear(width, text_width, "visual_token", vectors=2 * width),
        linear(text_width, text_width, "visual_token"),
    )
    return projected(tower, projector)
