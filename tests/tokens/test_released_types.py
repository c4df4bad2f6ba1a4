"""The `model_type` of released configurations finds its family, remote code or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import scalelaw as sl
from scalelaw.tokens.models import find_vision_model

VL2_GRIDS = [[384, 384], [384, 768], [768, 384], [768, 768]]
RELEASED: list[tuple[str, dict[str, Any], str]] = [
    ("Qwen2-VL", {"model_type": "qwen2_vl"}, "qwen2_vl"),
    ("Qwen2.5-VL", {"model_type": "qwen2_5_vl"}, "qwen2_5_vl"),
    ("Qwen3-VL", {"model_type": "qwen3_vl"}, "qwen3_vl"),
    ("Qwen3-VL-30B-A3B", {"model_type": "qwen3_vl_moe"}, "qwen3_vl"),
    ("Qwen3.5", {"model_type": "qwen3_5"}, "qwen3_5"),
    ("InternVL3-8B", {"model_type": "internvl_chat"}, "internvl"),
    ("InternVL3-8B-hf", {"model_type": "internvl"}, "internvl"),
    ("llava-1.5-7b-hf", {"model_type": "llava"}, "llava"),
    ("llava-v1.6-hf", {"model_type": "llava_next"}, "llava_next"),
    ("llava-onevision-hf", {"model_type": "llava_onevision"}, "llava_onevision"),
    ("gemma-3", {"model_type": "gemma3"}, "gemma3"),
    ("gemma-3n", {"model_type": "gemma3n"}, "gemma3n"),
    ("gemma-4", {"model_type": "gemma4"}, "gemma4"),
    ("paligemma2", {"model_type": "paligemma"}, "paligemma"),
    ("SmolVLM2", {"model_type": "smolvlm"}, "smolvlm"),
    ("SmolVLM", {"model_type": "idefics3"}, "idefics3"),
    ("pixtral-12b", {"model_type": "llava", "vision_config": {"model_type": "pixtral"}}, "pixtral"),
    ("Mistral-Small-3.1", {"model_type": "mistral3"}, "mistral3"),
    ("GLM-4.1V", {"model_type": "glm4v"}, "glm4v"),
    ("GLM-4.5V", {"model_type": "glm4v_moe"}, "glm4v"),
    ("GLM-4.6V", {"model_type": "glm46v"}, "glm4v"),
    ("Llama-3.2-Vision", {"model_type": "mllama"}, "mllama"),
    ("Llama-4", {"model_type": "llama4"}, "llama4"),
    ("Molmo2", {"model_type": "molmo2"}, "molmo2"),
    ("deepseek-vl2", {"model_type": "deepseek_vl_v2", "candidate_resolutions": VL2_GRIDS}, "deepseek_vl2"),
    (
        "DeepSeek-OCR",
        {"model_type": "deepseek_vl_v2", "architectures": ["DeepseekOCRForCausalLM"]},
        "deepseek_ocr",
    ),
    ("Phi-4-multimodal", {"model_type": "phi4_multimodal"}, "phi4_multimodal"),
    ("Phi-4-multimodal-instruct", {"model_type": "phi4mm"}, "phi4_multimodal"),
    ("LFM2-VL", {"model_type": "lfm2_vl"}, "lfm2_vl"),
    ("FastVLM-hf", {"model_type": "fast_vlm"}, "fast_vlm"),
    ("Ovis2-hf", {"model_type": "ovis2"}, "ovis2"),
    ("Kimi-VL-A3B", {"model_type": "kimi_vl", "vision_config": {"merge_kernel_size": [2, 2]}}, "kimi_vl"),
    ("aya-vision", {"model_type": "aya_vision"}, "aya_vision"),
    ("command-a-vision", {"model_type": "cohere2_vision"}, "cohere2_vision"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "config", "family"), RELEASED, ids=[name for name, _, _ in RELEASED])
def test_a_released_type_finds_its_family(
    name: str, config: dict[str, Any], family: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"vision_config": {"image_size": None}, **config}))
    assert find_vision_model(str(tmp_path)).family == family
    assert sl.count_tokens(str(tmp_path), ["640x480"]).visual_tokens > 0


def test_the_grids_of_a_configuration_are_used(tmp_path: Path) -> None:
    config = {"model_type": "deepseek_vl_v2", "vision_config": {}, "candidate_resolutions": VL2_GRIDS}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert sl.count_tokens(str(tmp_path), ["300x3000"]).images[0]["tiles"] == 3


def test_modes_of_deepseek_ocr_have_their_tokens() -> None:
    """Rows of 8, 10, 16 and 20 tokens with a break each, and a separator."""
    for side, tokens in ((512, 73), (640, 111), (1024, 273), (1280, 421)):
        counted = sl.count_tokens(
            "deepseek-ocr", ["1920x1080"], settings={"crop_mode": False, "base_size": side}
        )
        assert counted.visual_tokens == tokens
