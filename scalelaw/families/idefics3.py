"""Idefics3: the longer side becomes 1456 pixels, the image is cut into tiles of 364 x 364 pixels, with a thumbnail.

    tokens = 169 (tiles + 1); a tile is 26 x 26 patches, of which 2 x 2 become one (pixel shuffle)

Source: arXiv 2408.12637, section 3.2; defaults of HuggingFaceM4/Idefics3-8B-Llama3.
Counts: the image tokens; markers: the token around images, the name of each tile, and the line breaks between rows.
Leaves out: the chat template.
"""

from __future__ import annotations

import math

from scalelaw.families._contract import Counted, Setting, Settings, fixed, switch
from scalelaw.families._vision import Fields, linear, projected
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("idefics3",)
LARGEST = 4096
"""Pixels of a side."""


def split_settings(longest: int, tile: int, patch: int, scale: int) -> tuple[Setting, ...]:
    """The settings of Idefics3 and of SmolVLM, which differ in their values."""
    return (
        Setting(
            "longest_edge",
            "longer side of a resized image",
            longest,
            ("image.size.longest_edge",),
            "pixels",
            1,
            LARGEST,
        ),
        switch("do_image_splitting", "cut the image into tiles", True, "image.do_image_splitting"),
        fixed(
            "max_image_size",
            "side of a tile",
            tile,
            "config.vision_config.image_size",
            "image.max_image_size.longest_edge",
        ),
        fixed("patch_size", "side of a patch", patch, "config.vision_config.patch_size"),
        fixed(
            "scale_factor",
            "patches along a side that become one token",
            scale,
            "config.scale_factor",
            unit="patches",
        ),
    )


SETTINGS = split_settings(1456, 364, 14, 2)


def resized(height: int, width: int, longest: int) -> tuple[int, int]:
    """The longer side becomes `longest`, the other even; never above 4096."""
    ratio = width / height
    if width >= height:
        width, height = longest, int(longest / ratio)
        height += height % 2
    else:
        height, width = longest, int(longest * ratio)
        width += width % 2
    height, width = max(height, 1), max(width, 1)
    ratio = width / height
    if width >= height and width > LARGEST:
        width, height = LARGEST, int(LARGEST / ratio)
    elif height > width and height > LARGEST:
        height, width = LARGEST, int(LARGEST * ratio)
    return max(height, 1), max(width, 1)


def _whole_tiles(height: int, width: int, tile: int) -> tuple[int, int]:
    ratio = width / height
    if width >= height:
        width = math.ceil(width / tile) * tile
        height = math.ceil(int(width / ratio) / tile) * tile
    else:
        height = math.ceil(height / tile) * tile
        width = math.ceil(int(height * ratio) / tile) * tile
    return height, width


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """One tile needs no thumbnail."""
    tile, patch = settings["max_image_size"], settings["patch_size"]
    tokens = (tile // patch // settings["scale_factor"]) ** 2
    rows = columns = 1
    kept = (tile, tile)
    if settings["do_image_splitting"]:
        first = resized(height, width, settings["longest_edge"])
        high, wide = _whole_tiles(*first, tile)
        rows, columns, kept = high // tile, wide // tile, (min(first[1], wide), min(first[0], high))
    images = rows * columns + 1 if rows * columns > 1 else 1
    markers = 3
    if images > 1:  # the last row's line break and the one before the thumbnail are one token
        markers += 2 * rows * columns + rows
    return Counted(
        columns * tile,
        rows * tile,
        images * (tile // patch) ** 2,
        images * tokens,
        markers,
        images,
        columns,
        rows,
        kept,
    )


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP on each tile; pixel shuffle and one matrix without a bias."""
    merge = whole(top, "scale_factor", 2)
    projector = linear(merge**2 * whole(vision, "hidden_size"), text_width, "merged", bias=False)
    tower = {**vision, "model_type": "siglip_vision_model", "vision_use_head": False}
    return projected(tower, (projector,), merge)
