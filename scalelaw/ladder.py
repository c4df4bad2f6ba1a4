"""The rungs: the size facts of an LLM or a vision tower, from its config.json or made to measure.

A shape holds what costs and parameter counts need and nothing else. No torch here: the counts are closed
forms, and the tests hold them against real models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError


@dataclass(frozen=True)
class LLMShape:
    """A decoder-only LLM. Widths in units, counts in numbers; `gated`: a gated feed-forward has 3 matrices, not 2.

    experts: of a mixture, `experts_active` of which each token meets, `feed_forward` wide each; `shared`: width of
    the expert that every token meets; `dense_layers`: layers without a mixture, `dense_feed_forward` wide.
    window: attention of `window_layers` layers sees so many tokens back; None where all see everything.
    layer_norms: norm vectors of one layer; qk_norm: two more, of the head's size.
    counted: for an architecture whose closed form is not known, (parameters, a, b, c) as counted on the model
    itself: FLOPs(T) = a T^2 + b T + c with one position's head; they take the place of the formulas.
    """

    name: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_size: int
    feed_forward: int
    vocab: int
    gated: bool = True
    tied: bool = False
    qkv_bias: bool = False
    family: str = ""
    experts: int = 0
    experts_active: int = 0
    shared: int = 0
    dense_layers: int = 0
    dense_feed_forward: int = 0
    window: int | None = None
    window_layers: int = 0
    layer_norms: int = 2
    qk_norm: bool = False
    counted: tuple[float, float, float, float] | None = None

    @property
    def pair_flops(self) -> float:
        """FLOPs of attention for one query with one key, over all layers, were none windowed."""
        return self.counted[1] if self.counted else 4.0 * self.layers * self.heads * self.head_size

    @property
    def head_flops(self) -> float:
        """FLOPs of the output head at one position."""
        return self.counted[3] if self.counted else 2.0 * self.width * self.vocab

    @property
    def attention_params(self) -> int:
        """Parameters of one layer's four attention matrices."""
        return 2 * self.width * self.head_size * (self.heads + self.kv_heads)

    @property
    def _matrices(self) -> int:
        return (3 if self.gated else 2) * self.width

    @property
    def fixed_params(self) -> int:
        """Parameters of the blocks' matrices that every token meets, mixtures' routed experts left out."""
        if not self.experts:
            return self.layers * (self.attention_params + self._matrices * self.feed_forward)
        shared_gate = self.width if self.shared else 0
        mixture = self.width * self.experts + self._matrices * self.shared + shared_gate
        return (
            self.layers * self.attention_params
            + (self.layers - self.dense_layers) * mixture
            + self.dense_layers * self._matrices * self.dense_feed_forward
        )

    @property
    def expert_params(self) -> int:
        """Parameters of all layers' routed experts, one expert a layer (0 without a mixture)."""
        return (self.layers - self.dense_layers) * self._matrices * self.feed_forward if self.experts else 0

    @property
    def block_params(self) -> int:
        """Parameters of the blocks' matrices that one token meets (norms, biases left out), N_blk of the formulas."""
        if self.counted:
            return int(self.counted[2] / 2)
        return self.fixed_params + self.experts_active * self.expert_params

    @property
    def embedding_params(self) -> int:
        """Parameters of the input embedding, and of the output head where it is not tied."""
        return (1 if self.tied else 2) * self.vocab * self.width

    @property
    def n_params(self) -> int:
        """All parameters: blocks with every expert, RMS norms, query-key-value biases, embeddings."""
        if self.counted:
            return int(self.counted[0])
        norms = (self.layer_norms * self.layers + 1) * self.width
        norms += 2 * self.head_size * self.layers if self.qk_norm else 0
        biases = self.layers * self.head_size * (self.heads + 2 * self.kv_heads) if self.qkv_bias else 0
        return self.fixed_params + self.experts * self.expert_params + norms + biases + self.embedding_params

    @property
    def active_params(self) -> int:
        """Parameters that one token meets: all but the experts of a mixture that it passes by."""
        return self.n_params - (self.experts - self.experts_active) * self.expert_params


@dataclass(frozen=True)
class TowerShape:
    """A vision transformer. image, patch: pixels on a side; extra_tokens: class and register tokens; norms: layer
    norms beside the blocks' own two; layer_scale: as in DINOv2, which also holds a mask token. projection (CLIP's
    output width) and attention_pool (SigLIP) belong to the head on the pooled output, which no VLM runs.
    """

    name: str
    layers: int
    width: int
    feed_forward: int
    patch: int
    image: int
    extra_tokens: int = 1
    channels: int = 3
    gated: bool = False
    patch_bias: bool = False
    norms: int = 2
    layer_scale: bool = False
    projection: int = 0
    attention_pool: bool = False

    @property
    def patches(self) -> int:
        """Patches of one image (or tile)."""
        return (self.image // self.patch) ** 2

    @property
    def block_params(self) -> int:
        """Parameters of the blocks' matrices, biases and norms left out."""
        return self.layers * (4 * self.width**2 + (3 if self.gated else 2) * self.width * self.feed_forward)

    @property
    def n_params(self) -> int:
        """All parameters: patches, positions, blocks with biases, `norms` layer norms beside the blocks' own two."""
        first = self.channels * self.patch**2 * self.width + (self.width if self.patch_bias else 0)
        positions = (self.patches + min(self.extra_tokens, 1)) * self.width + self.extra_tokens * self.width
        biases = 4 * self.width + (2 if self.gated else 1) * self.feed_forward + self.width + 4 * self.width
        positions += self.width if self.layer_scale else 0
        biases += 2 * self.width if self.layer_scale else 0
        return first + positions + self.block_params + self.layers * biases + 2 * self.norms * self.width


def made_to_measure(spec: str, vocab: int) -> LLMShape:
    """The shape of a small rung named 'WIDTHxLAYERS', e.g. '64x2': heads of 8 (16 from width 128 on, 64 from 512 on),
    gated feed-forward of 8/3 the width rounded up to a multiple of 8, tied embeddings.

    Raises InputError where the name is not of that form or the width is no multiple of the head size.
    """
    match = re.fullmatch(r"(\d+)x(\d+)", spec)
    if not match:
        raise InputError(
            f"'{spec}' is not a rung.",
            code="bad_rung",
            hint="Name a rung WIDTHxLAYERS (e.g. 64x2), or give the folder of a pretrained model.",
        )
    width, layers = int(match[1]), int(match[2])
    head = 64 if width >= 512 else 16 if width >= 128 else 8
    if width < head or width % head or layers < 1:
        raise InputError(
            f"The width of rung '{spec}' must be a positive multiple of {head}, with at least one layer.",
            code="bad_rung",
        )
    feed_forward = -(-8 * width // 24) * 8
    return LLMShape(spec, layers, width, width // head, width // head, head, feed_forward, vocab, tied=True)


def made_for_size(n_params: float) -> LLMShape:
    """The shape of a rung of about this many parameters: width 128 times the layers, heads of 128 (64 below a width
    of 512), gated feed-forward of 8/3 the width, a vocabulary of 32,000, tied. Raises InputError below 5 M.
    """
    if n_params < 5e6:
        raise InputError(f"A rung of {n_params:g} parameters is too small to be made.", code="bad_rung")
    vocab = 32000
    found = []
    for width in range(64, 32768, 64):
        head = 128 if width >= 512 and width % 128 == 0 else 64
        feed_forward = -(-8 * width // 192) * 64
        layer = 4 * width**2 + 3 * width * feed_forward + 2 * width
        layers = round((n_params - vocab * width) / layer)
        if layers >= 1:
            shape = LLMShape(
                "", layers, width, width // head, width // head, head, feed_forward, vocab, tied=True
            )
            found.append(
                (abs(layers - width / 128) / (width / 128) + 5 * abs(shape.n_params / n_params - 1), shape)
            )
        elif found:
            break
    best = min(found, key=lambda pair: pair[0])[1]
    return replace(best, name=f"{best.width}x{best.layers}")


def from_config(path: str | Path) -> LLMShape:
    """The shape in a transformers config.json (a file, or the folder that holds it).

    Raises InputError for a file that is missing, is not JSON, or lacks a field.
    """
    file = Path(path) / "config.json" if Path(path).is_dir() else Path(path)
    try:
        config: Any = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"There is no model configuration at {file}.", code="no_such_file") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not a JSON configuration: {error}.", code="bad_config") from error
    if not isinstance(config, dict):
        raise InputError(f"{file} is not a JSON configuration: it holds no fields.", code="bad_config")
    return from_fields(config, file.resolve().parent.name, origin=str(file))


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
)
"""The `model_type`s whose closed form is held against real models by the tests."""


def from_fields(config: Mapping[str, Any], name: str, origin: str = "") -> LLMShape:
    """The shape in the fields of a transformers config; `name` where the config has none of its own.

    Raises InputError for a field that is missing, is not a positive number, or contradicts another; `origin`
    names the file in the sentence.
    """
    where = origin or f"The shape of {name}"
    fields = {**config, **config["text_config"]} if isinstance(config.get("text_config"), Mapping) else config
    try:
        shape = _shape(fields, name)
    except KeyError as error:
        raise InputError(
            f"{where} lacks the field {error}.",
            code="bad_config",
            hint="It needs hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, vocab_size.",
        ) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{where} holds a field that is not a number: {error}.", code="bad_config"
        ) from error
    if trouble := _contradiction(shape, fields):
        raise InputError(f"{where} contradicts itself: {trouble}.", code="bad_config")
    return shape


def _shape(fields: Mapping[str, Any], name: str) -> LLMShape:
    kind = str(fields.get("model_type", ""))
    heads, width, layers = (
        _whole(fields, k) for k in ("num_attention_heads", "hidden_size", "num_hidden_layers")
    )
    return LLMShape(
        name=str(fields.get("_name_or_path") or name),
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=_whole(fields, "num_key_value_heads", heads),
        head_size=_whole(fields, "head_dim", width // max(heads, 1)),
        vocab=_whole(fields, "vocab_size"),
        tied=bool(fields.get("tie_word_embeddings", kind.startswith("gemma"))),
        qkv_bias=kind in ("qwen2", "qwen2_moe") or bool(fields.get("attention_bias", False)),
        family=kind,
        layer_norms=4 if kind in ("gemma2", "gemma3", "gemma3_text") else 2,
        qk_norm=kind in ("qwen3", "qwen3_moe", "gemma3", "gemma3_text"),
        **_mixture(fields, layers),
        **_window(fields, kind, layers),
    )


def _whole(fields: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """A whole number of the config; the default where it is missing, null or 0. Raises KeyError and ValueError."""
    value = fields[key] if default is None else fields.get(key) or default
    number = None if isinstance(value, bool) else int(value)
    if number is None or number != float(value):
        raise ValueError(f"{key} is {json.dumps(value)}, not a whole number")
    return number


def _mixture(fields: Mapping[str, Any], layers: int) -> dict[str, Any]:
    experts = int(fields.get("num_local_experts") or fields.get("num_experts") or 0)
    if not experts:
        return {"feed_forward": _whole(fields, "intermediate_size")}
    every = int(fields.get("decoder_sparse_step") or 1)
    dense = set(fields.get("mlp_only_layers") or []) | {i for i in range(layers) if (i + 1) % every}
    return {
        "feed_forward": int(fields.get("moe_intermediate_size") or fields["intermediate_size"]),
        "experts": experts,
        "experts_active": int(fields["num_experts_per_tok"]),
        "shared": int(fields.get("shared_expert_intermediate_size") or 0),
        "dense_layers": len(dense),
        "dense_feed_forward": int(fields["intermediate_size"]) if dense else 0,
    }


def _window(fields: Mapping[str, Any], kind: str, layers: int) -> dict[str, Any]:
    """{window, window_layers} as transformers reads them: the Qwens slide only when told to (`use_sliding_window`)."""
    if fields.get("sliding_window") is None or not fields.get(
        "use_sliding_window", not kind.startswith("qwen")
    ):
        return {}
    window = _whole({"sliding_window": fields["sliding_window"]}, "sliding_window")
    if types := fields.get("layer_types"):
        windowed = sum(t == "sliding_attention" for t in types)
    elif kind == "gemma2":
        windowed = (layers + 1) // 2
    elif kind.startswith("gemma3"):
        windowed = layers - layers // int(fields.get("sliding_window_pattern") or 6)
    elif kind in ("qwen2", "qwen3"):
        windowed = max(layers - int(fields.get("max_window_layers", 28)), 0)
    elif kind == "qwen2_moe":
        windowed = (min(layers, int(fields.get("max_window_layers", 28))) + 1) // 2
    else:
        windowed = layers
    return {"window": window, "window_layers": windowed} if windowed else {}


def _contradiction(shape: LLMShape, fields: Mapping[str, Any]) -> str:
    counts = {
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "intermediate_size": shape.feed_forward,
        "vocab_size": shape.vocab,
        "head_dim": shape.head_size,
    }
    for field, count in counts.items():
        if count < 1:
            return f"{field} is {count}"
    if shape.window is not None and shape.window < 1:
        return f"sliding_window is {shape.window}"
    if shape.heads % shape.kv_heads:
        return f"{shape.heads} attention heads do not share {shape.kv_heads} key-value heads evenly"
    if not fields.get("head_dim") and shape.width % shape.heads:
        return f"hidden_size {shape.width} does not split into {shape.heads} heads, and there is no head_dim"
    if shape.experts and not 1 <= shape.experts_active <= shape.experts:
        return f"{shape.experts_active} experts a token of {shape.experts}"
    if not isinstance(fields.get("layer_types") or [], list | tuple):
        return "layer_types is no list"
    if len(fields.get("layer_types") or []) not in (0, shape.layers):
        return f"{len(fields['layer_types'])} layer_types for {shape.layers} layers"
    return ""


def tower_from_fields(config: Mapping[str, Any], name: str) -> TowerShape:
    """The tower in the fields of a transformers vision config (CLIP, SigLIP, DINOv2 and those alike).

    Raises InputError for a field that is missing or is not a number.
    """
    fields = config["vision_config"] if isinstance(config.get("vision_config"), Mapping) else config
    kind = str(fields.get("model_type", ""))
    try:
        width = int(fields["hidden_size"])
        gated = bool(fields.get("use_swiglu_ffn", False))
        feed_forward = int(fields.get("intermediate_size") or width * int(fields.get("mlp_ratio", 4)))
        return TowerShape(
            name=name,
            layers=int(fields["num_hidden_layers"]),
            width=width,
            feed_forward=(feed_forward * 2 // 3 + 7) // 8 * 8 if gated else feed_forward,
            patch=int(fields["patch_size"]),
            image=int(fields["image_size"]),
            extra_tokens=0 if kind.startswith("siglip") else 1 + int(fields.get("num_register_tokens") or 0),
            channels=int(fields.get("num_channels", 3)),
            gated=gated,
            patch_bias=not kind.startswith("clip"),
            norms=2 if kind.startswith("clip") else 1,
            layer_scale=kind.startswith("dinov2"),
            projection=int(fields.get("projection_dim") or 0) if kind.startswith("clip") else 0,
            attention_pool=kind.startswith("siglip"),
        )
    except KeyError as error:
        raise InputError(f"The tower {name} lacks the field {error}.", code="bad_config") from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The tower {name} holds a field that is not a number: {error}.", code="bad_config"
        ) from error
