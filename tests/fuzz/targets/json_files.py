"""Aims at JSON: a model's config.json, and the answers that later commands read."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import mutations as by

from scalelaw.fit import fit_law, load_fit
from scalelaw.model_shapes import from_config, tower_from_config
from scalelaw.plan import find_cost, find_optimum, load_optimum
from scalelaw.report.collect import gather
from scalelaw.results.envelope import answer, dumps

from .shared import Chance, Target, _either, _file

CONFIG: dict[str, Any] = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32,
    "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 6144, "vocab_size": 151936, "num_experts": 128,
    "num_experts_per_tok": 8, "moe_intermediate_size": 768, "decoder_sparse_step": 1, "mlp_only_layers": [],
    "tie_word_embeddings": False, "sliding_window": None, "use_sliding_window": False, "max_window_layers": 48,
}  # fmt: skip
VIT = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
       "patch_size": 14,
       "image_size": 336, "model_type": "clip_vision_model", "projection_dim": 768}  # fmt: skip
FIELDS = [
    *CONFIG, *VIT, "text_config", "vision_config", "n_embd", "n_layer", "layer_types", "llama", "gemma3_text",
    "gpt2", "mixtral",
    "opt", "qwen2_moe", "qwen2", "num_local_experts", "sliding_window_pattern", "shared_expert_intermediate_size",
    "", "clip",
]  # fmt: skip


def _config(chance: Chance) -> str:
    valid: dict[str, Any] = {
        **CONFIG,
        "model_type": chance.choice(("llama", "gpt2", "mixtral", "qwen2", "qwen3_moe", "gemma2", "")),
    }
    if chance.random() < 0.4:
        valid = {"text_config": valid, "vision_config": VIT}
    made = by.tree(chance, valid, FIELDS, changes=4)
    if isinstance(made, dict) and chance.random() < 0.3:
        made[chance.choice(FIELDS)] = chance.choice(
            (1, 2, 10**5, 10**9, 10**9 + 1, 10**18, 1e300, -1, 0, 0.5, "7")
        )
    text = json.dumps(made)
    return by.text(chance, text, FIELDS) if chance.random() < 0.1 else text


def _read_config(text: str, folder: Path) -> None:
    file = _file(folder, "model.json", text)
    _either(lambda: tower_from_config(file))
    shape = from_config(file)
    assert shape.n_params >= 0
    if len(text) % 16 == 0:
        _file(folder, "models.yaml", f"models: [{{name: a, config: {file}}}]")
        if shape.family in ("llama", "gpt2", "mixtral", "qwen2", "qwen3_moe", "gemma2", ""):
            find_cost(str(folder / "models.yaml"), visual_tokens=16, text_tokens=50)


@cache
def _fit_json() -> Any:
    fitted = fit_law("vlm_reasoning", "product_power", bootstrap=20, seed=0)
    return json.loads(fitted.to_json())


@cache
def _optimum_json() -> Any:
    optimum = find_optimum(
        fit_law("vlm_reasoning", "product_power", bootstrap=20, seed=0), budget={"flops": 8e11}
    )
    return json.loads(optimum.to_json())


def _answers(chance: Chance) -> tuple[str, str]:
    kind, valid = chance.choice((("fit", _fit_json), ("optimum", _optimum_json)))
    keys = [
        "params",
        "alpha",
        "law",
        "formula",
        "inputs",
        "draws",
        "points",
        "status",
        "interval",
        "power",
        "derived",
        "target",
    ]
    text = json.dumps(by.tree(chance, valid(), keys, changes=4))
    return kind, by.text(chance, text, keys) if chance.random() < 0.1 else text


def _read_answer(case: tuple[str, str], folder: Path) -> None:
    kind, text = case
    file = _file(folder, "answer.json", text)
    if kind == "optimum":
        load_optimum(file)
        gather([str(file)])
        return
    fitted = load_fit(file)
    dumps(answer("fit", fitted.to_dict()))
    fitted.predict(n_params=1e9, visual_tokens=16)
    if len(text) % 8 == 0:
        find_optimum(fitted, budget={"flops": 8e11}, text_tokens=50)


TARGETS = [
    Target("config.json", _config, _read_config, 14),
    Target("fit.json, optimum.json", _answers, _read_answer, 4),
]
