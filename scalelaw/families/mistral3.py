"""Mistral Small 3.1 and later, Ministral 3: the image keeps its size up to 1540 pixels along its longer side.

    tokens = (height / 28) (width / 28), one for each 2 x 2 patches of 14 x 14 pixels

Source: the classes PixtralImageProcessor and PixtralProcessor of transformers; defaults of
mistralai/Mistral-Small-3.1-24B-Instruct-2503.
Counts: the image tokens; markers: a break after each row, and the end in place of the last.
Leaves out: the chat template.
"""

from scalelaw.families._vision import Fields, linear
from scalelaw.families.pixtral import STEP, count_image, longest_edge_settings, pixtral_tower
from scalelaw.model_shapes.reading import flag, whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("mistral3", "mistral_large4")
SETTINGS = longest_edge_settings(1540, 14, 2)
__all__ = ["MODEL_TYPES", "SETTINGS", "STEP", "count_image", "vision_shape"]


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Pixtral's encoder; 2 x 2 patches are merged by one matrix, then two more."""
    width, merge = whole(vision, "hidden_size"), whole(top, "spatial_merge_size", 2)
    bias = flag(top, "multimodal_projector_bias")
    projector = (
        linear(merge**2 * width, width, "merged", bias=False, vectors=width),
        linear(width, text_width, "merged", bias=bias),
        linear(text_width, text_width, "merged", bias=bias),
    )
    return VisionShape(
        "pixtral", (*pixtral_tower(vision), *projector), width, whole(vision, "patch_size"), merge
    )
