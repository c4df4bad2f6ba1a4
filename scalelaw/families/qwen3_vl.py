"""Qwen3-VL, dense and mixture of experts: sides become multiples of 32 pixels, the area stays within limits.

    tokens = (height / 32) (width / 32), one for each 2 x 2 patches of 16 x 16 pixels; a video: times ceil(frames / 2)

The limits of a video hold for frames x height x width together.
Source: arXiv 2511.21631; defaults of Qwen/Qwen3-VL-8B-Instruct (preprocessor_config.json,
video_preprocessor_config.json).
Counts: one token for each 2 x 2 patches; two frames of a video share their tokens. The deep-stacked features are
added to the same tokens and make no more of them.
Leaves out: the begin and end of an image, which the chat template writes; the time stamps that the processor writes
before the frames of a video; the sampling of its frames.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Settings, switch
from scalelaw.families._smart_resize import (
    count_area,
    merged,
    patch_settings,
    pixel_settings,
    resized_volume,
    step,
    steps_of,
)
from scalelaw.families._vision import Fields, blocks, linear, merged_shape, patching
from scalelaw.families.qwen2_vl import TEMPORAL
from scalelaw.model_shapes.reading import listed, whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("qwen3_vl", "qwen3_vl_moe")
SETTINGS = (
    *pixel_settings(65536, 16777216),
    *pixel_settings(4096, 25165824, part="video", legacy=False),
    switch(
        "cap_pixels_per_frame",
        "limit the pixels of each frame of a video, as qwen-vl-utils does",
        False,
        "video.cap_pixels_per_frame",
    ),
    *patch_settings(16, 2),
    TEMPORAL,
)
TOKENS_PER_FRAME = 768
STEP = step
count_image = count_area


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """frames x height x width stays within the video's limits."""
    factor, temporal = step(settings), settings["temporal_patch_size"]
    fewest, most = settings["video_min_pixels"], settings["video_max_pixels"]
    if settings["cap_pixels_per_frame"]:
        per_frame = max(min(TOKENS_PER_FRAME * factor**2, most // frames), int(fewest * 1.05))
        most = per_frame * frames
    high, wide = resized_volume(frames, (height, width), factor, (fewest, most), temporal)
    return merged(high, wide, settings, steps=steps_of(frames, temporal), frames=frames)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Full attention in every layer; a merger, and one more for each layer whose features are deep-stacked."""
    width, square = whole(vision, "hidden_size"), whole(vision, "spatial_merge_size") ** 2
    wide, out = square * width, whole(vision, "out_hidden_size")
    deep = len(listed(vision, "deepstack_visual_indexes"))
    positions = whole(vision, "num_position_embeddings") * width
    parts = (
        patching(
            width,
            whole(vision, "patch_size"),
            frames=whole(vision, "temporal_patch_size"),
            vectors=width + positions,
        ),
        blocks(whole(vision, "depth"), width, whole(vision, "intermediate_size"), on="patch", within="image"),
        linear(wide, wide, "merged", vectors=2 * width),
        linear(wide, out, "merged"),
        linear(wide, wide, "merged", vectors=2 * wide, times=deep),
        linear(wide, out, "merged", times=deep),
    )
    return merged_shape(vision, parts, width)
