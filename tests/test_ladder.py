"""The rungs: counts in digits, shapes from a config, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scalelaw.errors import InputError
from scalelaw.ladder import from_config, from_fields, made_to_measure, tower_from_fields

LLAMA_2_7B: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "intermediate_size": 11008,
    "vocab_size": 32000,
}


def test_llama_2_7b_has_6738415616_parameters() -> None:
    shape = from_fields(LLAMA_2_7B, "llama-2-7b")
    assert shape.n_params == 6_738_415_616
    assert shape.block_params == 6_476_005_376
    assert shape.embedding_params == 262_144_000


def test_a_rung_made_to_measure() -> None:
    shape = made_to_measure("64x2", vocab=100)
    assert (shape.width, shape.layers, shape.heads, shape.head_size, shape.feed_forward) == (64, 2, 8, 8, 176)
    assert shape.n_params == 2 * (4 * 64 * 64 + 3 * 64 * 176) + 5 * 64 + 100 * 64


@pytest.mark.parametrize("spec", ["64", "x2", "63x2", "0x2", "64x0", "a64x2", "128x2.5"])
def test_a_rung_that_cannot_be_made_is_refused(spec: str) -> None:
    with pytest.raises(InputError) as refusal:
        made_to_measure(spec, vocab=100)
    assert refusal.value.code == "bad_rung"


def test_a_config_is_read_from_a_file_or_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"text_config": LLAMA_2_7B}))
    assert from_config(folder) == from_config(folder / "config.json")
    assert from_config(folder).name == "my-model"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "bad_config"),
        ("[]", "bad_config"),
        ("{}", "bad_config"),
        (json.dumps({**LLAMA_2_7B, "hidden_size": "wide"}), "bad_config"),
        (json.dumps({**LLAMA_2_7B, "hidden_size": float("inf")}), "bad_config"),
        (json.dumps(LLAMA_2_7B).replace("11008", "1e999"), "bad_config"),
        (json.dumps({**LLAMA_2_7B, "hidden_size": 4096.7}), "bad_config"),
        (json.dumps({**LLAMA_2_7B, "vocab_size": True}), "bad_config"),
        (json.dumps({**LLAMA_2_7B, "layer_types": 5}), "bad_config"),
        (json.dumps({**LLAMA_2_7B, "layer_types": 5, "sliding_window": 9}), "bad_config"),
    ],
)
def test_a_config_that_cannot_be_read_gets_a_sentence(tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError) as refusal:
        from_config(tmp_path)
    assert refusal.value.code == code


def test_a_missing_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no model configuration at"):
        from_config(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1"),
        ({"sliding_window": 0}, "sliding_window is 0"),
        ({"num_key_value_heads": 5}, "32 attention heads do not share 5 key-value heads evenly"),
        ({"hidden_size": 4100}, "does not split into 32 heads"),
        ({"num_local_experts": 4, "num_experts_per_tok": 8}, "8 experts a token of 4"),
        ({"layer_types": ["full_attention"] * 3, "sliding_window": 9}, "3 layer_types for 32 layers"),
    ],
)
def test_a_config_that_contradicts_itself_says_how(change: dict[str, Any], trouble: str) -> None:
    with pytest.raises(InputError, match="contradicts itself") as refusal:
        from_fields({**LLAMA_2_7B, **change}, "x")
    assert trouble in refusal.value.message


@pytest.mark.parametrize(
    ("kind", "change", "windowed"),
    [
        ("qwen2", {}, 0),
        ("qwen3", {}, 0),
        ("qwen3_moe", {}, 0),
        ("mistral", {}, 32),
        ("qwen2", {"use_sliding_window": True}, 4),
        ("qwen3", {"use_sliding_window": True, "max_window_layers": 10}, 22),
        ("qwen2", {"use_sliding_window": True, "max_window_layers": 99}, 0),
        ("qwen2_moe", {"use_sliding_window": True, "max_window_layers": 9}, 5),
        ("qwen3_moe", {"use_sliding_window": True}, 32),
    ],
)
def test_windows_slide_where_transformers_slides_them(
    kind: str, change: dict[str, Any], windowed: int
) -> None:
    shape = from_fields({**LLAMA_2_7B, "model_type": kind, "sliding_window": 64, **change}, "x")
    assert (shape.window_layers, shape.window) == (windowed, 64 if windowed else None)


@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"])
def test_a_config_that_lacks_a_field_names_it(field: str) -> None:
    with pytest.raises(InputError, match=f"lacks the field '{field}'"):
        from_fields({k: v for k, v in LLAMA_2_7B.items() if k != field}, "x")


def test_a_tower_from_its_fields() -> None:
    fields = {"model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304,
              "num_hidden_layers": 27, "patch_size": 14, "image_size": 384}  # fmt: skip
    tower = tower_from_fields({"vision_config": fields}, "so400m")
    assert (tower.patches, tower.extra_tokens) == (729, 0)
    with pytest.raises(InputError, match="lacks the field 'patch_size'"):
        tower_from_fields({k: v for k, v in fields.items() if k != "patch_size"}, "so400m")
    with pytest.raises(InputError, match="not a number"):
        tower_from_fields({**fields, "patch_size": "small"}, "so400m")
