"""FLOPs of a decoder-only LLM in closed form (1 FLOP = one multiply or one add).

Counts every product with a weight matrix and the two products of attention; leaves out softmax, norms,
activations, rotations and the embedding look-up (together under 0.5%). Agrees with torch's flop counter to the
last digit. Attention is counted as it is commonly computed: every query meets every key (T^2), a layer with
window w a band of 2 sum_i min(i, w) - T pairs, which is T^2 up to T = w. `causal=True` counts only the pairs
that matter, sum_i min(i, w), T(T+1)/2 without a window.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalelaw.costs._workload import Workload
from scalelaw.model_shapes import LLMShape


def places(shape: LLMShape, visual_tokens: Any, workload: Workload) -> tuple[Any, Any]:
    """(tokens of the images in the LLM's sequence, visual tokens that it reads by cross-attention)."""
    visual = workload.images * np.asarray(visual_tokens, dtype=float)
    if shape.cross_layers:
        return workload.in_prompt(visual_tokens) - visual, visual
    return workload.in_prompt(visual_tokens), 0.0


def prefill(
    shape: LLMShape,
    total: Any,
    cached: Any = 0.0,
    causal: bool = False,
    across: Any = 0.0,
    *,
    keys_known: bool = False,
) -> dict[str, Any]:
    """{products, attention} of a prompt of `total` tokens, the first `cached` of which are done already.

    across: visual tokens beside the sequence, whose keys and values are made unless `keys_known`.
    """
    pairs = _layers(shape, lambda window: _pairs(total, cached, window, causal))
    keys = 0.0 if keys_known else 2.0 * across * shape.cross_key_params
    return {
        "products": 2.0 * (total - cached) * _met(shape, across) + keys,
        "attention": shape.pair_flops * pairs + shape.cross_pair_flops * (total - cached) * across,
    }


def _met(shape: LLMShape, across: Any) -> Any:
    """Parameters of the blocks that a token of the sequence meets; cross-attention's only with visual tokens."""
    if not shape.cross_layers:
        return shape.block_params
    return shape.block_params - shape.cross_params * (np.asarray(across) == 0)


def decode(shape: LLMShape, context: Any, steps: Any, across: Any = 0.0) -> dict[str, Any]:
    """{products, attention, head} of `steps` generated tokens, one by one, after a context."""
    pairs = _layers(
        shape, lambda window: causal_pairs(context + steps, window) - causal_pairs(context, window)
    )
    return {
        "products": 2.0 * steps * _met(shape, across),
        "attention": shape.pair_flops * pairs + shape.cross_pair_flops * steps * across,
        "head": steps * head(shape, 1),
    }


def head(shape: LLMShape, positions: Any) -> Any:
    """The output head at some positions: 1 when serving, every one in a plain forward pass."""
    return positions * shape.head_flops


def causal_pairs(tokens: Any, window: int | None) -> Any:
    """sum over i = 1..tokens of min(i, window)."""
    inside = tokens if window is None else np.minimum(tokens, window)
    pairs = inside * (inside + 1) / 2
    return pairs if window is None else pairs + np.maximum(tokens - window, 0) * window


def _pairs(total: Any, cached: Any, window: int | None, causal: bool) -> Any:
    if causal:
        return causal_pairs(total, window) - causal_pairs(cached, window)
    if window is None:
        return (total - cached) * total
    band = 2 * (causal_pairs(total, window) - causal_pairs(cached, window)) - (total - cached)
    return np.minimum(band, (total - cached) * total)


def _layers(shape: LLMShape, pairs: Any) -> Any:
    """The mean over the layers of the pairs that each computes."""
    if not shape.window_layers:
        return pairs(None)
    whole = (shape.layers - shape.window_layers) * pairs(None)
    return (whole + shape.window_layers * pairs(shape.window)) / shape.layers
