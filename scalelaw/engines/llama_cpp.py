"""llama.cpp: `llama-server`, with image tokens, context, slots and number types.

Sets: what FLAGS lists. --image-max-tokens limits the visual tokens of a model with dynamic resolution; the tiles of
others are fixed in its code. Weights of a type are another file: of a repository of GGUF files the tag names it.
Memory rule: nothing is profiled. The context of all slots is allocated at the start, and the plan's requests fill it;
weights, context and the buffers of one batch have to fit the memory that the driver reports.
Source: common/arg.cpp, as in the wheel xllamacpp 2026.10.11549.
Leaves out: speculative decoding, offloading to the CPU, adapters. llama.cpp rounds halves of a patch up where the
processors round them to even numbers, so an image may differ by one row or column of tokens.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from scalelaw.engines._contract import (
    Deployment,
    Memory,
    Serving,
    cannot,
    check_parallel,
    pick,
    resize_on_client,
)
from scalelaw.engines._memory import GIB, reported_bytes, token_bytes, weight_bytes

VERSION = "xllamacpp 2026.10.11549"
CHECKED = "2026-11-30"
FLAGS = {
    "--hf-repo": "a repository of GGUF files, with the number type as its tag",
    "--model": "a GGUF file",
    "--mmproj": "the GGUF file of the vision encoder",
    "--ctx-size": "tokens of all slots together",
    "--parallel": "requests at once",
    "--batch-size": "tokens of one pass",
    "--ubatch-size": "tokens of one pass on the card",
    "--n-gpu-layers": "layers on the card",
    "--flash-attn": "needed for a quantized cache",
    "--cache-type-k": "number type of the keys",
    "--cache-type-v": "number type of the values",
    "--split-mode": "how cards share the model",
    "--image-max-tokens": "visual tokens of an image, at most",
}
REQUEST = {"max_tokens": "tokens that a request may generate"}

FILES = {"fp32": "F32", "fp16": "F16", "bf16": "BF16", "int8": "Q8_0", "int4": "Q4_K_M"}
CACHE = {"fp32": "f32", "fp16": "f16", "bf16": "bf16", "int8": "q8_0", "int4": "q4_0"}
ALL_LAYERS = 999


def serve(deployment: Deployment) -> Serving:
    """The command line; see FLAGS."""
    check_parallel("llama.cpp", deployment)
    cache = pick("llama.cpp", "KV cache", deployment.cache_dtype, CACHE)
    file_type = pick("llama.cpp", "weights", deployment.dtype, FILES)
    warnings = []
    flags: list[tuple[str, Any]]
    if deployment.model.endswith(".gguf"):
        encoder = str(PurePath(deployment.model).with_name("mmproj.gguf"))
        flags = [("--model", deployment.model), ("--mmproj", encoder)]
        warnings.append((
            "gguf_files",
            f"{deployment.model} has to be of the type {file_type}, with the vision encoder in {encoder}.",
        ))  # fmt: skip
    else:
        flags = [("--hf-repo", f"{deployment.model}:{file_type}")]
        warnings.append((
            "gguf_files",
            f"{deployment.model} has to be a repository of GGUF files, with {file_type} weights and an mmproj file.",
        ))  # fmt: skip
    batch = max(512, -(-deployment.visual_tokens // 256) * 256)
    flags += [
        ("--ctx-size", deployment.length * deployment.batch),
        ("--parallel", deployment.batch),
        ("--batch-size", max(2048, batch)),
        ("--ubatch-size", batch),
        ("--n-gpu-layers", ALL_LAYERS),
        ("--flash-attn", "on"),
        ("--cache-type-k", cache),
        ("--cache-type-v", cache),
    ]
    if deployment.devices > 1:
        flags.append(("--split-mode", "tensor"))
    if deployment.token_limit:
        flags.append(("--image-max-tokens", deployment.visual_tokens))
    elif deployment.processor or deployment.resize:
        warnings.append(resize_on_client("llama.cpp", deployment))
    card = memory(deployment)
    if card is not None and card.weights_gb + card.kv_gb + card.reserve_gb > card.total_gb:
        needed = card.weights_gb + card.kv_gb + card.reserve_gb
        raise cannot(
            "llama.cpp",
            f"needs {needed:.3g} GB on each card for weights, context and buffers; it has {card.total_gb:.3g}.",
            "Lower the batch or the length, take a narrower number type, or more cards.",
        )
    return Serving(
        program=("llama-server",),
        flags=tuple(flags),
        request=deployment.answer_limit,
        memory=card,
        warnings=tuple(warnings),
    )


def memory(deployment: Deployment) -> Memory | None:
    """The context is what the command line says; whether it fits is for `serve` to check."""
    total = reported_bytes(deployment)
    if total is None or deployment.shape is None:
        return None
    tokens = deployment.length * deployment.batch
    batch = max(512, deployment.visual_tokens)
    buffers = batch * 4.0 * (deployment.shape.vocab + 3 * deployment.shape.feed_forward) + 0.5 * GIB
    return Memory(
        total_gb=total / 1e9,
        weights_gb=weight_bytes(deployment) / 1e9,
        reserve_gb=buffers / deployment.devices / 1e9,
        kv_gb=tokens * token_bytes(deployment) / 1e9,
        kv_tokens=tokens,
        concurrency=float(deployment.batch),
    )
