"""Gemma 4: the aspect ratio is kept, the area fills a budget of 70, 140, 280, 560 or 1120 tokens.

    tokens = (height / 48) (width / 48), one for each 3 x 3 patches of 16 x 16 pixels, at most max_soft_tokens

Source: the classes Gemma4ImageProcessor and Gemma4VideoProcessor of transformers, whose defaults these are.
Counts: the image tokens; markers: begin and end of the image, or of each frame.
Leaves out: the time stamps of a video's frames; the sampling of its frames; the chat template; audio.
"""

from __future__ import annotations

import math

from scalelaw.families._contract import Counted, Setting, Settings, fixed, refuse

MODEL_TYPES = ("gemma4", "gemma4_unified")
BUDGETS = (70, 140, 280, 560, 1120)
SETTINGS = (
    Setting(
        "max_soft_tokens",
        "most tokens of an image",
        280,
        ("image.max_soft_tokens",),
        "tokens",
        allowed=BUDGETS,
    ),
    Setting(
        "video_max_soft_tokens",
        "most tokens of a frame",
        70,
        ("video.max_soft_tokens",),
        "tokens",
        allowed=BUDGETS,
    ),
    fixed("patch_size", "side of a patch", 16, "config.vision_config.patch_size", "image.patch_size"),
    fixed(
        "pooling_kernel_size",
        "patches along a side that become one token",
        3,
        "config.vision_config.pooling_kernel_size",
        "image.pooling_kernel_size",
        unit="patches",
    ),
)


def STEP(settings: Settings) -> int:
    """The sides are multiples of this."""
    return int(settings["patch_size"] * settings["pooling_kernel_size"])


def _resized(height: int, width: int, budget: int, settings: Settings, *, video: bool) -> tuple[int, int]:
    patch, pool, side = settings["patch_size"], settings["pooling_kernel_size"], STEP(settings)
    most = budget * pool**2
    factor = math.sqrt(most * patch**2 / (height * width))
    high = math.floor(factor * height / side) * side
    wide = math.floor(factor * width / side) * side
    longest = most // pool**2 * side
    if high == 0 and wide == 0:
        raise refuse(f"An image of {width} x {height} pixels becomes 0 x 0 pixels.", video=video)
    if high == 0:
        high, wide = side, min(math.floor(width / height) * side, longest)
    elif wide == 0:
        high, wide = min(math.floor(height / width) * side, longest), side
    if high * wide > most * patch**2:
        raise refuse(
            f"An image of {width} x {height} pixels needs {high} x {wide} pixels, above the budget of {budget} tokens.",
            video=video,
        )
    return high, wide


def _count(height: int, width: int, budget: int, settings: Settings, frames: int, *, video: bool) -> Counted:
    high, wide = _resized(height, width, budget, settings, video=video)
    patches = (high // settings["patch_size"]) * (wide // settings["patch_size"])
    tokens = patches // settings["pooling_kernel_size"] ** 2
    return Counted(wide, high, frames * patches, frames * tokens, 2 * frames, frames)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """The image is enlarged to the budget, too."""
    return _count(height, width, settings["max_soft_tokens"], settings, 1, video=False)


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """Each frame has a budget of its own."""
    return _count(height, width, settings["video_max_soft_tokens"], settings, frames, video=True)
