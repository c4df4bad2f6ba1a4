"""FastVLM: every image becomes 1024 x 1024 pixels and 256 tokens, one for each 64 x 64 pixels.

    tokens = (1024 / 64)^2

Source: arXiv 2412.13303, section 3; defaults of KamilaMila/FastVLM-0.5B.
Counts: one token for each position of the last stage of the encoder, a mix of convolutions and attention.
Leaves out: the chat template; the patches of the earlier stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelaw.errors import InputError
from scalelaw.families._contract import fixed
from scalelaw.families._fixed_size import one_token_a_patch
from scalelaw.families._vision import Fields, linear
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import TOWER, Part, VisionShape

MODEL_TYPES = ("fast_vlm", "llava_qwen2")
SETTINGS = (
    fixed("image_size", "side of the resized image", 1024, "image.crop_size.height"),
    fixed("patch_size", "pixels along a side that become one token", 64, "processor.patch_size"),
)
count_image = one_token_a_patch


def from_files(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The side of the image from the encoder's name in the released layout, `mobileclip_l_1024`."""
    config = files.get("config", {})
    if config.get("model_type") != "llava_qwen2":
        return {}
    named = str(config.get("mm_vision_tower") or "")
    _, known, size = named.rpartition("mobileclip_l_")
    if not known or not size.isdecimal() or len(size) > 4:
        raise InputError(
            f"Of llava_qwen2 only FastVLM is known, whose encoder is mobileclip_l_1024; it is '{named[:60]}'.",
            code="unsupported_family",
        )
    return {"image_size": int(size)}


FASTVIT = (122714208, 1179648, 923857920, 104448)
"""Parameters of fastvit_mci3, and its multiply-adds: of an image, of a token and of a pair of the last stage's tokens;
as counted by torch on timm 1.0.31's encoder without training branches, at 512, 768, 1024 and 1536 pixels."""
WIDTH = 3072


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """FastViTHD, whose every released size has the same; two matrices at each token."""
    named = str(vision.get("architecture") or "fastvit_mci3")
    if not named.startswith("fastvit_mci3"):
        raise InputError(f"No closed form is known for the encoder '{named[:60]}'.", code="unknown_encoder")
    params, of_image, of_token, of_pair = FASTVIT

    def work(rows: int, columns: int) -> int:
        return of_image + of_token * rows * columns + of_pair * (rows * columns) ** 2

    width = whole(vision, "hidden_size", WIDTH)
    parts = (
        Part(TOWER, "nothing", params, work=work),
        linear(width, text_width, "patch"),
        linear(text_width, text_width, "patch"),
    )
    return VisionShape("fastvit_mci3", parts, width, 64)
