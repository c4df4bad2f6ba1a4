"""Fuyu: patches of 30 x 30 pixels go into the LLM without an encoder; images keep their size up to 1920 x 1080.

    tokens = ceil(height / 30) ceil(width / 30), one for each patch

Source: the Fuyu-8B release (adept.ai/blog/fuyu-8b) and the class FuyuProcessor of transformers; defaults of
adept/fuyu-8b.
Counts: one token for each patch; markers: a break after each row, and the begin of the text.
Leaves out: nothing of the image.
"""

from __future__ import annotations

import math

from scalelaw.families._contract import Counted, Setting, Settings, fixed, refuse
from scalelaw.families._vision import Fields, linear
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("fuyu",)
SETTINGS = (
    Setting("height", "largest height", 1080, ("image.size.height",), "pixels", 30, 10**5),
    Setting("width", "largest width", 1920, ("image.size.width",), "pixels", 30, 10**5),
    fixed("patch_size", "side of a patch", 30, "config.patch_size", "image.patch_size.height"),
)


def STEP(settings: Settings) -> int:
    """Sides are padded to multiples of this."""
    return int(settings["patch_size"])


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Reduced to the canvas, never enlarged."""
    patch, most_high, most_wide = settings["patch_size"], settings["height"], settings["width"]
    inner_high, inner_wide = height, width
    if width > most_wide or height > most_high:
        scale = min(most_high / height, most_wide / width)
        inner_high, inner_wide = int(height * scale), int(width * scale)
    if min(inner_high, inner_wide) < 1:
        raise refuse(f"An image of {width} x {height} pixels has no pixel left in its short side.")
    rows, columns = math.ceil(inner_high / patch), math.ceil(inner_wide / patch)
    for side, most in ((rows * patch, most_high), (columns * patch, most_wide)):
        if side > most:
            raise refuse(f"The image fills {most} pixels, which is no multiple of {patch}.")
    return Counted(
        columns * patch, rows * patch, rows * columns, rows * columns, rows + 1, kept=(inner_wide, inner_high)
    )


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """There is no encoder: one matrix at each patch."""
    patch = whole(top, "patch_size", 30)
    projector = linear(whole(top, "num_channels", 3) * patch**2, text_width, "patch")
    return VisionShape("none", (projector,), text_width, patch)
