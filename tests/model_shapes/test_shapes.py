"""Model shapes: custom sizes, shapes from a config, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scalelaw.errors import InputError
from scalelaw.model_shapes import (
    custom_shape,
    from_config,
    from_fields,
    tower_from_config,
    tower_from_fields,
)

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


def test_a_custom_shape() -> None:
    shape = custom_shape("64x2", vocab=100)
    assert (shape.width, shape.layers, shape.heads, shape.head_size, shape.feed_forward) == (64, 2, 8, 8, 176)
    assert shape.n_params == 2 * (4 * 64 * 64 + 3 * 64 * 176) + 5 * 64 + 100 * 64


@pytest.mark.parametrize("spec", ["64", "x2", "63x2", "0x2", "64x0", "a64x2", "128x2.5"])
def test_an_impossible_custom_shape_is_refused(spec: str) -> None:
    with pytest.raises(InputError) as refusal:
        custom_shape(spec, vocab=100)
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
        ("[" * 100_000, "bad_config"),
        (json.dumps(LLAMA_2_7B).replace("11008", "9" * 5000), "bad_config"),
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


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"num_attention_heads": 0}, "num_attention_heads is 0, not between 1 and"),
    ({"num_hidden_layers": -1}, "num_hidden_layers is -1, not between 1 and"),
    ({"sliding_window": 0}, "sliding_window is 0, not between 1 and"),
    ({"hidden_size": 1e300}, "hidden_size is 1e+300, not between 1 and"),
    ({"hidden_size": 10**400}, "hidden_size is 100000"),
    ({"hidden_size": [4096]}, "hidden_size is [4096], not a number"),
    ({"num_experts": 1.5}, "num_experts is 1.5, not a whole number"),
    ({"num_experts": "many"}, "num_experts is 'many', not a number"),
    ({"num_experts": 8, "num_experts_per_tok": 0.5}, "num_experts_per_tok is 0.5, not a whole number"),
    ({"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": float("inf")}, "not a number"),
    ({"num_experts": 8, "num_experts_per_tok": 2, "decoder_sparse_step": 0}, "decoder_sparse_step is 0"),
    ({"num_experts": 8, "num_experts_per_tok": 2, "mlp_only_layers": 3}, "mlp_only_layers is 3, no list"),
    ({"num_experts": 8, "num_experts_per_tok": 2, "mlp_only_layers": [{}]}, "mlp_only_layers is {}, not a"),
    ({"num_experts": 8, "num_experts_per_tok": 2, "shared_expert_intermediate_size": -1}, "is -1, not between 0"),
    ({"tie_word_embeddings": "false"}, "tie_word_embeddings is 'false', not true or false"),
    ({"sliding_window": 9, "sliding_window_pattern": -3, "model_type": "gemma3_text"}, "sliding_window_pattern is -3"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "trouble"), WRONG)
def test_a_field_that_cannot_be_is_named(change: dict[str, Any], trouble: str) -> None:
    with pytest.raises(InputError, match="cannot be read") as refusal:
        from_fields({**LLAMA_2_7B, **change}, "x")
    assert refusal.value.code == "bad_config"
    assert trouble in refusal.value.message


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
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


TOWER: dict[str, Any] = {"model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304,
                         "num_hidden_layers": 27, "patch_size": 14, "image_size": 384}  # fmt: skip


def test_a_tower_from_its_fields() -> None:
    tower = tower_from_fields({"vision_config": TOWER}, "so400m")
    assert (tower.patches, tower.extra_tokens) == (729, 0)
    with pytest.raises(InputError, match="lacks the field 'patch_size'"):
        tower_from_fields({k: v for k, v in TOWER.items() if k != "patch_size"}, "so400m")


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ({"patch_size": "small"}, "patch_size is 'small', not a number"),
        ({"patch_size": 0}, "patch_size is 0, not between 1 and"),
        ({"patch_size": 500}, "a patch of 500 pixels does not fit into an image of 384"),
        ({"image_size": [384, 384]}, "image_size is [384, 384], not a number"),
        ({"image_size": float("inf")}, "image_size is inf, not a number"),
        ({"num_hidden_layers": 2.5}, "num_hidden_layers is 2.5, not a whole number"),
        ({"hidden_size": -4}, "hidden_size is -4"),
        ({"num_channels": 0}, "num_channels is 0"),
        ({"use_swiglu_ffn": "yes"}, "use_swiglu_ffn is 'yes', not true or false"),
        ({"mlp_ratio": "wide"}, "mlp_ratio is 'wide', not a number"),
        ({"num_register_tokens": -1}, "num_register_tokens is -1"),
    ],
)
def test_a_tower_that_cannot_be_says_why(change: dict[str, Any], trouble: str) -> None:
    with pytest.raises(InputError) as refusal:
        tower_from_fields({**TOWER, **change}, "so400m")
    assert refusal.value.code == "bad_config"
    assert trouble in refusal.value.message


def test_a_tower_is_read_from_its_config(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"vision_config": TOWER}))
    tower = tower_from_config(tmp_path)
    assert (tower.name, tower.patches) == (tmp_path.name, 729)
    wide = {key: value for key, value in TOWER.items() if key != "intermediate_size"}
    assert tower_from_fields({**wide, "mlp_ratio": 2.5}, "wide").feed_forward == 2880
    with pytest.raises(InputError, match="no model configuration at"):
        tower_from_config(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("kind", "change", "extra"),
    [
        ("llama", {}, 0),
        ("llama", {"attention_bias": True}, 32 * 4 * 4096),
        ("llama", {"mlp_bias": True}, 32 * (2 * 11008 + 4096)),
        ("qwen2", {}, 32 * 3 * 4096),
        ("mistral", {"attention_bias": True}, 0),
    ],
)
def test_biases_are_counted_where_the_architecture_has_them(
    kind: str, change: dict[str, Any], extra: int
) -> None:
    shape = from_fields({**LLAMA_2_7B, "model_type": kind, **change}, "x")
    assert shape.n_params == 6_738_415_616 + extra


@pytest.mark.parametrize(
    ("kind", "gated"), [("llama", True), ("gpt_neox", False), ("falcon", False), ("new", True)]
)
def test_the_architecture_says_whether_the_feed_forward_is_gated(kind: str, gated: bool) -> None:
    shape = from_fields({**LLAMA_2_7B, "model_type": kind}, "x")
    assert shape.gated == gated
    assert shape.block_params == 32 * (4 * 4096**2 + (3 if gated else 2) * 4096 * 11008)


def test_other_spellings_of_fields_are_read() -> None:
    shape = from_fields(
        {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257, "n_positions": 1024},
        "gpt2",
    )  # fmt: skip
    assert shape.n_params == 124_439_808
