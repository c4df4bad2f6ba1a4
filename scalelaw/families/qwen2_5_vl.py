"""Qwen2.5-VL: sides become multiples of 28 pixels, the area stays within min_pixels and max_pixels.

    tokens = (height / 28) (width / 28), one for each 2 x 2 patches of 14 x 14 pixels; a video: times ceil(frames / 2)

Source: arXiv 2502.13923, section 2.1; defaults of Qwen/Qwen2.5-VL-7B-Instruct (preprocessor_config.json).
Counts: one token for each 2 x 2 patches; two frames of a video share their tokens.
Leaves out: the begin and end of an image, which the chat template writes; the sampling of a video's frames.
"""

from __future__ import annotations

from typing import Any

from scalelaw.families._vision import Fields, blocks, linear, merged_shape, patching
from scalelaw.families.qwen2_vl import SETTINGS, STEP, count_image, count_video
from scalelaw.model_shapes.reading import listed, whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("qwen2_5_vl", "qwen2_5_omni", "qwen2_5_omni_thinker")
__all__ = ["MODEL_TYPES", "SETTINGS", "STEP", "count_image", "count_video", "vision_shape"]


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Attention within windows of 112 x 112 pixels, but in four layers; gated feed-forwards, norms without a shift."""
    width, patch = whole(vision, "hidden_size"), whole(vision, "patch_size")
    merge, out = whole(vision, "spatial_merge_size"), whole(vision, "out_hidden_size")
    depth = whole(vision, "depth")
    everywhere = len({place for place in listed(vision, "fullatt_block_indexes") if place < depth})
    common: dict[str, Any] = {"gated": True, "norms": 2, "on": "patch"}
    feed_forward = whole(vision, "intermediate_size")
    parts = (
        patching(width, patch, frames=whole(vision, "temporal_patch_size")),
        blocks(everywhere, width, feed_forward, within="image", **common),
        blocks(depth - everywhere, width, feed_forward, within="window", **common),
        linear(merge**2 * width, merge**2 * width, "merged", vectors=width),
        linear(merge**2 * width, out, "merged"),
    )
    window = whole(vision, "window_size") // merge // patch * merge
    return merged_shape(vision, parts, width, window)
