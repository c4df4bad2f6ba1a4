"""MiniCPM-V 2.5 to 4.5 and MiniCPM-o 2.6: the whole image near 448 x 448 pixels in area, and slices of that area.

    tokens = 64 (slices + 1), from a resampler with learned queries; a patch is 14 x 14 pixels

Source: arXiv 2408.01800, section 3.1, and the processor beside the weights of openbmb/MiniCPM-V-2_6.
Counts: the image tokens; markers: begin and end of the image and of each slice, and the line breaks between rows.
Leaves out: the image's number, which is text; videos, which are given as frames; sound.
"""

from __future__ import annotations

from dataclasses import replace

from scalelaw.families._contract import Counted, Setting, Settings, fixed, switch
from scalelaw.families._vision import LAYER_NORM, Fields, linear, patch_tower
from scalelaw.families.minicpm_v import count_slices
from scalelaw.model_shapes.reading import flag, whole
from scalelaw.model_shapes.vision import PROJECTOR, Part, VisionShape

MODEL_TYPES = ("minicpmv", "minicpmo")
SETTINGS = (
    Setting(
        "max_slice_nums",
        "most slices of an image",
        9,
        ("image.max_slice_nums", "config.slice_config.max_slice_nums"),
        "slices",
        1,
        64,
    ),
    Setting(
        "scale_resolution",
        "side of the square whose area the image and each slice get",
        448,
        ("image.scale_resolution", "config.slice_config.scale_resolution"),
        "pixels",
        56,
        4096,
    ),
    switch("slice_mode", "cut a large image into slices", True, "image.slice_mode", "config.slice_mode"),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size", "image.patch_size"),
    fixed("query_num", "tokens of the image and of each slice", 64, "config.query_num", unit="tokens"),
)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Every slice becomes the same number of tokens."""
    counted = count_slices(
        width, height, settings, sliced=settings["slice_mode"], most=settings["max_slice_nums"]
    )
    return replace(counted, visual_tokens=counted.tiles * settings["query_num"])


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP on each slice; learned queries that attend to its patches, and a matrix at each of them."""
    width, patch = whole(vision, "hidden_size", 1152), whole(vision, "patch_size", 14)
    layers = whole(vision, "num_hidden_layers", 27) - flag(top, "drop_vision_last_layer")
    tower = {
        "image_size": 980, "intermediate_size": 4304, **vision,
        "hidden_size": width, "patch_size": patch, "num_hidden_layers": layers,
    }  # fmt: skip
    queries, out = whole(top, "query_num", 64), text_width

    def pairs(rows: int, columns: int) -> int:
        return 2 * out * queries * rows * columns

    parts = (
        *patch_tower(tower, (whole(tower, "image_size") // patch) ** 2),
        linear(width, out, "patch", bias=False),
        linear(out, out, "patch", times=2),
        linear(out, out, "visual_token", times=2),
        linear(out, out, "visual_token", bias=False),
        Part(PROJECTOR, "nothing", 0, (queries + 3 * LAYER_NORM) * out, work=pairs),
    )
    return VisionShape("siglip_vision_model", parts, width, patch)
