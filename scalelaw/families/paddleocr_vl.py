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
