"""PaddleOCR-VL: sides become multiples of 28 pixels, the area stays within min_pixels and max_pixels.

    tokens = (height / 28) (width / 28), one for each 2 x 2 patches of 14 x 14 pixels

A side below 28 is enlarged first, with the other in proportion.
Source: the class PaddleOCRVLImageProcessor of transformers, whose defaults these are.
Counts: one token for each 2 x 2 patches.
Leaves out: the begin and end of an image, which the chat template writes.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Settings
from scalelaw.families._smart_resize import count_area, patch_settings, pixel_settings, step
from scalelaw.families._vision import Fields, blocks, linear, merged_shape, patching
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("paddleocr_vl",)
SETTINGS = (*pixel_settings(147456, 2359296), *patch_settings(14, 2))
STEP = step


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """A short side is enlarged to one step before all else."""
    factor = step(settings)
    if height < factor:
        width, height = round(width * factor / height), factor
    if width < factor:
        width, height = factor, round(height * factor / width)
    return count_area(width, height, settings)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP on images of any size; a norm and two matrices at each 2 x 2 patches."""
    width, square = whole(vision, "hidden_size"), whole(vision, "spatial_merge_size", 2) ** 2
    positions = (whole(vision, "image_size") // whole(vision, "patch_size")) ** 2 * width
    parts = (
        patching(
            width,
            whole(vision, "patch_size"),
            whole(vision, "num_channels", 3),
            vectors=positions + 3 * width,
        ),
        blocks(
            whole(vision, "num_hidden_layers"),
            width,
            whole(vision, "intermediate_size"),
            on="patch",
            within="image",
        ),
        linear(square * width, square * width, "merged", vectors=2 * width),
        linear(square * width, text_width, "merged"),
    )
    return merged_shape(vision, parts, width)
