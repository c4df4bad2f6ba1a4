"""Florence-2: every image becomes 768 x 768 pixels and 577 tokens, read by the encoder of an encoder-decoder model.

    tokens = (768 / 32)^2 + 1: the positions of the encoder's last stage, and their average

Source: arXiv 2311.06242, section 3.1; defaults of microsoft/Florence-2-large.
Counts: the image tokens; patches are the positions of the last of four stages.
Leaves out: the patches of the earlier stages; the prompt.
"""

from scalelaw.families._contract import fixed
from scalelaw.families._fixed_size import fixed_tokens, token_setting

MODEL_TYPES = ("florence2",)
SETTINGS = (
    fixed("image_size", "side of the resized image", 768, "image.size.height", "image.crop_size.height"),
    fixed("patch_size", "pixels along a side of the last stage's positions", 32),
    token_setting("image_seq_length", 577, "image.image_seq_length"),
)
count_image = fixed_tokens("image_seq_length")
