"""vLLM: `vllm serve`, with image settings, lengths, concurrency, number types and tensor parallelism.

Sets: what FLAGS lists; the number of visual tokens through the model's own image processor, for the whole server.
Memory rule: of gpu_memory_utilization x the memory that the driver reports, weights and a reserve are taken off, and
what remains is KV cache in blocks of 16 tokens. The reserve is the peak of a profiling run, the largest of
    the LLM          max_num_batched_tokens x (3 feed_forward + 3 width) numbers, over the cards
    the sampler      max_num_seqs x vocabulary x 20 bytes (42 before 0.9)
    the encoder      the largest images that fit max_num_batched_tokens, 15 widths of a block a patch
beside its outputs, what lies outside torch, and (from 0.21) CUDA graphs.
Source: vllm/entrypoints and vllm/v1/worker of 0.32.0; bytes a logit from start-up logs (tests/engines/test_memory.py).
Leaves out: pipeline and data parallelism, speculative decoding, adapters, video.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scalelaw.engines._contract import (
    Deployment,
    Memory,
    Serving,
    cache_type,
    check_parallel,
    needs_checkpoint,
    pick,
    resize_on_client,
)
from scalelaw.engines._memory import GIB, divided, too_few

VERSION = "0.32.0"
CHECKED = "2026-11-30"
FLAGS = {
    "--dtype": "number type of weights and activations",
    "--quantization": "weights converted while loading",
    "--kv-cache-dtype": "number type of the KV cache",
    "--tensor-parallel-size": "cards that share the model",
    "--max-model-len": "longest request: prompt and answer",
    "--max-num-seqs": "requests at once",
    "--max-num-batched-tokens": "tokens of one forward pass",
    "--gpu-memory-utilization": "share of a card's memory",
    "--limit-mm-per-prompt": "images of a request",
    "--mm-processor-kwargs": "arguments of the image processor: the visual tokens",
}
REQUEST = {"max_tokens": "tokens that a request may generate"}

DTYPES = {
    "fp32": "float32",
    "fp16": "float16",
    "bf16": "bfloat16",
    "fp8": "bfloat16",
    "int8": "bfloat16",
    "int4": "auto",
}
ONLINE = {"fp8": "fp8", "int8": "int8_per_channel_weight_only"}
"""Types to which vLLM converts 16-bit weights while loading."""
CACHE = {"fp8": "fp8", "int8": "int8_per_token_head", "int4": "int4_per_token_head"}
UTILIZATION = 0.9
LEAST_BATCHED, MOST_BATCHED = 2048, 16384
BLOCK_TOKENS = 16
ENCODER_WIDTH = 1280
"""Of a vision encoder whose width is unknown."""


@dataclass(frozen=True)
class Options:
    """The server's options on which its memory depends, and its version (major, minor)."""

    max_num_seqs: int
    max_num_batched_tokens: int
    utilization: float = UTILIZATION
    max_model_len: int = 0
    version: tuple[int, int] = (0, 32)


def serve(deployment: Deployment) -> Serving:
    """The command line; see FLAGS."""
    check_parallel("vLLM", deployment)
    options = options_of(deployment)
    warnings = []
    flags: list[tuple[str, Any]] = [("--dtype", pick("vLLM", "weights", deployment.dtype, DTYPES))]
    if deployment.dtype in ONLINE:
        flags.append(("--quantization", ONLINE[deployment.dtype]))
    elif deployment.dtype == "int4":
        warnings.append(needs_checkpoint("vLLM", "int4", "AWQ, GPTQ or compressed-tensors"))
    if (cache := cache_type("vLLM", deployment, CACHE)) is not None:
        flags.append(("--kv-cache-dtype", cache))
    flags += [
        ("--tensor-parallel-size", deployment.devices),
        ("--max-model-len", deployment.length),
        ("--max-num-seqs", options.max_num_seqs),
        ("--max-num-batched-tokens", options.max_num_batched_tokens),
        ("--gpu-memory-utilization", options.utilization),
        ("--limit-mm-per-prompt", {"image": deployment.images, "video": 0}),
    ]
    if deployment.processor:
        flags.append(("--mm-processor-kwargs", dict(deployment.processor)))
    elif deployment.resize:
        warnings.append(resize_on_client("vLLM", deployment))
    card = memory(deployment, options)
    warnings += too_few("vLLM", deployment, card)
    return Serving(
        program=("vllm", "serve", deployment.model),
        flags=tuple(flags),
        request=deployment.answer_limit,
        memory=card,
        warnings=tuple(warnings),
    )


def options_of(deployment: Deployment) -> Options:
    """The options that the command line states: a prompt goes through in one pass where 16,384 tokens hold it."""
    batched = min(max(LEAST_BATCHED, deployment.length), MOST_BATCHED)
    batched = max(batched, deployment.visual_tokens, deployment.batch)
    return Options(max_num_seqs=deployment.batch, max_num_batched_tokens=batched)


def memory(deployment: Deployment, options: Options | None = None) -> Memory | None:
    """KV cache and concurrency; None where no card is named or the LLM's shape is unknown."""
    if deployment.shape is None:
        return None
    options = options or options_of(deployment)
    reserve = _outside_torch(deployment) + _peak(deployment, options) + _graphs(options)
    return divided(
        deployment,
        fraction=options.utilization,
        reserve=reserve,
        block=BLOCK_TOKENS,
        length=options.max_model_len,
    )


def _peak(deployment: Deployment, options: Options) -> float:
    """Bytes of the largest moment of the profiling run."""
    shape = deployment.shape
    assert shape is not None
    tokens = options.max_num_batched_tokens
    wide = 3 * (shape.feed_forward * max(shape.experts_active, 1) + shape.shared)
    llm = tokens * 2.0 * (wide / deployment.devices + 3 * shape.width)
    sampler = options.max_num_seqs * shape.vocab * (20.0 if options.version >= (0, 9) else 42.0)
    images = max(1, tokens // deployment.visual_tokens) if deployment.visual_tokens else 0
    images = min(images, options.max_num_seqs * deployment.images)
    outputs = images * deployment.visual_tokens * shape.width * 2.0
    encoder = images * deployment.patches * ENCODER_WIDTH * 15 * 2.0
    return max(encoder, outputs + llm, outputs + tokens * shape.width * 2.0 + sampler)


def _graphs(options: Options) -> float:
    """CUDA graphs, which are captured for batches up to twice max_num_seqs; before 0.21 they lay outside the budget."""
    if options.version < (0, 21):
        return 0.0
    return min(1.0, 0.2 + options.max_num_seqs / 320) * GIB


def _outside_torch(deployment: Deployment) -> float:
    return (0.3 + (0.4 if deployment.devices > 1 else 0.0)) * GIB
