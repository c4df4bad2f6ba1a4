"""Memory: weights, key-value cache and activations while a batch is served, in GB (1e9 bytes), over all devices.

    weights     parameters x bytes: every one of LLM (all experts), tower, projector
    KV cache    2 L kv hd bytes a token, for every token of prompt and answer of every query of the batch; a layer
                with a sliding window keeps no more than the window
    activations the widest moment of a prefill of the whole batch: two residual streams and the feed-forward's
                matrices' outputs at every token, and the logits of one position in 4 bytes
Source: the architectures' definitions (LLaVA-1.5-7B in fp16: .5 MiB of cache a token).
Counts these three. Leaves out the runtime's own buffers, fragmentation and the compressor's weights (about 21 M
parameters for QueCC): keep a tenth in reserve.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalelaw.costs import _llm, _vision
from scalelaw.costs._workload import Workload
from scalelaw.model_shapes import LLMShape

kinds = {"memory_gb": "GB of device memory while a batch is served"}
needs = ("shape",)


def parts(n_params: Any, shape: LLMShape, visual_tokens: Any, workload: Workload) -> dict[str, Any]:
    """GB in {weights, cache, activations}."""
    inside, across = _llm.places(shape, visual_tokens, workload)
    prompt = workload.text_tokens + inside
    wide = 2 * shape.width + (3 if shape.gated else 2) * max(
        shape.feed_forward * max(shape.experts_active, 1) + shape.shared, shape.dense_feed_forward
    )
    logits = 4.0 * shape.vocab
    return {
        "weights": weight_bytes(shape, workload) / 1e9 + 0 * prompt,
        "cache": workload.batch * cache_bytes(shape, prompt + workload.generate, workload, across) / 1e9,
        "activations": workload.batch * (prompt * wide * workload.cache_bytes + logits) / 1e9,
    }


def weight_bytes(shape: LLMShape, workload: Workload) -> Any:
    """Bytes of every parameter that must be loaded."""
    if workload.load is not None:
        return (shape.n_params + workload.load.n_params) * np.asarray(workload.weight_bytes, dtype=float)
    tower = workload.tower
    beside = tower.n_params + _vision.projector_params(tower.width, shape.width) if tower else 0
    return (shape.n_params + beside) * np.asarray(workload.weight_bytes, dtype=float)


def cache_bytes(shape: LLMShape, tokens: Any, workload: Workload, across: Any = 0.0) -> Any:
    """Bytes of the keys and values of one query's tokens; across: visual tokens beside the sequence."""
    kept = (shape.layers - shape.window_layers) * tokens
    if shape.window_layers:
        kept = kept + shape.window_layers * np.minimum(tokens, shape.window or 0)
    kept = kept + shape.cross_layers * across
    return 2.0 * shape.kv_heads * shape.head_size * kept * np.asarray(workload.cache_bytes, dtype=float)


def largest_batch(shape: LLMShape, visual_tokens: Any, workload: Workload, memory_gb: float) -> Any:
    """The largest batch that fits a memory, 0 where not even one query does."""
    one = Workload(**{**workload.__dict__, "batch": 1})
    gigabytes = parts(shape.n_params, shape, visual_tokens, one)
    return np.maximum(
        0, np.floor((memory_gb - gigabytes["weights"]) / (gigabytes["cache"] + gigabytes["activations"]))
    )
