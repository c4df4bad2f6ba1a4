"""Molmo 2: the whole image at 378 x 378 pixels, and up to 8 overlapping crops of that size; features are pooled 2 x 2.

    tokens = rows x columns of pooled features of the whole image (14 x 14), and of the crops without their overlap

Crops overlap by 4 patches on each side. A frame of a video is 378 x 378 pixels, pooled 3 x 3: 81 tokens.
Source: arXiv 2601.10611, section 2; defaults of allenai/Molmo2-8B.
Counts: the pooled features; markers: begin and end of both parts, and a break after each row.
Leaves out: the time stamps of a video's frames; the sampling of its frames; the chat template.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from scalelaw.families._contract import Counted, Setting, Settings, fixed

MODEL_TYPES = ("molmo2",)
SETTINGS = (
    Setting(
        "max_crops", "most crops of an image, without the whole one", 8, ("image.max_crops",), "crops", 1, 64
    ),
    fixed("image_size", "side of a crop", 378, "image.size.height"),
    fixed("patch_size", "side of a patch", 14, "image.patch_size"),
    fixed(
        "overlap_margins", "overlap of crops, left and right", (4, 4), "image.overlap_margins", unit="patches"
    ),
    fixed(
        "pooling_size",
        "patches that become one token, along height and width",
        (2, 2),
        "image.pooling_size",
        unit="patches",
    ),
    fixed(
        "video_pooling_size",
        "patches of a frame that become one token",
        (3, 3),
        "video.pooling_size",
        unit="patches",
    ),
)


@lru_cache(maxsize=64)
def _grids(most: int) -> tuple[tuple[int, int], ...]:
    tilings = [(h, w) for h in range(1, most + 1) for w in range(1, most + 1) if h * w <= most]
    return tuple(sorted(tilings, key=lambda grid: (grid[0] * grid[1], grid[0])))


def _grid(height: int, width: int, window: int, most: int) -> tuple[int, int]:
    """(rows, columns) that need the least enlargement, or else the least reduction, in single precision."""
    candidates = _grids(most)
    sides = (np.array(candidates, dtype=np.int32) * np.int32(window)).astype(np.float32)
    with np.errstate(divide="ignore"):
        scales = np.min(sides / np.array([height, width], dtype=np.float32), axis=-1)
    if np.all(scales < 1):
        return candidates[int(np.argmax(scales))]
    return candidates[int(np.argmin(np.where(scales < 1.0, np.float32(1e10), scales)))]


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """The crops' features are laid side by side before they are pooled."""
    size, patch, margins = settings["image_size"], settings["patch_size"], sum(settings["overlap_margins"])
    pool_high, pool_wide = settings["pooling_size"]
    window, margin = (size // patch - margins) * patch, margins * patch
    rows, columns = _grid(height - margin, width - margin, window, settings["max_crops"])
    high, wide = rows * window + margin, columns * window + margin
    seen_rows, seen_columns = math.ceil(high // patch / pool_high), math.ceil(wide // patch / pool_wide)
    side_rows, side_columns = math.ceil(size // patch / pool_high), math.ceil(size // patch / pool_wide)
    images = rows * columns + 1
    tokens = side_rows * side_columns + seen_rows * seen_columns
    return Counted(
        wide, high, images * (size // patch) ** 2, tokens, 4 + side_rows + seen_rows, images, columns, rows
    )


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """Begin and end of each frame are markers."""
    size, side = settings["image_size"], settings["image_size"] // settings["patch_size"]
    pool_high, pool_wide = settings["video_pooling_size"]
    tokens = math.ceil(side / pool_high) * math.ceil(side / pool_wide)
    return Counted(size, size, frames * side**2, frames * tokens, 2 * frames, frames)
