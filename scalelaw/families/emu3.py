"""Emu3: sides become multiples of 8 pixels, the area stays within min_pixels and max_pixels; tokens are discrete.

    tokens = (height / 8) (width / 8 + 1), with a break after each row

Source: arXiv 2409.18869, section 2; defaults of the class Emu3ImageProcessor.
Counts: the discrete tokens and the row breaks among them.
Leaves out: begin, end and the size that is written as digits before them (it depends on the tokenizer).
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Setting, Settings, fixed
from scalelaw.families._smart_resize import resized_area

MODEL_TYPES = ("emu3",)
DOWNSAMPLING = 8
SETTINGS = (
    Setting(
        "min_pixels", "smallest area of a resized image", 262144, ("image.min_pixels",), "pixels", 1, 10**9
    ),
    Setting(
        "max_pixels", "largest area of a resized image", 1048576, ("image.max_pixels",), "pixels", 1, 10**9
    ),
    fixed("spatial_factor", "sides are multiples of this", 8, "image.spatial_factor"),
)


def STEP(settings: Settings) -> int:
    """The sides are multiples of this."""
    return int(settings["spatial_factor"])


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """A break after each row."""
    high, wide = resized_area(
        height, width, settings["spatial_factor"], settings["min_pixels"], settings["max_pixels"]
    )
    rows, columns = high // DOWNSAMPLING, wide // DOWNSAMPLING
    return Counted(wide, high, rows * columns, rows * (columns + 1))
