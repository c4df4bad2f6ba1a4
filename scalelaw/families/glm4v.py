"""GLM-4.1V and GLM-4.5V: sides become multiples of 28 pixels, two copies of the image stay within limits.

    tokens = (height / 28) (width / 28), one for each 2 x 2 patches of 14 x 14 pixels; a video: times ceil(frames / 2)

An image counts as two frames, so its area stays within half of the limits. A side below 28 is enlarged first.
Source: arXiv 2507.01006, section 2; defaults of the classes Glm4vImageProcessor and Glm4vVideoProcessor.
Counts: one token for each 2 x 2 patches; two frames of a video share their tokens.
Leaves out: the begin and end of an image, which the chat template writes; the time stamps before the frames of a video;
the sampling of its frames.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Settings
from scalelaw.families._smart_resize import (
    merged,
    patch_settings,
    pixel_settings,
    resized_volume,
    step,
    steps_of,
)
from scalelaw.families._vision import Fields, blocks, linear, merged_shape, patching
from scalelaw.families.qwen2_vl import TEMPORAL
from scalelaw.model_shapes.reading import flag, whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("glm4v", "glm4v_moe", "glm46v")
SETTINGS = (
    *pixel_settings(12544, 11760000, legacy=False),
    *pixel_settings(12544, 47040000, part="video", legacy=False),
    *patch_settings(14, 2),
    TEMPORAL,
)
STEP = step


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """An image counts as `temporal_patch_size` frames."""
    limits, temporal = (settings["min_pixels"], settings["max_pixels"]), settings["temporal_patch_size"]
    high, wide = resized_volume(temporal, (height, width), step(settings), limits, temporal, video=False)
    return merged(high, wide, settings)


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """frames x height x width stays within the video's limits."""
    limits, temporal = (
        (settings["video_min_pixels"], settings["video_max_pixels"]),
        settings["temporal_patch_size"],
    )
    high, wide = resized_volume(frames, (height, width), step(settings), limits, temporal)
    return merged(high, wide, settings, steps=steps_of(frames, temporal), frames=frames)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Gated feed-forwards without biases; a convolution merges 2 x 2 patches, then a gated feed-forward."""
    width, out = whole(vision, "hidden_size"), whole(vision, "out_hidden_size")
    context, square = whole(vision, "intermediate_size"), whole(vision, "spatial_merge_size") ** 2
    positions = (whole(vision, "image_size") // whole(vision, "patch_size")) ** 2 * width
    first = patching(
        width,
        whole(vision, "patch_size"),
        whole(vision, "in_channels", 3),
        frames=whole(vision, "temporal_patch_size"),
        vectors=positions + 3 * width,
    )
    layers = blocks(
        whole(vision, "depth"), width, out, gated=True, norms=2,
        attention_biases=3 * flag(vision, "attention_bias"), mlp_bias=False, on="patch", within="image",
    )  # fmt: skip
    merger = (
        linear(square * width, out, "merged"),
        linear(out, out, "merged", bias=False, vectors=2 * out),
        linear(3 * out, context, "merged", bias=False),
    )
    return merged_shape(vision, (first, layers, *merger), width)
