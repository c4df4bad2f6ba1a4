"""LLMs, as transformers describes them: what a config.json says of layers, widths, experts, windows and biases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError
from scalelaw.model_shapes.parts import TEXT, language_of
from scalelaw.model_shapes.reading import flag, listed, read_config, understood, whole
from scalelaw.model_shapes.shapes import LLMShape

TESTED_PLAIN = ("gpt2", "gpt_neox", "opt", "phi", "starcoder2")
FAMILIES = (
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3_text",
    "phi3",
    "mixtral",
    "qwen2_moe",
    "qwen3_moe",
    "mllama_text_model",
    "deepseek",
    *TESTED_PLAIN,
)
"""The `model_type`s whose closed form is tested against real models."""

PLAIN = (
    *TESTED_PLAIN,
    "bloom",
    "codegen",
    "falcon",
    "gpt_bigcode",
    "gpt_neo",
    "gpt_neox_japanese",
    "gptj",
    "mpt",
    "nemotron",
    "persimmon",
)
"""The `model_type`s whose feed-forward has two matrices and whose norms have a shift."""

TIED = ("gemma", "gpt2", "opt", "starcoder2", "bloom", "falcon", "mpt", "gpt_neo", "gpt_bigcode")
"""How the `model_type`s begin that tie their embeddings by default."""

NEEDED = "hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, vocab_size"


def from_config(path: str | Path) -> LLMShape:
    """The shape in a transformers config.json (a file, or the folder that holds it).

    Raises InputError for a file that is missing, is not JSON, lacks a field or contradicts itself.
    """
    config, file = read_config(path)
    return from_fields(config, file.resolve().parent.name, origin=str(file))


def from_fields(config: Mapping[str, Any], name: str, origin: str = "") -> LLMShape:
    """The shape in the fields of a transformers config; `name` where the config has none of its own.

    Raises InputError for a field that is missing, is not a positive whole number, or contradicts another; `origin`
    names the file in the sentence.
    """
    where = origin or f"The shape of {name}"
    fields = language_of(config).fields
    shape = understood(lambda: _shape(fields, name), where, NEEDED)
    if trouble := _contradiction(shape, fields):
        raise InputError(f"{where} contradicts itself: {trouble}.", code="bad_config")
    return shape


def way_to_count(config: Mapping[str, Any]) -> str:
    """What to do about a configuration whose type cannot be counted: a hint for people."""
    language = language_of(config)
    key = next((name for name in TEXT if language.nested and config.get(name)), "")
    bare = {name: value for name, value in config.items() if name != "model_type"}
    if key:
        bare[key] = {name: value for name, value in config[key].items() if name != "model_type"}
    size = "its size in a catalogue: `models: [{name: ..., n_params: ...}]`"
    catalogue = f"Give {size}."
    if language_of(bare).kind:
        return catalogue
    try:
        shape = from_fields(bare, "it")
    except InputError:
        return catalogue
    fields = language_of(bare).fields
    if not shape.experts and any(re.search("expert|moe", name) and fields[name] for name in fields):
        return f"{catalogue} Its fields of experts are none that a plain count reads."
    decoder = f"mixture of {shape.experts} experts" if shape.experts else "plain decoder"
    types = f"the model_type of {key} and of the whole configuration" if key else "its model_type"
    return f"Without {types} it is counted as a {decoder} of its widths. Or give {size}."


def _shape(fields: Mapping[str, Any], name: str) -> LLMShape:
    kind = str(fields.get("model_type", ""))
    heads, width, layers = (
        whole(fields, key) for key in ("num_attention_heads", "hidden_size", "num_hidden_layers")
    )
    kv_heads = whole(fields, "num_key_value_heads", heads)
    head_size = whole(fields, "head_dim", max(width // heads, 1))
    vocab, mixture = whole(fields, "vocab_size"), _mixture(fields, kind, width, layers)
    across = _cross_layers(fields, kind, layers)
    return LLMShape(
        name=str(fields.get("_name_or_path") or name),
        layers=layers - across,
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        vocab=vocab,
        gated=kind not in PLAIN,
        tied=flag(fields, "tie_word_embeddings", kind.startswith(TIED) and not kind.startswith("gpt_neox")),
        family=kind if _is_usual(fields, width) else f"{kind}, altered",
        layer_norms=_layer_norms(kind),
        qk_norm=kind in ("qwen3", "qwen3_moe", "gemma3", "gemma3_text"),
        extra_params=_extra_params(fields, kind, (layers, width, heads, kv_heads, head_size, vocab), mixture),
        cross_layers=across,
        **mixture,
        **_window(fields, kind, layers),
    )


def _cross_layers(fields: Mapping[str, Any], kind: str, layers: int) -> int:
    """How many of the layers read the image by cross-attention instead of attending to the sequence."""
    if kind != "mllama_text_model":
        return 0
    places = {whole({"cross_attention_layers": i}, "cross_attention_layers", least=0)
              for i in listed(fields, "cross_attention_layers")}  # fmt: skip
    return sum(place < layers for place in places)


def _is_usual(fields: Mapping[str, Any], width: int) -> bool:
    """Whether nothing is asked that the closed form of a known family does not hold."""
    projected = whole(fields, "word_embed_proj_dim", width) != width
    unusual = ("_remove_final_layer_norm", "qk_layernorm", "add_cross_attention")
    return not projected and not any(flag(fields, name) for name in unusual)


def _layer_norms(kind: str) -> int:
    if kind in ("gemma2", "gemma3", "gemma3_text"):
        return 4
    return 4 if kind in PLAIN and kind not in ("phi", "gptj", "codegen") else 2


def _extra_params(
    fields: Mapping[str, Any],
    kind: str,
    counts: tuple[int, int, int, int, int, int],
    mixture: Mapping[str, Any],
) -> int:
    layers, width, heads, kv_heads, head_size, vocab = counts
    qkv, feed_forward = head_size * (heads + 2 * kv_heads), mixture["feed_forward"]
    if kind in PLAIN:
        biased = flag(fields, {"starcoder2": "use_bias", "opt": "enable_bias"}.get(kind, "bias"), True)
        attention = qkv + width if biased and flag(fields, "attention_bias", True) else 0
        layer = attention + (feed_forward + width if biased else 0)
        positions = whole(fields, "max_position_embeddings", 2048) if kind in ("gpt2", "opt") else 0
        shifts = width + (vocab if kind == "phi" else 0)
        return layers * layer + shifts + (positions + 2 * (kind == "opt")) * width
    if kind == "mllama_text_model":  # 8 further rows of the embedding
        across = _cross_layers(fields, kind, layers)
        return across * (2 * width + 2 * head_size + 2) + 8 * width
    if kind == "qwen2" or (kind == "qwen2_moe" and flag(fields, "qkv_bias", True)):
        return layers * qkv
    attends = kind not in ("mistral", "mixtral", "phi3") and flag(fields, "attention_bias")
    feeds = kind == "llama" and flag(fields, "mlp_bias")
    return int(layers * ((qkv + width) * attends + (2 * feed_forward + width) * feeds))


def _mixture(fields: Mapping[str, Any], kind: str, width: int, layers: int) -> dict[str, Any]:
    plain_width = 4 * width if kind in PLAIN else None
    if kind == "deepseek":
        return _deepseek_mixture(fields, layers)
    experts = whole(fields, "num_local_experts", whole(fields, "num_experts", 0, least=0), least=0)
    if not experts:
        return {"feed_forward": whole(fields, "intermediate_size", plain_width)}
    every = whole(fields, "decoder_sparse_step", 1)
    named = {
        whole({"mlp_only_layers": i}, "mlp_only_layers", least=0) for i in listed(fields, "mlp_only_layers")
    }
    mixtures = layers // every - sum(i < layers and not (i + 1) % every for i in named)
    own = "intermediate_size" if fields.get("moe_intermediate_size") is None else "moe_intermediate_size"
    return {
        "feed_forward": whole(fields, own),
        "experts": experts,
        "experts_active": whole(fields, "num_experts_per_tok"),
        "shared": whole(fields, "shared_expert_intermediate_size", 0, least=0),
        "dense_layers": layers - mixtures,
        "dense_feed_forward": whole(fields, "intermediate_size") if mixtures < layers else 0,
    }


def _deepseek_mixture(fields: Mapping[str, Any], layers: int) -> dict[str, Any]:
    """Routed experts behind some dense layers, with shared ones that have no gate."""
    wide = whole(fields, "moe_intermediate_size")
    return {
        "feed_forward": wide,
        "experts": whole(fields, "n_routed_experts"),
        "experts_active": whole(fields, "num_experts_per_tok"),
        "shared": whole(fields, "n_shared_experts", 0, least=0) * wide,
        "shared_gate": False,
        "dense_layers": min(whole(fields, "first_k_dense_replace", 0, least=0), layers),
        "dense_feed_forward": whole(fields, "intermediate_size"),
    }


def _window(fields: Mapping[str, Any], kind: str, layers: int) -> dict[str, Any]:
    """{window, window_layers} as transformers reads them: the Qwens slide only with `use_sliding_window`."""
    types = listed(fields, "layer_types")
    if fields.get("sliding_window") is None or not flag(
        fields, "use_sliding_window", not kind.startswith("qwen")
    ):
        return {}
    window, first = whole(fields, "sliding_window"), whole(fields, "max_window_layers", 28, least=0)
    if types:
        windowed = sum(t == "sliding_attention" for t in types)
    elif kind == "gemma2":
        windowed = (layers + 1) // 2
    elif kind.startswith("gemma3"):
        windowed = layers - layers // whole(fields, "sliding_window_pattern", 6)
    elif kind in ("qwen2", "qwen3"):
        windowed = max(layers - first, 0)
    elif kind == "qwen2_moe":
        windowed = (min(layers, first) + 1) // 2
    else:
        windowed = layers
    return {"window": window, "window_layers": windowed} if windowed else {}


def _contradiction(shape: LLMShape, fields: Mapping[str, Any]) -> str:
    if shape.heads % shape.kv_heads:
        return f"{shape.heads} attention heads do not share {shape.kv_heads} key-value heads evenly"
    if fields.get("head_dim") is None and shape.width % shape.heads:
        return f"hidden_size {shape.width} does not split into {shape.heads} heads, and there is no head_dim"
    if shape.experts and shape.experts_active > shape.experts:
        return f"{shape.experts_active} experts a token of {shape.experts}"
    if len(listed(fields, "layer_types")) not in (0, shape.layers + shape.cross_layers):
        return f"{len(fields['layer_types'])} layer_types for {shape.layers + shape.cross_layers} layers"
    return ""
