"""The rungs: counts in digits, shapes from a config, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scalelaw.errors import InputError
from scalelaw.ladder import from_config, from_fields, made_to_measure

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
