"""PaliGemma and PaliGemma 2: every image becomes a square of 224, 448 or 896 pixels, one token for each patch.

    tokens = (side / 14)^2: 256, 1024 or 4096; the side belongs to the checkpoint

Source: arXiv 2412.03555, section 3; defaults of google/paligemma2-3b-pt-224.
Counts: one token for each patch.
Leaves out: the prompt.
"""

from scalelaw.families._fixed_size import one_token_a_patch, square_settings
from scalelaw.families._vision import Fields, linear, projected
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("paligemma",)
SETTINGS = square_settings(224, 14)
count_image = one_token_a_patch


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP and one matrix at each patch."""
    out = whole(vision, "projection_dim", text_width)
    projector = linear(whole(vision, "hidden_size"), out, "patch")
    return projected({"vision_use_head": False, **vision}, (projector,))
