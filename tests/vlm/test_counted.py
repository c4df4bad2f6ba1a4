"""An architecture that the closed form does not know is counted, and billed as counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from scalelaw.costs import _llm
from scalelaw.errors import InputError
from scalelaw.ladder import FAMILIES, from_config
from scalelaw.vlm.counted import count_shape

NEOX: dict[str, Any] = {
    "model_type": "gpt_neox",
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}


def write(folder: Path, fields: dict[str, Any]) -> Path:
    (folder / "config.json").write_text(json.dumps(fields))
    return folder


@pytest.fixture(autouse=True)
def _quiet() -> None:
    transformers.logging.set_verbosity_error()


def test_an_unknown_family_is_counted_exactly(tmp_path: Path) -> None:
    shape = count_shape(write(tmp_path, NEOX))
    assert shape.family not in FAMILIES
    config = transformers.AutoConfig.from_pretrained(str(tmp_path))
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    assert shape.n_params == sum(p.numel() for p in model.parameters())
    matrices = 3 * (4 * 64 * 64 + 2 * 64 * 160)
    assert shape.block_params == matrices
    assert _llm.head(shape, 1) == 2 * 64 * 1000
    assert _llm.prefill(shape, 300.0)["attention"] == 4 * 3 * 64 * 300**2


def test_a_known_family_counts_as_its_closed_form(tmp_path: Path) -> None:
    fields = {**NEOX, "model_type": "llama", "num_key_value_heads": 2}
    counted, closed = count_shape(write(tmp_path, fields)), from_config(tmp_path)
    assert counted.n_params == closed.n_params
    assert _llm.prefill(counted, 100.0) == _llm.prefill(closed, 100.0)
    assert _llm.decode(counted, 100.0, 7.0) == _llm.decode(closed, 100.0, 7.0)


def test_what_cannot_be_counted_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be counted"):
        count_shape(write(tmp_path, {"model_type": "mamba9"}))
