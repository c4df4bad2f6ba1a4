"""Ollama: `ollama serve` with its variables, and the options of a request.

Sets: what ENVIRONMENT and REQUEST list. The number type of the weights is part of a model's tag.
Source: envconfig/config.go at commit 4bf0d41 of the repository; for OLLAMA_CONTEXT_LENGTH, which is newer,
docs/context-length.mdx at commit 948f693; docs/api.md.
Leaves out: the number of visual tokens, for which Ollama has no option (the client resizes); tensor parallelism, since
Ollama places whole layers on the cards; the file that describes a model.
"""

from __future__ import annotations

from typing import Any

from scalelaw.engines._contract import Deployment, Serving, cannot, pick, resize_on_client

VERSION = "repository at 948f693"
CHECKED = "2026-11-30"
FLAGS: dict[str, str] = {}
ENVIRONMENT = {
    "OLLAMA_CONTEXT_LENGTH": "longest request: prompt and answer",
    "OLLAMA_NUM_PARALLEL": "requests at once",
    "OLLAMA_FLASH_ATTENTION": "needed for a quantized cache",
    "OLLAMA_KV_CACHE_TYPE": "number type of the KV cache",
}
REQUEST = {
    "model": "a model's name and tag",
    "options": "num_ctx, the length of a request, and num_predict, the tokens that it may generate",
}

TAGS = {"fp16": "fp16", "bf16": "bf16", "int8": "q8_0", "int4": "q4_K_M"}
CACHE = {"fp16": "f16", "bf16": "f16", "int8": "q8_0", "int4": "q4_0"}


def serve(deployment: Deployment) -> Serving:
    """The variables and the request; see ENVIRONMENT and REQUEST."""
    if deployment.devices > 1:
        raise cannot(
            "Ollama",
            f"does not share the layers of a model among {deployment.devices} cards; it places whole layers on them.",
            "Plan with one card, or take llama.cpp, vLLM or SGLang.",
        )
    tag = pick("Ollama", "weights", deployment.dtype, TAGS)
    cache = pick("Ollama", "KV cache", deployment.cache_dtype, CACHE)
    warnings = [("model_tag", f"The tag of {deployment.model} has to be one of {tag} weights.")]
    if deployment.processor or deployment.resize:
        warnings.append(resize_on_client("Ollama", deployment))
    options: dict[str, Any] = {"num_ctx": deployment.length}
    if deployment.generate:
        options["num_predict"] = deployment.generate
    return Serving(
        program=("ollama", "serve"),
        environment={
            "OLLAMA_CONTEXT_LENGTH": str(deployment.length),
            "OLLAMA_NUM_PARALLEL": str(deployment.batch),
            "OLLAMA_FLASH_ATTENTION": "1",
            "OLLAMA_KV_CACHE_TYPE": cache,
        },
        request={"model": deployment.model, "options": options},
        warnings=tuple(warnings),
    )
