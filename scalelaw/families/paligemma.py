"""PaliGemma and PaliGemma 2: every image becomes a square of 224, 448 or 896 pixels, one token for each patch.

    tokens = (side / 14)^2: 256, 1024 or 4096; the side belongs to the checkpoint

Source: arXiv 2412.03555, section 3; defaults of google/paligemma2-3b-pt-224.
Counts: one token for each patch.
Leaves out: the prompt.
"""

from scalelaw.families._fixed_size import one_token_a_patch, square_settings

MODEL_TYPES = ("paligemma",)
SETTINGS = square_settings(224, 14)
count_image = one_token_a_patch
