"""Configurations as they are released, and types that nothing here knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scalelaw.errors import InputError
from scalelaw.plan import find_cost, find_models

QWEN2_VL: dict[str, Any] = {
    "architectures": ["Qwen2VLForConditionalGeneration"],
    "model_type": "qwen2_vl",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "max_window_layers": 28,
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "sliding_window": 32768,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
    "vision_config": {"depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16, "in_chans": 3,
                      "hidden_size": 3584, "patch_size": 14, "spatial_merge_size": 2, "spatial_patch_size": 14,
                      "temporal_patch_size": 2},
    "vocab_size": 152064,
}  # fmt: skip
"""The fields of the released Qwen/Qwen2-VL-7B-Instruct."""


def config(folder: Path, fields: dict[str, Any], name: str = "m") -> str:
    path = folder / name / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(fields))
    return str(path)


def test_a_flat_qwen2_vl_is_qwen2_with_its_own_encoder(tmp_path: Path) -> None:
    bill, (same,) = find_cost(config(tmp_path, QWEN2_VL), 256), find_models("qwen2.5-7b")
    assert same.shape is not None
    assert bill.n_params_exact == same.shape.n_params == 7_615_616_512
    assert bill.tower is not None
    assert "clip" not in bill.tower
    assert not {"assumed_encoder", "counted", "flat_config"} & {code for code, _ in bill.warnings}
    assert {part["part"]: part["flops"] for part in bill.parts}["tower"] > 1e12


@pytest.mark.parametrize("kind", ["qwen9_vl", "odd", "t5"])
def test_a_model_that_cannot_be_counted_gets_a_sentence_of_our_own(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("torch")
    vision = {**QWEN2_VL["vision_config"], "model_type": kind}
    llama = {**QWEN2_VL, "model_type": "llama"}
    for number, fields in enumerate(
        (
            {**QWEN2_VL, "model_type": kind},
            {**llama, "vision_config": vision},
            {**llama, "vision_config": {**vision, "image_size": 224, "model_type": kind}},
        )
    ):
        path = config(tmp_path, fields, f"m{number}")
        with pytest.raises(InputError) as caught:
            find_cost(path, 16)
        text = f"{caught.value.message} {caught.value.hint}"
        assert caught.value.code in ("cannot_count", "bad_config", "unknown_encoder")
        for foreign in ("Error", "Transformers does", "<class", "checkpoint you", "AutoModel", "Traceback"):
            assert foreign not in text


def test_models_in_folders_of_the_same_name_have_names_of_their_own(tmp_path: Path) -> None:
    paths = [config(tmp_path, QWEN2_VL, f"{name}/llm") for name in ("a", "b")]
    assert [model.name for model in find_models(paths)] == ["a/llm", "b/llm"]
    cached = config(tmp_path, QWEN2_VL, "models--Qwen--Qwen2-VL-7B/snapshots/0123abc")
    assert find_cost(cached, 256).model == "Qwen/Qwen2-VL-7B"


def test_a_bill_has_one_number_type_of_the_cache() -> None:
    with pytest.raises(InputError) as caught:
        find_cost("qwen1.5-7b", 16, cache_dtype="fp8,int4")
    assert caught.value.code == "bad_workload"
    assert "fp8, int4" in caught.value.message
    assert find_cost("qwen1.5-7b", 16, cache_dtype="fp8").flops == find_cost("qwen1.5-7b", 16).flops
