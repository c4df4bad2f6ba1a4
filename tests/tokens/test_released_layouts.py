"""Configurations as they are published with classes of their own: what they count, and the LLM that is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scalelaw.errors import InputError
from scalelaw.model_shapes.count_shape import read_parts
from scalelaw.tokens import count_tokens
from scalelaw.tokens.models import find_vision_model
from scalelaw.tokens.shapes import vision_shape_of

QWEN = {
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "tie_word_embeddings": False,
}
AIMV2 = {
    "model_type": "aimv2",
    "hidden_size": 1024,
    "image_size": 448,
    "intermediate_size": 2816,
    "num_attention_heads": 8,
    "num_hidden_layers": 24,
    "patch_size": 14,
    "qkv_bias": False,
    "use_bias": False,
}
SIGLIP = {
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "image_size": 384,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 27,
    "patch_size": 14,
}
TOKENIZER = {"model_type": "aimv2_visual_tokenizer", "hidden_stride": 2, "vocab_size": 65536}
MINICPM: dict[str, Any] = {
    "model_type": "minicpmv",
    "architectures": ["MiniCPMV"],
    "version": 2.6,
    "query_num": 64,
    "patch_size": 14,
    "slice_config": {"max_slice_nums": 9, "patch_size": 14, "model_type": "minicpmv"},
    "vision_config": {**SIGLIP, "model_type": "siglip", "image_size": 980},
    **QWEN,
    "vocab_size": 151666,
}
LAYOUTS: dict[str, tuple[dict[str, Any], str, int, str]] = {
    "minicpm-v-2.6": (MINICPM, "minicpm_v2", 64 * 9, "qwen2"),
    "minicpm-v-4.5": ({**MINICPM, "version": 4.5}, "minicpm_v2", 64 * 9, "qwen3"),
    "molmo-7b-d": (
        {"model_type": "molmo", "qkv_bias": True, **QWEN, "intermediate_size": 2 * 18944},
        "molmo",
        144 + 36 * 28,
        "qwen2",
    ),
    "ovis2-8b": (
        {
            "model_type": "ovis",
            "hidden_size": 3584,
            "llm_config": {"model_type": "qwen2", **QWEN},
            "visual_tokenizer_config": {**TOKENIZER, "backbone_config": AIMV2},
        },
        "ovis2",
        256 * 9,
        "qwen2",
    ),
    "ovis1.6-9b": (
        {
            "model_type": "ovis",
            "hidden_size": 3584,
            "llm_config": {"model_type": "qwen2", **QWEN},
            "visual_tokenizer_config": {**TOKENIZER, "backbone_config": SIGLIP},
        },
        "ovis2",
        196 * 9,
        "qwen2",
    ),
    "fastvlm-7b": (
        {"model_type": "llava_qwen2", "mm_vision_tower": "mobileclip_l_1024", "mm_hidden_size": 3072, **QWEN},
        "fast_vlm",
        256,
        "qwen2",
    ),
}


def written(folder: Path, config: dict[str, Any]) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_released_layout_is_counted(tmp_path: Path, name: str) -> None:
    config, family, tokens, llm = LAYOUTS[name]
    folder = written(tmp_path, config)
    answer = count_tokens(folder, ["1920x1080"])
    assert (answer.family, answer.visual_tokens) == (family, tokens)
    shape = read_parts(folder).shape
    assert (shape.family, shape.feed_forward) == (llm, 18944)


def params(folder: Path, config: dict[str, Any]) -> int:
    return vision_shape_of(find_vision_model(written(folder, config))).n_params


def test_the_encoder_of_minicpm_has_a_resampler(tmp_path: Path) -> None:
    siglip = 27 * (4 * 1152**2 + 2 * 1152 * 4304 + 9 * 1152 + 4304) + (3 * 14**2 + 1 + 70**2 + 2) * 1152
    resampler = 1152 * 3584 + 5 * 3584**2 + 4 * 3584 + 6 * 3584 + 64 * 3584
    assert params(tmp_path, MINICPM) == siglip + resampler
    dropped = params(tmp_path, {**MINICPM, "drop_vision_last_layer": True})
    assert siglip + resampler - dropped == 4 * 1152**2 + 2 * 1152 * 4304 + 9 * 1152 + 4304


def test_both_layouts_of_fast_vlm_have_one_encoder(tmp_path: Path) -> None:
    original = LAYOUTS["fastvlm-7b"][0]
    converted = {
        "model_type": "fast_vlm",
        "text_config": {"model_type": "qwen2", **QWEN},
        "vision_config": {"model_type": "timm_wrapper", "architecture": "fastvit_mci3"},
    }
    assert params(tmp_path, original) == params(tmp_path, converted) == 122714208 + 3585 * 3584 + 3073 * 3584


def test_another_encoder_of_the_same_type_is_refused(tmp_path: Path) -> None:
    config = {"model_type": "llava_qwen2", "mm_vision_tower": "google/siglip-so400m-patch14-384", **QWEN}
    with pytest.raises(InputError) as refusal:
        count_tokens(written(tmp_path, config), ["100x100"])
    assert refusal.value.code == "unsupported_family"
