"""Aria: the image becomes 980 (or 490) pixels along its longer side, or tiles of that size.

    tokens = 256 a tile (128 at 490 pixels), from a resampler with learned queries

Source: arXiv 2410.05993, section 2; defaults of rhymes-ai/Aria.
Counts: the image tokens. Images in one prompt are padded to the tiles of the largest.
Leaves out: the chat template.
"""

from __future__ import annotations

from scalelaw.families._any_resolution import best_canvas
from scalelaw.families._contract import Counted, Setting, Settings, fixed, switch
from scalelaw.families._vision import Fields, inner_fields, linear, patch_tower
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import PROJECTOR, Part, VisionShape

MODEL_TYPES = ("aria",)
TOKENS = {490: 128, 980: 256}
QUERIES = {1225: 128, 4900: 256}
"""Of a tile, by its patches, where the configuration leaves them out."""
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


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP on each tile; learned queries that attend to its patches, and two matrices at each of them."""
    width, patch = whole(vision, "hidden_size"), whole(vision, "patch_size")
    declared = inner_fields(top, "projector_patch_to_query_dict") or QUERIES
    by_patches = {int(patches): int(queries) for patches, queries in declared.items()}
    queries = max(by_patches.values())

    def pairs(rows: int, columns: int) -> int:
        return 2 * width * rows * columns * by_patches.get(rows * columns, queries)

    norms = 6 * width
    parts = (
        *patch_tower(vision, (whole(vision, "image_size") // patch) ** 2),
        linear(width, width, "patch", bias=False, times=2),
        linear(width, width, "patch", times=2),
        linear(width, width, "visual_token", bias=False),
        linear(width, width, "visual_token", times=3),
        Part(PROJECTOR, "nothing", 0, queries * width + norms, work=pairs),
        linear(width, text_width, "visual_token", bias=False),
        linear(text_width, text_width, "visual_token", bias=False),
    )
    return VisionShape("idefics3_vision", parts, width, patch)
