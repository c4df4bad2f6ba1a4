"""Pixtral: the image keeps its size up to 1024 pixels along its longer side; sides become multiples of 16 pixels.

    tokens = (height / 16) (width / 16), one for each patch

Source: arXiv 2410.07073, section 2.1; defaults of mistral-community/pixtral-12b.
Counts: the image tokens; markers: a break after each row, and the end in place of the last.
Leaves out: the chat template.
"""

from __future__ import annotations

import math

from scalelaw.families._contract import Counted, Setting, Settings, fixed, refuse
from scalelaw.families._vision import Fields, blocks, linear, patching
from scalelaw.model_shapes.reading import flag, whole
from scalelaw.model_shapes.vision import Part, VisionShape

MODEL_TYPES = ("llava/pixtral",)


def longest_edge_settings(longest: int, patch: int, merge: int) -> tuple[Setting, ...]:
    return (
        Setting(
            "longest_edge",
            "longest side of a resized image",
            longest,
            ("image.size.longest_edge",),
            "pixels",
            1,
            10**5,
        ),
        fixed(
            "patch_size", "side of a patch", patch, "config.vision_config.patch_size", "processor.patch_size"
        ),
        fixed(
            "spatial_merge_size",
            "patches along a side that become one token",
            merge,
            "config.spatial_merge_size",
            "processor.spatial_merge_size",
            unit="patches",
        ),
    )


SETTINGS = longest_edge_settings(1024, 16, 1)


def STEP(settings: Settings) -> int:
    """The sides are multiples of this."""
    return int(settings["patch_size"] * settings["spatial_merge_size"])


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Sides are rounded up, after the reduction."""
    factor, longest = STEP(settings), settings["longest_edge"]
    ratio = max(height / longest, width / longest)
    if ratio > 1:
        height, width = math.floor(height / ratio), math.floor(width / ratio)
    if min(height, width) < 1:
        raise refuse("The image has no pixel left in its short side.")
    rows, columns = (height - 1) // factor + 1, (width - 1) // factor + 1
    patches = rows * columns * settings["spatial_merge_size"] ** 2
    return Counted(columns * factor, rows * factor, patches, rows * columns, rows)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Gated feed-forwards, no biases; two matrices at each patch."""
    width = whole(vision, "hidden_size")
    bias = flag(top, "multimodal_projector_bias", True)
    projector = (
        linear(width, text_width, "patch", bias=bias),
        linear(text_width, text_width, "patch", bias=bias),
    )
    return VisionShape("pixtral", (*pixtral_tower(vision), *projector), width, whole(vision, "patch_size"))


def pixtral_tower(vision: Fields) -> tuple[Part, ...]:
    """Norms without a shift; every patch of an image attends to every other."""
    width = whole(vision, "hidden_size")
    first = patching(width, whole(vision, "patch_size"), whole(vision, "num_channels", 3), vectors=width)
    layers = blocks(
        whole(vision, "num_hidden_layers"), width, whole(vision, "intermediate_size"), gated=True, norms=2,
        attention_biases=0, mlp_bias=False, on="patch", within="image",
    )  # fmt: skip
    return first, layers
