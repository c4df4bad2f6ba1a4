"""HunyuanVL and HunyuanOCR: sides become multiples of 32 pixels, the area stays within min_pixels and max_pixels.

    tokens = (height / 32) (width / 32 + 1) + 2: one for each 2 x 2 patches, a learned break after each row, begin
    and end

Source: the classes HunYuanVLImageProcessor and HunYuanVLProcessor of transformers, whose defaults these are.
Counts: all of them: the breaks, begin and end are made by the model and stand among the image's tokens.
Leaves out: the begin and end of an image that the chat template writes besides.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Settings
from scalelaw.families._smart_resize import count_area, patch_settings, pixel_settings, step

MODEL_TYPES = ("hunyuan_vl",)
SETTINGS = (*pixel_settings(262144, 4194304), *patch_settings(16, 2))
STEP = step


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """A break after each row of tokens; begin and end."""
    counted = count_area(width, height, settings)
    rows, columns = counted.resized_height // step(settings), counted.resized_width // step(settings)
    return Counted(counted.resized_width, counted.resized_height, counted.patches, rows * (columns + 1) + 2)
