"""LLaVA-1.5 and ViP-LLaVA: every image becomes 336 x 336 pixels and 576 tokens, one for each patch.

    tokens = (336 / 14)^2, and one for the class token where the model keeps it

Source: arXiv 2310.03744, section 3; defaults of llava-hf/llava-1.5-7b-hf.
Counts: one token for each patch.
Leaves out: the chat template.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelaw.families._contract import Counted, Settings, fixed
from scalelaw.families._fixed_size import square_settings
from scalelaw.families._vision import Fields, llava_shape
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("llava", "vipllava")
SELECTION = (
    fixed(
        "vision_feature_select_strategy",
        "default drops the class token, full keeps it",
        "default",
        "config.vision_feature_select_strategy",
        "processor.vision_feature_select_strategy",
        unit="",
    ),
    fixed(
        "num_additional_image_tokens",
        "class tokens of the encoder",
        1,
        "processor.num_additional_image_tokens",
        unit="tokens",
    ),
)
SETTINGS = (*square_settings(336, 14, image="image.crop_size.height"), *SELECTION)


def from_files(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """CLIP has a class token, SigLIP has none; asked where processor_config.json does not say."""
    kind = (files.get("config", {}).get("vision_config") or {}).get("model_type", "clip_vision_model")
    return {"num_additional_image_tokens": int(str(kind).startswith("clip"))}


def class_tokens(settings: Settings) -> int:
    """What the class token adds to the patches."""
    dropped = settings["vision_feature_select_strategy"] == "default"
    return int(settings["num_additional_image_tokens"]) - int(dropped)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Every image is cropped to the same square."""
    side = settings["image_size"]
    patches = (side // settings["patch_size"]) ** 2
    return Counted(side, side, patches, patches + class_tokens(settings))


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """A tower of fixed size; two matrices at each patch."""
    return llava_shape(vision, top, text_width)
