"""TensorRT-LLM: `trtllm-serve` with its PyTorch backend, lengths, concurrency and the type of the KV cache.

Sets: what FLAGS lists, and a file of options for what has no flag. The number of visual tokens is a field of each
request, which goes to the model's own image processor. Weights of a type are another checkpoint.
Memory rule: free_gpu_memory_fraction of the memory that weights and the buffers of a forward pass leave free is KV
cache, in blocks of 32 tokens.
Source: tensorrt_llm/commands/serve.py at commit 4c05a74 of the repository, and tensorrt_llm/serve/openai_protocol.py.
Leaves out: pipeline and expert parallelism, speculative decoding, adapters, video.
"""

from __future__ import annotations

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

VERSION = "repository at 4c05a74"
CHECKED = "2026-11-30"
FLAGS = {
    "--backend": "the runtime",
    "--tp_size": "cards that share the model",
    "--max_seq_len": "longest request: prompt and answer",
    "--max_batch_size": "requests at once",
    "--max_num_tokens": "tokens of one forward pass",
    "--kv_cache_free_gpu_memory_fraction": "share of the free memory that becomes KV cache",
    "--extra_llm_api_options": "a file of further options: the number type of the KV cache",
}
REQUEST = {
    "max_tokens": "tokens that a request may generate",
    "mm_processor_kwargs": "arguments of the image processor: the visual tokens",
}

WEIGHTS = {"fp16": "", "bf16": "", "fp8": "FP8 (ModelOpt)", "int4": "AWQ (ModelOpt)"}
CACHE = {"fp8": "fp8"}
FRACTION = 0.9
BLOCK_TOKENS = 32
OPTIONS_FILE = "trtllm_options.yaml"


def serve(deployment: Deployment) -> Serving:
    """The command line; see FLAGS."""
    check_parallel("TensorRT-LLM", deployment)
    checkpoint = pick("TensorRT-LLM", "weights", deployment.dtype, WEIGHTS)
    warnings = [needs_checkpoint("TensorRT-LLM", deployment.dtype, checkpoint)] if checkpoint else []
    flags: list[tuple[str, Any]] = [
        ("--backend", "pytorch"),
        ("--tp_size", deployment.devices),
        ("--max_seq_len", deployment.length),
        ("--max_batch_size", deployment.batch),
        ("--max_num_tokens", _tokens(deployment)),
        ("--kv_cache_free_gpu_memory_fraction", FRACTION),
    ]
    files = {}
    if (cache := cache_type("TensorRT-LLM", deployment, CACHE)) is not None:
        files[OPTIONS_FILE] = f"kv_cache_config:\n  dtype: {cache}\n"
        flags.append(("--extra_llm_api_options", OPTIONS_FILE))
    request = deployment.answer_limit
    if deployment.processor:
        request["mm_processor_kwargs"] = dict(deployment.processor)
    elif deployment.resize:
        warnings.append(resize_on_client("TensorRT-LLM", deployment))
    card = memory(deployment)
    warnings += too_few("TensorRT-LLM", deployment, card)
    return Serving(
        program=("trtllm-serve", deployment.model),
        flags=tuple(flags),
        request=request,
        files=files,
        memory=card,
        warnings=tuple(warnings),
    )


def memory(deployment: Deployment, fraction: float = FRACTION) -> Memory | None:
    """KV cache and concurrency; None where no card is named or the LLM's shape is unknown."""
    shape = deployment.shape
    if shape is None:
        return None
    wide = 3 * (shape.feed_forward * max(shape.experts_active, 1) + shape.shared) / deployment.devices
    buffers = _tokens(deployment) * 2.0 * (wide + 3 * shape.width) + deployment.batch * 4.0 * shape.vocab
    return divided(deployment, reserve=buffers + 1.5 * GIB, share=fraction, block=BLOCK_TOKENS)


def _tokens(deployment: Deployment) -> int:
    """A prompt goes through in one pass."""
    return max(8192, deployment.length)
