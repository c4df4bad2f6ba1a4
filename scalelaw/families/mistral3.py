"""Mistral Small 3.1 and later, Ministral 3: the image keeps its size up to 1540 pixels along its longer side.

    tokens = (height / 28) (width / 28), one for each 2 x 2 patches of 14 x 14 pixels

Source: the classes PixtralImageProcessor and PixtralProcessor of transformers; defaults of
mistralai/Mistral-Small-3.1-24B-Instruct-2503.
Counts: the image tokens; markers: a break after each row, and the end in place of the last.
Leaves out: the chat template.
"""

from scalelaw.families.pixtral import STEP, count_image, longest_edge_settings

MODEL_TYPES = ("mistral3", "mistral_large4")
SETTINGS = longest_edge_settings(1540, 14, 2)
__all__ = ["MODEL_TYPES", "SETTINGS", "STEP", "count_image"]
