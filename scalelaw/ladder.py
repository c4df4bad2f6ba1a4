"""The rungs: the size facts of an LLM or a vision tower, from its config.json or made to measure.

A shape holds what costs and parameter counts need and nothing else. No torch here: the counts are closed
forms, and the tests hold them against real models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError


@dataclass(frozen=True)
class LLMShape:
    """A decoder-only LLM. Widths in units, counts in numbers; `gated`: a gated feed-forward has 3 matrices, not 2."""

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

    @property
    def block_params(self) -> int:
        """Parameters of the blocks' matrices (norms and biases left out), N_blk of the cost formulas."""
        attention = (
            2 * self.width * self.heads * self.head_size + 2 * self.width * self.kv_heads * self.head_size
        )
        return self.layers * (attention + (3 if self.gated else 2) * self.width * self.feed_forward)

    @property
    def embedding_params(self) -> int:
        """Parameters of the input embedding, and of the output head where it is not tied."""
        return (1 if self.tied else 2) * self.vocab * self.width

    @property
    def n_params(self) -> int:
        """All parameters: blocks, RMS norms (two a layer and the last), query-key-value biases, embeddings."""
        norms = (2 * self.layers + 1) * self.width
        biases = self.layers * self.head_size * (self.heads + 2 * self.kv_heads) if self.qkv_bias else 0
        return self.block_params + norms + biases + self.embedding_params


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


def from_fields(config: Mapping[str, Any], name: str, origin: str = "") -> LLMShape:
    """The shape in the fields of a transformers config; `name` where the config has none of its own.

    Raises InputError for a field that is missing or is not a number; `origin` names the file in the sentence.
    """
    where = origin or f"The shape of {name}"
    config = config.get("text_config", config)
    try:
        heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
        return LLMShape(
            name=str(config.get("_name_or_path") or name),
            layers=int(config["num_hidden_layers"]),
            width=width,
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_size=int(config.get("head_dim") or width // heads),
            feed_forward=int(config["intermediate_size"]),
            vocab=int(config["vocab_size"]),
            tied=bool(config.get("tie_word_embeddings", False)),
            qkv_bias=config.get("model_type") in ("qwen2", "qwen2_moe")
            or bool(config.get("attention_bias", False)),
            family=str(config.get("model_type", "")),
        )
    except KeyError as error:
        raise InputError(
            f"{where} lacks the field {error}.",
            code="bad_config",
            hint="It needs hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, vocab_size.",
        ) from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{where} holds a field that is not a number: {error}.", code="bad_config"
        ) from error
