"""Gemma 3n: every image becomes 768 x 768 pixels and 256 tokens.

    tokens = 256, from an encoder of convolutions whose last stage has 16 x 16 positions

Source: the class Gemma3nProcessor of transformers; defaults of google/gemma-3n-E4B-it.
Counts: the image tokens; markers: begin, end and the line breaks around the image. Patches are the positions of the
last stage.
Leaves out: the chat template; audio.
"""

from __future__ import annotations

from scalelaw.errors import InputError
from scalelaw.families._contract import fixed
from scalelaw.families._fixed_size import fixed_tokens, token_setting
from scalelaw.families._vision import Fields, linear
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import PROJECTOR, TOWER, Part, VisionShape

MODEL_TYPES = ("gemma3n",)
SETTINGS = (
    fixed("image_size", "side of the resized image", 768, "image.size.height"),
    fixed("patch_size", "pixels along a side of the last stage's positions", 48),
    token_setting(
        "image_seq_length", 256, "config.vision_soft_tokens_per_image", "processor.image_seq_length"
    ),
)
count_image = fixed_tokens("image_seq_length", markers=4)


MOBILENET = (294126912, 435741474816)
"""Parameters of mobilenetv5_300m_enc, and its multiply-adds of an image of 768 x 768 pixels; as counted by torch on the
encoder of timm 1.0.31."""


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """MobileNetV5, which sees images of one size only; a norm, a matrix at each token, and a further norm without a
    scale. The embeddings of a vocabulary of images, which are not used, are parameters, too."""
    named = str(vision.get("architecture") or "mobilenetv5_300m_enc")
    if not named.startswith("mobilenetv5_300m_enc"):
        raise InputError(f"No closed form is known for the encoder '{named[:60]}'.", code="unknown_encoder")
    params, work = MOBILENET
    width = whole(vision, "hidden_size", 2048)
    unused = (whole(vision, "vocab_size", 128) + 2) * width
    parts = (
        Part(TOWER, "nothing", params, work=lambda rows, columns: work),
        linear(width, text_width, "visual_token", bias=False),
        Part(PROJECTOR, "nothing", 0, unused),
    )
    return VisionShape("mobilenetv5_300m_enc", parts, width, 48)
