"""Janus and Janus-Pro: every image is padded to a square of 384 x 384 pixels, and takes 576 tokens.

    tokens = (384 / 16)^2

Source: arXiv 2410.13848, section 3.1; defaults of deepseek-community/Janus-Pro-1B.
Counts: the image tokens that are read; markers: begin and end.
Leaves out: images that the model makes; the chat template.
"""

from scalelaw.families._fixed_size import fixed_tokens, square_settings, token_setting

MODEL_TYPES = ("janus",)
SETTINGS = (*square_settings(384, 16), token_setting("num_image_tokens", 576, "processor.num_image_tokens"))
count_image = fixed_tokens("num_image_tokens", markers=2)
