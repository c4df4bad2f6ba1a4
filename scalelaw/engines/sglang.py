"""SGLang: `python -m sglang.launch_server`, with image settings, lengths, concurrency and number types.

Sets: what FLAGS lists; the number of visual tokens through the model's own image processor, for the whole server.
Memory rule: weights and KV cache together take mem_fraction_static of the memory that the driver reports; what the
weights leave of it is KV cache, token by token.
Source: sglang/srt/arg_groups/fields and sglang/srt/multimodal/processors/base_processor.py of 0.5.23.
Leaves out: data and expert parallelism, speculative decoding, adapters, video.
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
from scalelaw.engines._memory import context_bytes, divided, too_few

VERSION = "0.5.23"
CHECKED = "2026-11-30"
FLAGS = {
    "--model-path": "what is loaded",
    "--dtype": "number type of weights and activations",
    "--quantization": "weights converted while loading",
    "--kv-cache-dtype": "number type of the KV cache",
    "--tp-size": "cards that share the model",
    "--context-length": "longest request: prompt and answer",
    "--max-running-requests": "requests at once",
    "--chunked-prefill-size": "tokens of one forward pass",
    "--mem-fraction-static": "share of a card's memory for weights and KV cache",
    "--limit-mm-data-per-request": "images of a request",
    "--mm-process-config": "arguments of the image processor: the visual tokens",
}
REQUEST = {"max_tokens": "tokens that a request may generate"}

DTYPES = {
    "fp32": "float32",
    "fp16": "float16",
    "bf16": "bfloat16",
    "fp8": "bfloat16",
    "int8": "auto",
    "int4": "auto",
}
CACHE = {"fp8": "fp8_e4m3"}
FRACTION = 0.85
"""Of the memory; the rest is for activations, of which an encoder needs more than an LLM alone."""
MOST_PREFILL = 8192


def serve(deployment: Deployment) -> Serving:
    """The command line; see FLAGS."""
    check_parallel("SGLang", deployment)
    warnings = []
    flags: list[tuple[str, Any]] = [
        ("--model-path", deployment.model),
        ("--dtype", pick("SGLang", "weights", deployment.dtype, DTYPES)),
    ]
    if deployment.dtype == "fp8":
        flags.append(("--quantization", "fp8"))
    elif deployment.dtype == "int8":
        flags.append(("--quantization", "w8a8_int8"))
        warnings.append(needs_checkpoint("SGLang", "int8", "compressed-tensors (W8A8)"))
    elif deployment.dtype == "int4":
        warnings.append(needs_checkpoint("SGLang", "int4", "AWQ or GPTQ"))
    if (cache := cache_type("SGLang", deployment, CACHE)) is not None:
        flags.append(("--kv-cache-dtype", cache))
    flags += [
        ("--tp-size", deployment.devices),
        ("--context-length", deployment.length),
        ("--max-running-requests", deployment.batch),
        ("--chunked-prefill-size", min(max(2048, deployment.length), MOST_PREFILL)),
        ("--mem-fraction-static", FRACTION),
        ("--limit-mm-data-per-request", {"image": deployment.images}),
    ]
    if deployment.processor:
        flags.append(("--mm-process-config", {"image": dict(deployment.processor)}))
    elif deployment.resize:
        warnings.append(resize_on_client("SGLang", deployment))
    card = memory(deployment)
    warnings += too_few("SGLang", deployment, card)
    return Serving(
        program=("python", "-m", "sglang.launch_server"),
        flags=tuple(flags),
        request=deployment.answer_limit,
        memory=card,
        warnings=tuple(warnings),
    )


def memory(deployment: Deployment, fraction: float = FRACTION) -> Memory | None:
    """KV cache and concurrency; None where no card is named or the LLM's shape is unknown."""
    return divided(deployment, fraction=fraction, reserve=context_bytes(deployment), block=1)
