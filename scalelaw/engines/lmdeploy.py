"""LMDeploy: `lmdeploy serve api_server` with its PyTorch engine, lengths, concurrency and number types.

Sets: what FLAGS and REQUEST list. The number of visual tokens is a field of each request, for models whose processor
limits the area of an image; for others the client resizes.
Memory rule: cache_max_entry_count is the share of the memory that weights leave free, which becomes KV cache in blocks
of 64 tokens.
Source: lmdeploy/cli/serve.py and lmdeploy/vl/model/preprocess_utils.py of 0.18.0.
Leaves out: the TurboMind engine, data parallelism, adapters, video.
"""

from __future__ import annotations

from typing import Any

from scalelaw.engines._contract import (
    Deployment,
    Memory,
    Serving,
    cache_type,
    cannot,
    check_parallel,
    needs_checkpoint,
    pick,
    resize_on_client,
)
from scalelaw.engines._memory import context_bytes, divided, too_few

VERSION = "0.18.0"
CHECKED = "2026-11-30"
FLAGS = {
    "--backend": "the engine",
    "--dtype": "number type of weights and activations",
    "--model-format": "format of a quantized checkpoint",
    "--quant-policy": "number type of the KV cache",
    "--tp": "cards that share the model",
    "--session-len": "longest request: prompt and answer",
    "--max-batch-size": "requests at once",
    "--max-prefill-token-num": "tokens of one forward pass",
    "--cache-max-entry-count": "share of the free memory that becomes KV cache",
}
REQUEST = {
    "max_tokens": "tokens that a request may generate",
    "mm_processor_kwargs": "limits of an image's area: the visual tokens",
}

DTYPES = {"fp16": "float16", "bf16": "bfloat16", "fp8": "auto", "int4": "auto"}
FORMATS = {"fp8": ("fp8", "blocked fp8"), "int4": ("awq", "AWQ")}
CACHE = {"fp8": "fp8", "int8": 8, "int4": 4}
SHARE = 0.8
BLOCK_TOKENS = 64


def serve(deployment: Deployment) -> Serving:
    """The command line; see FLAGS."""
    check_parallel("LMDeploy", deployment)
    if deployment.devices & (deployment.devices - 1):
        raise cannot(
            "LMDeploy", f"shares a model among 1, 2, 4, 8 cards, and not among {deployment.devices}."
        )
    warnings = []
    flags: list[tuple[str, Any]] = [
        ("--backend", "pytorch"),
        ("--dtype", pick("LMDeploy", "weights", deployment.dtype, DTYPES)),
    ]
    if deployment.dtype in FORMATS:
        name, words = FORMATS[deployment.dtype]
        flags.append(("--model-format", name))
        warnings.append(needs_checkpoint("LMDeploy", deployment.dtype, words))
    if (policy := cache_type("LMDeploy", deployment, CACHE)) is not None:
        flags.append(("--quant-policy", policy))
    flags += [
        ("--tp", deployment.devices),
        ("--session-len", deployment.length),
        ("--max-batch-size", deployment.batch),
        ("--max-prefill-token-num", min(max(2048, deployment.length), 8192)),
        ("--cache-max-entry-count", SHARE),
    ]
    request = deployment.answer_limit
    size = deployment.processor.get("size")
    if (
        isinstance(size, dict)
        and set(size) == {"shortest_edge", "longest_edge"}
        and len(deployment.processor) == 1
    ):
        limits = {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}
        request["mm_processor_kwargs"] = {"image": limits}
    elif deployment.processor or deployment.resize:
        warnings.append(resize_on_client("LMDeploy", deployment))
    card = memory(deployment)
    warnings += too_few("LMDeploy", deployment, card)
    return Serving(
        program=("lmdeploy", "serve", "api_server", deployment.model),
        flags=tuple(flags),
        request=request,
        memory=card,
        warnings=tuple(warnings),
    )


def memory(deployment: Deployment, share: float = SHARE) -> Memory | None:
    """KV cache and concurrency; None where no card is named or the LLM's shape is unknown."""
    return divided(deployment, reserve=context_bytes(deployment), share=share, block=BLOCK_TOKENS)
