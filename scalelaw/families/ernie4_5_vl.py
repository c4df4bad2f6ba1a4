"""ERNIE 4.5 VL: sides become multiples of 28 pixels, the area stays within min_pixels and max_pixels.

    tokens = (height / 28) (width / 28), one for each 2 x 2 patches of 14 x 14 pixels; a video: times ceil(frames / 2)

Source: the class Ernie4_5_VLMoeImageProcessor of transformers, whose defaults these are.
Counts: one token for each 2 x 2 patches; the resampler joins two frames of a video.
Leaves out: the begin and end of an image, which the chat template writes; the sampling of a video's frames, and the
time stamps drawn on them (an odd number of frames gets a copy of the last).
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Settings, fixed
from scalelaw.families._smart_resize import (
    count_area,
    merged,
    patch_settings,
    pixel_settings,
    resized_area,
    step,
)
from scalelaw.families._vision import Fields, blocks, linear, merged_shape, patching, square_side
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("ernie4_5_vl_moe",)
SETTINGS = (
    *pixel_settings(3136, 4842768, legacy=False),
    *pixel_settings(234416, 943936, part="video", legacy=False),
    *patch_settings(14, 2),
    fixed(
        "temporal_patch_size",
        "frames of a video that are joined",
        2,
        "config.vision_config.temporal_merge_size",
        "video.temporal_patch_size",
        unit="frames",
    ),
)
STEP = step
count_image = count_area


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """Each frame is resized alone; pairs are joined after the encoder."""
    limits, temporal = (
        (settings["video_min_pixels"], settings["video_max_pixels"]),
        settings["temporal_patch_size"],
    )
    high, wide = resized_area(height, width, step(settings), *limits)
    whole = frames + -frames % temporal
    one = merged(high, wide, settings, steps=whole, frames=whole)
    return Counted(wide, high, one.patches, one.visual_tokens // temporal, tiles=whole)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Full attention in every layer; three feed-forwards at each 2 x 2 patches, one of them over pairs of frames."""
    width, merge = whole(vision, "hidden_size"), whole(vision, "spatial_merge_size", 2)
    wide, frames = merge**2 * width, whole(vision, "temporal_merge_size", 2)
    parts = (
        patching(
            width, square_side(vision, "patch_size"), whole(vision, "in_channels", 3), vectors=2 * width
        ),
        blocks(whole(vision, "depth"), width, whole(vision, "intermediate_size"), on="patch", within="image"),
        linear(wide, wide, "merged"),
        linear(wide, wide, "merged", vectors=2 * wide),
        linear(frames * wide, wide, "merged"),
        linear(wide, wide, "merged", vectors=2 * wide),
        linear(wide, text_width, "merged", vectors=text_width),
    )
    return merged_shape(vision, parts, width)
