"""Aria: the image becomes 980 (or 490) pixels along its longer side, or tiles of that size.

    tokens = 256 a tile (128 at 490 pixels), from a resampler with learned queries

Source: arXiv 2410.05993, section 2; defaults of rhymes-ai/Aria.
Counts: the image tokens. Images in one prompt are padded to the tiles of the largest.
Leaves out: the chat template.
"""

from __future__ import annotations

from scalelaw.families._any_resolution import best_canvas
from scalelaw.families._contract import Counted, Setting, Settings, fixed, switch

MODEL_TYPES = ("aria",)
TOKENS = {490: 128, 980: 256}
GRIDS = (
    *((1, n) for n in range(2, 9)),
    *((2, 4), (2, 3), (2, 2), (2, 1), (3, 1), (3, 2), (4, 1), (4, 2), (5, 1), (6, 1), (7, 1), (8, 1)),
)
CANVASES = tuple((490 * rows, 490 * columns) for rows, columns in GRIDS)
SETTINGS = (
    Setting("max_image_size", "longer side", 980, unit="pixels", allowed=(490, 980)),
    switch("split_image", "cut the image into tiles", False),
    fixed("split_resolutions", "canvases as height, width", CANVASES, "image.split_resolutions"),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size"),
)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """A tile is padded to a square."""
    side, canvas = settings["max_image_size"], (settings["max_image_size"],) * 2
    rows = columns = 1
    if settings["split_image"]:
        canvas = best_canvas(height, width, settings["split_resolutions"])
        rows, columns = (-(-length // side) for length in canvas)
    tiles = rows * columns
    patches = tiles * (side // settings["patch_size"]) ** 2
    return Counted(columns * side, rows * side, patches, tiles * TOKENS[side], 0, tiles, columns, rows)
