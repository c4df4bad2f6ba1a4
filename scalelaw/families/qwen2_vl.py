"""Qwen2-VL: sides become multiples of 28 pixels, the area stays within min_pixels and max_pixels.

    tokens = (height / 28) (width / 28), one for each 2 x 2 patches of 14 x 14 pixels; a video: times ceil(frames / 2)

Source: arXiv 2409.12191, section 2.1; defaults of Qwen/Qwen2-VL-7B-Instruct (preprocessor_config.json).
Counts: one token for each 2 x 2 patches; two frames of a video share their tokens.
Leaves out: the begin and end of an image, which the chat template writes; the sampling of a video's frames.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Setting, Settings
from scalelaw.families._smart_resize import (
    count_area,
    merged,
    patch_settings,
    pixel_settings,
    resized_area,
    step,
    steps_of,
)
from scalelaw.families._vision import Fields, blocks, linear, merged_shape, patching
from scalelaw.model_shapes.reading import number_of, whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("qwen2_vl",)
TEMPORAL = Setting(
    "temporal_patch_size",
    "frames of a video that become one step",
    2,
    ("config.vision_config.temporal_patch_size", "image.temporal_patch_size", "video.temporal_patch_size"),
    "frames",
    knob=False,
)
SETTINGS = (
    *pixel_settings(3136, 12845056),
    *pixel_settings(100352, 602112, part="video"),
    *patch_settings(14, 2),
    TEMPORAL,
)
STEP = step
count_image = count_area


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """Each frame is resized as an image is, within the video's own limits."""
    limits = settings["video_min_pixels"], settings["video_max_pixels"]
    high, wide = resized_area(height, width, step(settings), *limits)
    return merged(
        high, wide, settings, steps=steps_of(frames, settings["temporal_patch_size"]), frames=frames
    )


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Full attention in every layer; the merger's two matrices at each 2 x 2 patches."""
    width, square = whole(vision, "embed_dim"), whole(vision, "spatial_merge_size") ** 2
    ratio = number_of("mlp_ratio", vision.get("mlp_ratio", 4))
    layers = blocks(whole(vision, "depth"), width, int(width * ratio), on="patch", within="image")
    first = patching(
        width, whole(vision, "patch_size"), _channels(vision), frames=whole(vision, "temporal_patch_size")
    )
    wide, out = square * width, whole(vision, "hidden_size")
    merger = (linear(wide, wide, "merged", vectors=2 * width), linear(wide, out, "merged"))
    return merged_shape(vision, (first, layers, *merger), width)


def _channels(vision: Fields) -> int:
    """Of the pixels; the released files call them in_chans."""
    return whole(vision, "in_channels", whole(vision, "in_chans", 3))
