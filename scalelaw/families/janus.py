"""Janus and Janus-Pro: every image is padded to a square of 384 x 384 pixels, and takes 576 tokens.

    tokens = (384 / 16)^2

Source: arXiv 2410.13848, section 3.1; defaults of deepseek-community/Janus-Pro-1B.
Counts: the image tokens that are read; markers: begin and end.
Leaves out: images that the model makes; the chat template.
"""

from scalelaw.families._fixed_size import fixed_tokens, square_settings, token_setting
from scalelaw.families._vision import LAYER_NORM, Fields, blocks, linear, patching
from scalelaw.model_shapes.reading import flag, number_of, whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("janus",)
SETTINGS = (*square_settings(384, 16), token_setting("num_image_tokens", 576, "processor.num_image_tokens"))
count_image = fixed_tokens("num_image_tokens", markers=2)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP; its last norm once, then `depth` matrices at each patch. The encoder of made images is left out."""
    width, patch = whole(vision, "hidden_size"), whole(vision, "patch_size")
    layers = whole(vision, "num_hidden_layers")
    feed_forward = int(width * number_of("mlp_ratio", vision.get("mlp_ratio", 4.0)))
    out, depth = whole(vision, "projection_dim"), whole(vision, "depth")
    positions = (whole(vision, "image_size") // patch) ** 2
    normed = 2 * LAYER_NORM * width if flag(vision, "use_qk_norm") else 0
    parts = (
        patching(
            width, patch, whole(vision, "num_channels", 3), vectors=(1 + LAYER_NORM + positions) * width
        ),
        blocks(
            layers,
            width,
            feed_forward,
            attention_biases=1 + 3 * flag(vision, "attention_bias", True),
            extra_vectors=normed,
        ),
        linear(width, out, "patch"),
        *(linear(out, out, "patch") for _ in range(depth - 1)),
    )
    return VisionShape("janus_vision_model", parts, width, patch)
