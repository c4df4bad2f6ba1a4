"""Counting an LLM whose closed form is not known: three short prompts on the meta device, a quadratic through them.

FLOPs(T) of a decoder is exactly a T^2 + b T + c (c: the head at one position), so three counts give every length.
Traps that are avoided: attention is eager (the counter sees no fused attention on the CPU), experts are batched (it
sees no grouped products), only the last position has its logits made.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

from scalelaw.errors import InputError
from scalelaw.ladder import LLMShape
from scalelaw.ladder.reading import read_config

LENGTHS = (16, 32, 64)
COUNTED = re.compile(r"(?!.*(size|dim|width)).*(layer|block|depth|stage|expert).*")
"""The names of fields that count the parts of a model."""
MOST_PARTS = 4096
"""Of one kind: each is an object that would be made."""


def count_shape(path: str | Path) -> LLMShape:
    """The shape of the model that a config.json (or its folder) describes, with its counts (`LLMShape.counted`).

    Nothing is downloaded and no weight is made. Raises InputError for a configuration that transformers cannot
    build or run on the meta device, for one without attention, and for one whose counts are not quadratic in the
    length.
    """
    try:
        _check(read_config(path)[0])
        config = transformers.AutoConfig.from_pretrained(
            str(path), local_files_only=True, trust_remote_code=False
        )
        config = getattr(config, "text_config", None) or config
        with torch.device("meta"):
            model = _build(config)
        counts = [_count(model, length) for length in (*LENGTHS, 2 * LENGTHS[-1])]
        shape = _shape(
            config,
            model,
            str(path),
            counts[0][1] // LENGTHS[0],
            _quadratic(LENGTHS, [flops for flops, _ in counts[:3]]),
        )
    except Exception as error:
        kind, told = type(error).__name__, str(error).strip().split("\n")[0].rstrip(".")
        raise InputError(
            f"No closed form is held for the architecture of {path}, and torch cannot count it ({kind}: {told}).",
            code="cannot_count",
            hint="Without its model_type it is reckoned as a plain decoder of its widths.",
        ) from error
    assert shape.counted is not None
    _, a, b, c = shape.counted
    last = 2 * LENGTHS[-1]
    if abs(a * last**2 + b * last + c - counts[3][0]) > 1e-6 * counts[3][0]:
        raise InputError(
            f"The FLOPs of {path} are not quadratic in the length of the prompt.", code="cannot_count"
        )
    return shape


def _check(fields: dict[str, Any]) -> None:
    """Raises ValueError for a count that no model has."""
    for name, value in fields.items():
        if isinstance(value, dict):
            _check(value)
        elif isinstance(value, int | float) and value > MOST_PARTS and COUNTED.fullmatch(name):
            raise ValueError(f"{name} is {value:.6g}, above {MOST_PARTS}")


def _shape(
    config: Any, model: Any, name: str, cached: int, quadratic: tuple[float, float, float]
) -> LLMShape:
    heads, width, layers = (
        int(config.num_attention_heads),
        int(config.hidden_size),
        int(config.num_hidden_layers),
    )
    head_size = int(getattr(config, "head_dim", None) or width // heads)
    return LLMShape(
        name=name,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=-(-cached // (2 * layers * head_size)) or heads,
        head_size=head_size,
        feed_forward=int(getattr(config, "intermediate_size", None) or 4 * width),
        vocab=int(config.vocab_size),
        tied=bool(getattr(config, "tie_word_embeddings", False)),
        family=str(config.model_type),
        counted=(float(sum(p.numel() for p in model.parameters())), *quadratic),
    )


def _build(config: Any) -> Any:
    build = transformers.AutoModelForCausalLM.from_config
    try:
        return build(
            config, trust_remote_code=False, attn_implementation="eager", experts_implementation="batched_mm"
        )
    except (TypeError, ValueError):
        return build(config, trust_remote_code=False, attn_implementation="eager")


def _count(model: Any, length: int) -> tuple[int, int]:
    """FLOPs of a prompt with its last position's logits, and how many numbers its cache holds (0: it has none)."""
    ids = torch.zeros(1, length, dtype=torch.long, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        answer = model(ids, logits_to_keep=1)
    layers = getattr(getattr(answer, "past_key_values", None), "layers", [])
    return counter.get_total_flops(), sum(layer.keys.numel() + layer.values.numel() for layer in layers)


def _quadratic(lengths: tuple[int, ...], counts: list[int]) -> tuple[float, float, float]:
    """The parabola through three counts, in exact arithmetic where the counts are whole."""
    (x, y, z), (p, q, r) = lengths, counts
    first, second = (q - p) / (y - x), (r - q) / (z - y)
    a = (second - first) / (z - x)
    b = first - a * (x + y)
    return a, b, p - a * x**2 - b * x
