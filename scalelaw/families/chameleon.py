"""Chameleon: every image is cropped to 512 x 512 pixels and becomes 1024 discrete tokens.

    tokens = (512 / 16)^2

Source: arXiv 2405.09818, section 2.1; defaults of facebook/chameleon-7b.
Counts: the image tokens; markers: begin and end.
Leaves out: images that the model makes.
"""

from scalelaw.families._contract import fixed
from scalelaw.families._fixed_size import fixed_tokens, token_setting

MODEL_TYPES = ("chameleon",)
SETTINGS = (
    fixed("image_size", "side of the resized image", 512, "image.crop_size.height"),
    fixed("patch_size", "side of the square that one token stands for", 16),
    token_setting("image_seq_length", 1024, "processor.image_seq_length"),
)
count_image = fixed_tokens("image_seq_length", markers=2)
