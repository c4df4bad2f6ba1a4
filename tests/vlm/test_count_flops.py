"""An architecture that the closed form does not know is counted, and its costs are as counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from scalelaw.costs import _llm, memory
from scalelaw.costs._roofline import read_bytes
from scalelaw.costs._workload import Workload
from scalelaw.errors import InputError
from scalelaw.model_shapes import FAMILIES, count_cache, from_config
from scalelaw.model_shapes.count_shape import shape_of
from scalelaw.vlm.count_flops import count_shape

STABLE: dict[str, Any] = {
    "model_type": "stablelm",
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "tie_word_embeddings": False,
}


def write(folder: Path, fields: dict[str, Any]) -> Path:
    (folder / "config.json").write_text(json.dumps(fields))
    return folder


@pytest.fixture(autouse=True)
def _quiet() -> None:
    transformers.logging.set_verbosity_error()


def test_an_unknown_family_is_counted_exactly(tmp_path: Path) -> None:
    shape = count_shape(write(tmp_path, STABLE))
    assert shape.family not in FAMILIES
    config = transformers.AutoConfig.from_pretrained(str(tmp_path))
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    assert shape.n_params == sum(p.numel() for p in model.parameters())
    matrices = 3 * (4 * 64 * 64 + 3 * 64 * 160)
    assert shape.block_params == matrices
    assert _llm.head(shape, 1) == 2 * 64 * 1000
    assert _llm.prefill(shape, 300.0)["attention"] == 4 * 3 * 64 * 300**2


def test_a_known_family_counts_as_its_closed_form(tmp_path: Path) -> None:
    fields = {**STABLE, "model_type": "llama", "num_key_value_heads": 2}
    counted, closed = count_shape(write(tmp_path, fields)), from_config(tmp_path)
    assert counted.n_params == closed.n_params
    assert _llm.prefill(counted, 100.0) == _llm.prefill(closed, 100.0)
    assert _llm.decode(counted, 100.0, 7.0) == _llm.decode(closed, 100.0, 7.0)


def test_what_cannot_be_counted_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="transformers .* does not know the type 'mamba9'"):
        count_shape(write(tmp_path, {"model_type": "mamba9"}))


def test_the_cache_is_counted_too(tmp_path: Path) -> None:
    falcon = {**STABLE, "model_type": "falcon", "multi_query": True, "new_decoder_architecture": False}
    shape = count_shape(write(tmp_path, falcon))
    assert (shape.heads, shape.kv_heads) == (4, 1)
    assert memory.cache_bytes(shape, 10, Workload()) == 2 * 3 * 16 * 10 * 2


def test_what_has_no_attention_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it has no attention") as refusal:
        count_shape(write(tmp_path, {"model_type": "mamba", "num_hidden_layers": 1, "hidden_size": 16}))
    assert refusal.value.code == "cannot_count"


@pytest.mark.parametrize("field", ["num_hidden_layers", "num_local_experts", "n_routed_experts"])
def test_a_count_that_no_model_has_is_refused_before_anything_is_made(field: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{field} is 1e\\+09"):
        count_shape(write(tmp_path, {**STABLE, field: 10**9}))
    count_shape(write(tmp_path, {**STABLE, "shared_expert_intermediate_size": 8192}))


MIXTURE: dict[str, Any] = {
    **STABLE, "model_type": "olmoe", "num_experts": 8, "num_experts_per_tok": 2, "intermediate_size": 48,
}  # fmt: skip


def test_a_counted_mixture_keeps_its_experts(tmp_path: Path) -> None:
    shape = count_shape(write(tmp_path, MIXTURE))
    one = 3 * 3 * 64 * 48
    assert (shape.experts, shape.experts_active, shape.expert_params) == (8, 2, one)
    assert shape.active_params == shape.n_params - 6 * one
    few, many = read_bytes(shape, 1.0, Workload()), read_bytes(shape, 1e6, Workload())
    assert many - few == pytest.approx(2 * 6 * one)


def test_a_counted_model_keeps_its_windows(tmp_path: Path) -> None:
    types = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
    fields = {
        **STABLE,
        "model_type": "cohere2",
        "num_hidden_layers": 4,
        "layer_types": types,
        "sliding_window": 8,
    }
    shape = count_shape(write(tmp_path, fields))
    assert (shape.window, shape.window_layers) == (8, 2)
    assert memory.cache_bytes(shape, 100, Workload()) == 2 * 4 * 16 * 2 * (2 * 100 + 2 * 8)


def test_a_configuration_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALELAW_CACHE", str(tmp_path / "kept"))
    write(tmp_path, STABLE)
    first = shape_of(tmp_path)
    (kept,) = (tmp_path / "kept").iterdir()
    monkeypatch.setattr("scalelaw.vlm.count_flops.count_language", lambda *_: pytest.fail("counted again"))
    assert shape_of(tmp_path) == first
    monkeypatch.undo()
    monkeypatch.setenv("SCALELAW_CACHE", str(tmp_path / "kept"))
    for broken in (
        "{",
        "[]",
        '{"shape": {}, "facts": {}}',
        kept.read_text().replace('"layers": 3', '"layers": "x"'),
    ):
        kept.write_text(broken)
        assert shape_of(tmp_path) == first
    assert count_cache.folder() == tmp_path / "kept"
