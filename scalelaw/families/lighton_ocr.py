"""LightOnOCR: the image keeps its size up to 1540 pixels along its longer side; sides become multiples of 28 pixels.

    tokens = (height / 28) (width / 28), one for each 2 x 2 patches of 14 x 14 pixels, without breaks

Source: the class LightOnOcrProcessor of transformers; defaults of lightonai/LightOnOCR-1B-1025.
Counts: the image tokens.
Leaves out: the chat template.
"""

from __future__ import annotations

from dataclasses import replace

from scalelaw.families._contract import Counted, Settings
from scalelaw.families.mistral3 import vision_shape
from scalelaw.families.pixtral import STEP, longest_edge_settings
from scalelaw.families.pixtral import count_image as _count_pixtral

MODEL_TYPES = ("lighton_ocr",)
SETTINGS = longest_edge_settings(1540, 14, 2)
__all__ = ["MODEL_TYPES", "SETTINGS", "STEP", "count_image", "vision_shape"]


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """As Pixtral, without its row breaks."""
    return replace(_count_pixtral(width, height, settings), markers=0)
