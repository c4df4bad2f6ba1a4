"""GLM-OCR: sides become multiples of 28 pixels, two copies of the image stay within limits, as in GLM-4.1V.

    tokens = (height / 28) (width / 28), one for each 2 x 2 patches of 14 x 14 pixels

Source: the class Glm46VImageProcessor of transformers, which the model's files name; defaults of zai-org/GLM-OCR.
Counts: one token for each 2 x 2 patches; two frames of a video share their tokens.
Leaves out: the begin and end of an image, which the chat template writes; the sampling of a video's frames.
"""

from __future__ import annotations

from scalelaw.families._smart_resize import patch_settings, pixel_settings, step
from scalelaw.families._vision import LAYER_NORM, Fields, blocks, linear, merged_shape, patching
from scalelaw.families.glm4v import count_image, count_video
from scalelaw.families.qwen2_vl import TEMPORAL
from scalelaw.model_shapes.reading import flag, whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("glm_ocr",)
__all__ = ["MODEL_TYPES", "SETTINGS", "STEP", "count_image", "count_video", "vision_shape"]
SETTINGS = (
    *pixel_settings(12544, 9633792, legacy=False),
    *pixel_settings(12544, 47040000, part="video", legacy=False),
    *patch_settings(14, 2),
    TEMPORAL,
)
STEP = step


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Gated feed-forwards, normed queries and keys; a convolution merges 2 x 2 patches, then a gated feed-forward."""
    width, out = whole(vision, "hidden_size"), whole(vision, "out_hidden_size")
    channels, merge = whole(vision, "in_channels", 3), whole(vision, "spatial_merge_size")
    frames, bias = whole(vision, "temporal_patch_size"), flag(vision, "attention_bias", True)
    head = width // whole(vision, "num_heads", 16)
    layers = blocks(
        whole(vision, "depth"), width, whole(vision, "intermediate_size"), gated=True, norms=2,
        attention_biases=4 * bias, mlp_bias=bias, extra_vectors=2 * head, on="patch", within="image",
    )  # fmt: skip
    merger = (
        linear(merge**2 * width, out, "merged"),
        linear(out, out, "merged", bias=False, vectors=LAYER_NORM * out),
        linear(3 * out, channels * out, "merged", bias=False),
    )
    first = patching(width, whole(vision, "patch_size"), channels, frames=frames, vectors=2 * width)
    return merged_shape(vision, (first, layers, *merger), width)
