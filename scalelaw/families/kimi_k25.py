"""Kimi K2.5 and K2.6: the image keeps its size up to limits, then is padded to multiples of 28 pixels.

    tokens = (height / 28) (width / 28), one for each 2 x 2 patches of 14 x 14 pixels; a video: for each 4 frames once

Source: arXiv 2504.07491 (MoonViT) and the class Kimi_K25ImageProcessor of transformers, whose defaults these are.
Counts: one token for each 2 x 2 patches, padding too; four frames of a video share their tokens.
Leaves out: the time stamps and markers of a video's frames; the sampling of its frames; the chat template.
"""

from __future__ import annotations

import math
from dataclasses import replace

from scalelaw.families._contract import Counted, Setting, Settings
from scalelaw.families._smart_resize import merged, patch_settings, step
from scalelaw.families._vision import Fields, blocks, linear, patching, square_side
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("kimi_k25",)
SETTINGS = (
    Setting(
        "max_patches",
        "most patches of an image, before padding",
        16384,
        ("image.max_patches",),
        "patches",
        4,
        10**7,
    ),
    Setting(
        "max_side_patches", "most patches along a side", 512, ("image.size.max_height",), "patches", 2, 10**5
    ),
    Setting(
        "video_max_patches",
        "most patches of a frame, before padding",
        4096,
        ("video.max_patches",),
        "patches",
        4,
        10**7,
    ),
    Setting(
        "video_max_side_patches",
        "most patches along a frame's side",
        512,
        ("video.size.max_height",),
        "patches",
        2,
        10**5,
    ),
    *patch_settings(14, 2, "image.merge_size"),
    Setting(
        "temporal_patch_size",
        "frames of a video that share tokens",
        4,
        ("video.temporal_patch_size",),
        "frames",
        knob=False,
    ),
)
STEP = step


def _padded(height: int, width: int, settings: Settings, prefix: str = "") -> Counted:
    """One image or frame, before any sharing of tokens."""
    patch, most_side = settings["patch_size"], settings[f"{prefix}max_side_patches"]
    patches = max(1.0, height // patch) * max(1.0, width // patch)
    scale = min(
        1.0,
        math.sqrt(settings[f"{prefix}max_patches"] / patches),
        most_side * patch / height,
        most_side * patch / width,
    )
    factor = step(settings)
    inner = [min(max(1, int(side * scale)), most_side * patch) for side in (height, width)]
    high, wide = ((factor - side % factor) % factor + side for side in inner)
    return replace(merged(high, wide, settings), kept=(inner[1], inner[0]))


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Never enlarged; padded on the right and below."""
    return _padded(height, width, settings)


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """The encoder sees every frame; the tokens of four are averaged."""
    one = _padded(height, width, settings, "video_")
    chunks = math.ceil(frames / settings["temporal_patch_size"])
    return replace(one, patches=frames * one.patches, visual_tokens=chunks * one.visual_tokens, tiles=frames)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Full attention in every layer; a norm and two matrices at each 2 x 2 patches."""
    width, patch = whole(vision, "hidden_size"), whole(vision, "patch_size")
    merge = square_side(vision, "merge_kernel_size")
    positions = whole(vision, "pos_emb_height", 64) * whole(vision, "pos_emb_width", 64) * width
    parts = (
        patching(width, patch, vectors=3 * width + positions),
        blocks(
            whole(vision, "num_hidden_layers"),
            width,
            whole(vision, "intermediate_size"),
            on="patch",
            within="image",
        ),
        linear(merge**2 * width, merge**2 * width, "merged", vectors=2 * width),
        linear(merge**2 * width, text_width, "merged"),
    )
    return VisionShape("kimi_k25_vision", parts, width, patch, merge)
