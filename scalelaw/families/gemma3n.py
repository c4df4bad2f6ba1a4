"""Gemma 3n: every image becomes 768 x 768 pixels and 256 tokens.

    tokens = 256, from an encoder of convolutions whose last stage has 16 x 16 positions

Source: the class Gemma3nProcessor of transformers; defaults of google/gemma-3n-E4B-it.
Counts: the image tokens; markers: begin, end and the line breaks around the image. Patches are the positions of the
last stage.
Leaves out: the chat template; audio.
"""

from __future__ import annotations

from scalelaw.families._contract import fixed
from scalelaw.families._fixed_size import fixed_tokens, token_setting

MODEL_TYPES = ("gemma3n",)
SETTINGS = (
    fixed("image_size", "side of the resized image", 768, "image.size.height"),
    fixed("patch_size", "pixels along a side of the last stage's positions", 48),
    token_setting(
        "image_seq_length", 256, "config.vision_soft_tokens_per_image", "processor.image_seq_length"
    ),
)
count_image = fixed_tokens("image_seq_length", markers=4)
