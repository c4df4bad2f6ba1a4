"""Gemma 4: the aspect ratio is kept, the area fills a budget of 70, 140, 280, 560 or 1120 tokens.

    tokens = (height / 48) (width / 48), one for each 3 x 3 patches of 16 x 16 pixels, at most max_soft_tokens

Source: the classes Gemma4ImageProcessor and Gemma4VideoProcessor of transformers, whose defaults these are.
Counts: the image tokens; markers: begin and end of the image, or of each frame.
Leaves out: the time stamps of a video's frames; the sampling of its frames; the chat template; audio.
"""

from __future__ import annotations

import math

from scalelaw.errors import InputError
from scalelaw.families._contract import Counted, Setting, Settings, fixed, refuse
from scalelaw.families._vision import Fields, patching
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import PROJECTOR, TOWER, Part, VisionShape

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


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Grouped queries, gated feed-forwards, four norms a layer; pooling as a product with a matrix of ones and zeros,
    as transformers computes it; one matrix at each token. Padding to the budget is left out."""
    if (kind := vision.get("model_type", "gemma4_vision")) != "gemma4_vision":
        raise InputError(
            f"No closed form is known for an encoder of the type '{kind}'.", code="unknown_encoder"
        )
    width, patch = whole(vision, "hidden_size"), whole(vision, "patch_size")
    heads, head = whole(vision, "num_attention_heads"), whole(vision, "head_dim")
    shared, merge = whole(vision, "num_key_value_heads", heads), whole(vision, "pooling_kernel_size", 3)
    layers, feed_forward = whole(vision, "num_hidden_layers"), whole(vision, "intermediate_size")
    weights = 2 * width * head * (heads + shared) + 3 * width * feed_forward
    positions = 2 * whole(vision, "position_embedding_size") * width
    parts = (
        patching(width, patch, vectors=positions),
        Part(
            TOWER,
            "patch",
            layers * weights,
            layers * (4 * width + 2 * head),
            2 * layers * heads * head,
            "tile",
        ),
        Part(PROJECTOR, "merged", width * text_width, 0, width, "pooled"),
    )
    return VisionShape("gemma4_vision", parts, width, patch, merge)
