"""LLaVA-1.5 and ViP-LLaVA: every image becomes 336 x 336 pixels and 576 tokens, one for each patch.

    tokens = (336 / 14)^2

Source: arXiv 2310.03744, section 3; defaults of llava-hf/llava-1.5-7b-hf.
Counts: one token for each patch; the class token is dropped.
Leaves out: the chat template.
"""

from scalelaw.families._fixed_size import one_token_a_patch, square_settings

MODEL_TYPES = ("llava", "vipllava")
SETTINGS = square_settings(336, 14, image="image.crop_size.height")
count_image = one_token_a_patch
