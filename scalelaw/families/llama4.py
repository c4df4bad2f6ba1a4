"""Llama 4: up to 16 tiles of 336 x 336 pixels and a thumbnail.

    tokens = 144 (tiles + 1), or 144 for one tile; a tile is 24 x 24 patches, of which 2 x 2 become one (pixel shuffle)

The canvas is the one that needs the least enlargement; where all are too small, the least reduction.
Source: the classes Llama4ImageProcessor and Llama4Processor of transformers; defaults of
meta-llama/Llama-4-Scout-17B-16E-Instruct.
Counts: the image tokens; markers: begin, end, the thumbnail's, and the separators of columns and rows.
Leaves out: the chat template.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from scalelaw.families._contract import Counted, Setting, Settings, fixed, switch
from scalelaw.families._vision import Fields, blocks, linear, patching
from scalelaw.model_shapes.reading import number_of, whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("llama4",)
SETTINGS = (
    Setting(
        "max_patches",
        "most tiles of an image, without the thumbnail",
        16,
        ("image.max_patches",),
        "tiles",
        1,
        64,
    ),
    switch(
        "resize_to_max_canvas",
        "take the canvas that enlarges the image most",
        False,
        "image.resize_to_max_canvas",
    ),
    fixed("image_size", "side of a tile", 336, "config.vision_config.image_size", "image.size.height"),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size", "processor.patch_size"),
    fixed(
        "pixel_shuffle_ratio",
        "side of the pixel shuffle, inverse",
        0.5,
        "config.vision_config.pixel_shuffle_ratio",
        unit="1",
    ),
)


@lru_cache(maxsize=64)
def _grids(most: int) -> tuple[tuple[int, int], ...]:
    """(rows, columns), those of one ratio together."""
    by_ratio: dict[float, list[tuple[int, int]]] = {}
    for tiles in range(most, 0, -1):
        for rows in (n for n in range(1, tiles + 1) if tiles % n == 0):
            by_ratio.setdefault(rows / (tiles // rows), []).append((rows, tiles // rows))
    return tuple(grid for same in by_ratio.values() for grid in same)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Scales are compared in single precision, as the processor compares them."""
    tile = settings["image_size"]
    canvases = np.array(_grids(settings["max_patches"]), dtype=np.int64) * tile
    sides = canvases.astype(np.float32)
    scale_high, scale_wide = sides[:, 0] / np.float32(height), sides[:, 1] / np.float32(width)
    scales = np.where(scale_high > scale_wide, scale_wide, scale_high)
    up = scales[scales >= 1]
    if len(up):
        best = up.max() if settings["resize_to_max_canvas"] else up.min()
    else:
        best = scales.max()
    fitting = canvases[scales == best]
    high, wide = (int(side) for side in fitting[np.argmin(fitting[:, 0] * fitting[:, 1])])
    rows, columns = high // tile, wide // tile
    tiles = rows * columns
    patches, shuffled = (tile // settings["patch_size"]) ** 2, round(1 / settings["pixel_shuffle_ratio"] ** 2)
    images = tiles + 1 if tiles > 1 else 1
    markers = 3 + (rows * (columns - 1) + rows if tiles > 1 else 0)
    return Counted(
        wide, high, images * patches, images * (patches // shuffled), markers, images, columns, rows
    )


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Each tile: its patches and a class token; pixel shuffle, a feed-forward and one matrix without biases."""
    width, patch = whole(vision, "hidden_size"), whole(vision, "patch_size")
    patches = (whole(vision, "image_size") // patch) ** 2
    ratio = number_of("pixel_shuffle_ratio", vision.get("pixel_shuffle_ratio", 0.5))
    wide, inner = whole(vision, "intermediate_size"), whole(vision, "projector_output_dim")
    parts = (
        patching(width, patch, whole(vision, "num_channels", 3), vectors=(patches + 6) * width),
        blocks(whole(vision, "num_hidden_layers"), width, wide),
        linear(wide, inner, "merged", bias=False),
        linear(inner, inner, "merged", bias=False),
        linear(whole(vision, "vision_output_dim"), text_width, "merged", bias=False),
    )
    return VisionShape("llama4_vision_model", parts, width, patch, round(1 / ratio), extra_tokens=1)
