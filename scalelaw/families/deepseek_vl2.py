"""DeepSeek-VL2: a global view of 384 x 384 pixels, and tiles of that size in the grid that shows most of the image.

    tokens = 14 (14 + 1) + 1 + 14 rows (14 columns + 1), with a learned break after each row of tokens

Source: arXiv 2412.10302, section 2, and the processor beside the weights of deepseek-ai/deepseek-vl2 (23 grids).
Counts: the image tokens with the row breaks and the separator of the views. With more than two images in a prompt
every image is one tile.
Leaves out: the chat template; videos, which are given as frames.
"""

from __future__ import annotations

import math
from dataclasses import replace

from scalelaw.families._contract import Counted, Setting, Settings, fixed, refuse
from scalelaw.families._vision import (
    LAYER_NORM,
    Fields,
    blocks,
    inner_fields,
    linear,
    patching,
    pooled_head,
    vectors,
)
from scalelaw.model_shapes.reading import number_of, whole
from scalelaw.model_shapes.vision import PROJECTOR, VisionShape

MODEL_TYPES = ("deepseek_vl_v2",)
TOGETHER = True
CROPPED = 2
"""Images of a prompt that are still cut into tiles."""
TILE = 384
GRIDS = (
    (1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (1, 4), (4, 1), (2, 2), (1, 5), (5, 1), (1, 6), (6, 1), (2, 3), (3, 2),
    (1, 7), (7, 1), (1, 8), (8, 1), (2, 4), (4, 2), (1, 9), (9, 1), (3, 3),
)  # fmt: skip
SETTINGS = (
    Setting(
        "candidate_resolutions",
        "widths and heights of the grids",
        tuple((TILE * columns, TILE * rows) for columns, rows in GRIDS),
        ("config.candidate_resolutions", "processor.candidate_resolutions"),
        "pixels",
        knob=False,
    ),
    fixed("patch_size", "side of a patch", 14, "processor.patch_size"),
    fixed(
        "downsample_ratio",
        "patches along a side that become one token",
        2,
        "processor.downsample_ratio",
        unit="patches",
    ),
)


def count_image(width: int, height: int, settings: Settings, together: int = 1) -> Counted:
    """Refuses an image whose short side has no pixel left in a tile."""
    grids = settings["candidate_resolutions"]
    tile, patch = grids[0][0], settings["patch_size"]
    if max(width, height) >= 2 * tile * min(width, height):
        raise refuse(
            f"An image of {width} x {height} pixels has no pixel left in its short side at {tile} pixels."
        )
    wide, high = _best(width, height, grids) if together <= CROPPED else grids[0]
    columns, rows = wide // tile, high // tile
    side = math.ceil(tile // patch / settings["downsample_ratio"])
    tokens = side * (side + 1) + 1 + rows * side * (columns * side + 1)
    tiles = columns * rows + 1
    scale = min(wide / width, high / height)
    kept = int(width * scale), int(height * scale)
    return Counted(wide, high, tiles * (tile // patch) ** 2, tokens, 0, tiles, columns, rows, kept)


def _best(width: int, height: int, grids: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """The grid that shows most of the image; of equal ones the one with the least that is padded."""

    def shown(grid: tuple[int, int]) -> tuple[int, int]:
        scale = min(grid[0] / width, grid[1] / height)
        pixels = min(int(width * scale) * int(height * scale), width * height)
        return pixels, pixels - grid[0] * grid[1]

    return max(grids, key=shown)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP on each tile, with a pooling head that is in the weights but never run; two matrices at each 2 x 2
    patches, which are padded to an even side."""
    width, patch = whole(vision, "width", 1152), whole(vision, "patch_size", 14)
    layers, side = whole(vision, "layers", 27), whole(vision, "image_size", 384) // patch
    feed_forward = int(width * number_of("mlp_ratio", vision.get("mlp_ratio", 3.7362)))
    projector = inner_fields(top, "projector_config")
    merge, depth = whole(projector, "downsample_ratio", 2), whole(projector, "depth", 2)
    middle = int(text_width * number_of("mlp_ratio", projector.get("mlp_ratio", 1)))
    tokens = (-(-side // merge)) ** 2
    unused = sum(part.weights + part.vectors for part in pooled_head(width, feed_forward))
    parts = (
        patching(width, patch, vectors=(1 + LAYER_NORM + side**2) * width + unused),
        blocks(layers, width, feed_forward),
        vectors(2 * text_width, PROJECTOR),
        *(
            replace(linear(inside, outside, "tile"), times=tokens, vectors=outside)
            for inside, outside in (
                (merge**2 * width, middle),
                *[(middle, middle)] * (depth - 2),
                (middle, text_width),
            )
        ),
    )
    return VisionShape("siglip_so400m_patch14_384", parts, width, patch)
