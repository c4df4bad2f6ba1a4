"""FastVLM: every image becomes 1024 x 1024 pixels and 256 tokens, one for each 64 x 64 pixels.

    tokens = (1024 / 64)^2

Source: arXiv 2412.13303, section 3; defaults of KamilaMila/FastVLM-0.5B.
Counts: one token for each position of the last stage of the encoder, a mix of convolutions and attention.
Leaves out: the chat template; the patches of the earlier stages.
"""

from scalelaw.families._contract import fixed
from scalelaw.families._fixed_size import one_token_a_patch

MODEL_TYPES = ("fast_vlm",)
SETTINGS = (
    fixed("image_size", "side of the resized image", 1024, "image.crop_size.height"),
    fixed("patch_size", "pixels along a side that become one token", 64, "processor.patch_size"),
)
count_image = one_token_a_patch
