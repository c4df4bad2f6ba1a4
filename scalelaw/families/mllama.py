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
