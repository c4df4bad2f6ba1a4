"""Kimi-VL: the image keeps its size up to 4,096 patches, then is padded to multiples of 28 pixels.

    tokens = (height / 28) (width / 28), one for each 2 x 2 patches of 14 x 14 pixels

Source: arXiv 2504.07491 (MoonViT) and the processor beside the weights of moonshotai/Kimi-VL-A3B-Instruct.
Counts: one token for each 2 x 2 patches, padding too.
Leaves out: the markers of an image, which the chat template writes; videos, which are given as frames.
"""

from __future__ import annotations

import math

from scalelaw.families._contract import Counted, Setting, Settings, fixed, refuse
from scalelaw.families._vision import Fields, blocks, linear, patching, square_side
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("kimi_vl",)
SIDE = 512
"""Positions along a side."""
SETTINGS = (
    Setting(
        "in_token_limit", "most patches before padding", 4096, ("image.in_token_limit",), "patches", 4, 10**6
    ),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size", "image.patch_size"),
    fixed(
        "merge_kernel_size",
        "patches along a side that become one token",
        2,
        "config.vision_config.merge_kernel_size",
        "image.merge_kernel_size",
        unit="patches",
    ),
)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Refuses an image with a side of more patches than the encoder has positions."""
    patch, limit = settings["patch_size"], settings["in_token_limit"]
    kept = width, height
    if (patches := (width // patch) * (height // patch)) > limit:
        scale = math.sqrt(limit / patches)
        kept = int(width * scale), int(height * scale)
    wide, high = (-(-side // STEP(settings)) * STEP(settings) for side in kept)
    if min(kept) < 1 or max(wide, high) // patch >= SIDE:
        raise refuse(
            f"An image of {width} x {height} pixels has {SIDE} patches or more along a side.",
            "Crop the image.",
        )
    tokens = (wide // STEP(settings)) * (high // STEP(settings))
    return Counted(wide, high, (wide // patch) * (high // patch), tokens, kept=kept)


def STEP(settings: Settings) -> int:
    """The sides are padded to multiples of this."""
    return int(settings["patch_size"] * settings["merge_kernel_size"])


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """MoonViT: full attention in every layer; a norm, and two matrices at each 2 x 2 patches."""
    width, patch = whole(vision, "hidden_size", 1152), whole(vision, "patch_size", 14)
    merge = square_side({"merge_kernel_size": 2, **vision}, "merge_kernel_size")
    positions = whole(vision, "init_pos_emb_height", 64) * whole(vision, "init_pos_emb_width", 64)
    layers, feed_forward = whole(vision, "num_hidden_layers", 27), whole(vision, "intermediate_size", 4304)
    parts = (
        patching(width, patch, vectors=(3 + positions) * width),
        blocks(layers, width, feed_forward, on="patch", within="image"),
        linear(merge**2 * width, merge**2 * width, "merged", vectors=2 * width),
        linear(merge**2 * width, text_width, "merged"),
    )
    return VisionShape("moonvit", parts, width, patch, merge)
