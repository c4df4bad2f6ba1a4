"""Llama 3.2 Vision: up to 4 tiles of 560 x 560 pixels; the LLM reads them by cross-attention.

    tokens = tiles (40 x 40 + 1), keys of the cross-attention layers; the LLM's sequence gets one token an image

The canvas is the one that needs the least enlargement; where all are too small, the least reduction.
Source: arXiv 2407.21783, section 7; defaults of meta-llama/Llama-3.2-11B-Vision-Instruct.
Counts: every patch and the class token of every tile that is no padding. markers: the one token in the sequence.
Leaves out: the tiles of padding, which are masked: the encoder computes 4 tiles for every image.
"""

from __future__ import annotations

import numpy as np

from scalelaw.families._contract import Counted, Settings, fixed
from scalelaw.families._vision import Fields
from scalelaw.model_shapes.reading import listed, whole
from scalelaw.model_shapes.vision import PROJECTOR, TOWER, Part, VisionShape

MODEL_TYPES = ("mllama",)
CROSS_ATTENTION = True
SETTINGS = (
    fixed(
        "max_image_tiles",
        "most tiles of an image",
        4,
        "config.vision_config.max_num_tiles",
        "image.max_image_tiles",
        unit="tiles",
    ),
    fixed("image_size", "side of a tile", 560, "config.vision_config.image_size", "image.size.height"),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size"),
)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """All tiles are of the image: it has no thumbnail."""
    most, tile = settings["max_image_tiles"], settings["image_size"]
    grids = [(w, h) for w in range(1, most + 1) for h in range(1, most + 1) if w * h <= most]
    canvases = np.array(grids) * tile
    scale_high, scale_wide = canvases[:, 0] / height, canvases[:, 1] / width
    scales = np.where(scale_wide > scale_high, scale_high, scale_wide)
    up = scales[scales >= 1]
    fitting = canvases[scales == (up.min() if len(up) else scales.max())]
    high, wide = (int(side) for side in fitting[np.argmin(fitting[:, 0] * fitting[:, 1])])
    rows, columns = high // tile, wide // tile
    tiles, patches = rows * columns, (tile // settings["patch_size"]) ** 2
    return Counted(wide, high, tiles * patches, tiles * (patches + 1), 1, tiles, columns, rows)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Every image is padded to the most tiles, each of its patches and a class token padded to a multiple of 8; all
    tokens of an image attend to each other, in the local layers and in the global ones behind them."""
    width, tiles = whole(vision, "hidden_size"), whole(vision, "max_num_tiles", 4)
    patch = whole(vision, "patch_size")
    patches = (whole(vision, "image_size") // patch) ** 2
    local, behind = whole(vision, "num_hidden_layers"), whole(vision, "num_global_layers")
    tokens = tiles * (-(-(patches + 1) // 8) * 8)
    ratios = len(listed(vision, "supported_aspect_ratios")) + 1
    tile_positions = ratios * tiles * width
    positions = 3 + width + (patches + 1) * width * (1 + ratios * tiles) + 2 * tile_positions + 4 * width
    feed_forward = whole(vision, "intermediate_size")
    layer = 4 * width**2 + 2 * width * feed_forward
    vectors = (local + behind) * (5 * width + feed_forward) + 2 * behind
    out = whole(vision, "vision_output_dim")
    pairs = (2 * (local + behind) * width + 1) * tokens**2  # 1: the mask, a product of two vectors
    parts = (
        Part(TOWER, "image", 3 * patch**2 * width, positions, times=tiles * patches),
        Part(TOWER, "image", (local + behind) * layer, vectors, pairs, "fixed", tokens),
        Part(PROJECTOR, "image", out * text_width, text_width, times=tiles * (patches + 1)),
    )
    return VisionShape("mllama_vision_model", parts, width, patch, extra_tokens=1)
