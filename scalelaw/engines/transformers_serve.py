"""transformers serve: `transformers serve MODEL`, with image settings and number types, one request at a time.

Sets: what FLAGS and REQUEST list; the number of visual tokens through the arguments that the server hands to the
model's processor.
Source: transformers/cli/serve.py and processing_utils.py of 5.23.0.
Leaves out: a limit of the length, for which the server has no option; requests with images are not batched; a card is
not shared by tensor parallelism; the KV cache has the type of the weights.
"""

from __future__ import annotations

from typing import Any

from scalelaw.engines._contract import Deployment, Serving, cache_type, cannot, pick, resize_on_client

VERSION = "5.23.0"
CHECKED = "2026-11-30"
FLAGS = {
    "--dtype": "number type of weights and activations",
    "--quantization": "weights converted while loading",
    "--chat-template-kwargs": "arguments of the image processor: the visual tokens",
}
REQUEST = {"max_tokens": "tokens that a request may generate"}

DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "int8": "bfloat16", "int4": "bfloat16"}
ONLINE = {"int8": "bnb-8bit", "int4": "bnb-4bit"}


def serve(deployment: Deployment) -> Serving:
    """The command line; see FLAGS."""
    name = "transformers serve"
    if deployment.devices > 1:
        raise cannot(name, f"does not share a model among {deployment.devices} cards.", "Plan with one card.")
    cache_type(name, deployment, {})
    flags: list[tuple[str, Any]] = [("--dtype", pick(name, "weights", deployment.dtype, DTYPES))]
    limit = (
        f"{name} has no limit of the length; the plan is for requests of up to {deployment.length:,} tokens."
    )
    warnings = [("no_length_limit", limit)]
    if deployment.dtype in ONLINE:
        flags.append(("--quantization", ONLINE[deployment.dtype]))
    if deployment.processor:
        arguments = {"processor_kwargs": {"images_kwargs": dict(deployment.processor)}}
        flags.append(("--chat-template-kwargs", arguments))
    elif deployment.resize:
        warnings.append(resize_on_client(name, deployment))
    if deployment.batch > 1:
        message = f"{name} answers requests with images one after another; the plan serves {deployment.batch} at once."
        warnings.append(("concurrency_not_reached", message))
    return Serving(
        program=("transformers", "serve", deployment.model),
        flags=tuple(flags),
        request=deployment.answer_limit,
        warnings=tuple(warnings),
    )
