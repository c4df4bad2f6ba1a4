"""Memory of a card as engines divide it: what it reports, what weights and one token of the KV cache take."""

from __future__ import annotations

from scalelaw.engines._contract import Deployment, Memory

GIB = 1024.0**3
REPORTED_GIB = {
    "a100-sxm-80": 79.2,
    "h100-sxm": 79.2,
    "h100-pcie": 79.2,
    "h200-sxm": 139.8,
    "b200": 178.4,
    "l40s": 44.4,
    "a10g": 22.1,
    "mi300x": 192.0,
}
"""What the drivers report, as start-up logs print it: the nominal number in units of 1024^3 bytes, less the driver's
own and (L40S, A10G) what error correction takes."""
REPORTED_SHARE = 0.985
"""Of a card that is not listed."""
TYPE_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.5}
LOADED_SHARE = 1.005
"""Weights after loading, as logs print them: with buffers and the padding of the allocator."""


def reported_bytes(deployment: Deployment) -> float | None:
    """What the driver reports of one card, in bytes; None where no card is named."""
    if deployment.memory_gb is None:
        return None
    known = REPORTED_GIB.get(deployment.device or "")
    return (known if known is not None else REPORTED_SHARE * deployment.memory_gb) * GIB


def context_bytes(deployment: Deployment) -> float:
    """What lies outside torch on one card, communication between cards among it."""
    return (0.5 + (0.4 if deployment.devices > 1 else 0.0)) * GIB


def weight_bytes(deployment: Deployment) -> float:
    """Of one card. Only the blocks' matrices are quantized; embeddings, the head and the encoder stay in 16 bits."""
    shape = deployment.shape
    if shape is None:
        return 0.0
    narrow = TYPE_BYTES[deployment.dtype]
    rest = max(narrow, 2.0)
    blocks = float(shape.fixed_params + shape.experts * shape.expert_params)
    if shape.counted:
        blocks = float(shape.n_params - shape.embedding_params)
    whole = blocks * narrow + (shape.n_params - blocks) * rest + deployment.encoder_params * rest
    return LOADED_SHARE * whole / deployment.devices


def token_bytes(deployment: Deployment) -> float:
    """Of one token in the KV cache of one card, in every layer. Key and value heads are shared by the cards, or copied
    where there are fewer heads than cards."""
    shape = deployment.shape
    if shape is None:
        return 0.0
    heads = max(1, -(-shape.kv_heads // deployment.devices))
    return 2.0 * shape.layers * heads * shape.head_size * TYPE_BYTES[deployment.cache_dtype]


def request_bytes(deployment: Deployment, length: int) -> float:
    """Of a request of this length in the KV cache of one card; a layer with a window keeps no more than that."""
    shape = deployment.shape
    if shape is None:
        return 0.0
    each = token_bytes(deployment) / shape.layers
    inside = min(length, shape.window or length)
    return each * ((shape.layers - shape.window_layers) * length + shape.window_layers * inside)


def divided(
    deployment: Deployment,
    *,
    reserve: float,
    fraction: float = 1.0,
    share: float = 1.0,
    block: int = 16,
    length: int = 0,
) -> Memory | None:
    """The memory of one card: of a fraction of what the driver reports, what weights and reserve leave (or a share of
    it) is KV cache; None where no card is named or the LLM's shape is unknown."""
    total, shape = reported_bytes(deployment), deployment.shape
    if total is None or shape is None:
        return None
    usable = total * fraction
    length = length or deployment.length
    weights = weight_bytes(deployment)
    cache = max(0.0, (usable - weights - reserve) * share)
    concurrency = cache / request_bytes(deployment, length)
    if shape.window_layers:
        tokens = int(concurrency * length)
    else:
        tokens = int(cache // (block * token_bytes(deployment))) * block
        concurrency = tokens / length
    return Memory(
        total_gb=usable / 1e9,
        weights_gb=weights / 1e9,
        reserve_gb=reserve / 1e9,
        kv_gb=cache / 1e9,
        kv_tokens=tokens,
        concurrency=concurrency,
    )


def too_few(engine: str, deployment: Deployment, memory: Memory | None) -> tuple[tuple[str, str], ...]:
    """The warning where fewer requests fit than the plan serves at once."""
    if memory is None or memory.concurrency >= deployment.batch:
        return ()
    message = (
        f"{engine}'s KV cache holds {memory.concurrency:.2f} requests of {deployment.length:,} tokens at once, and the "
        f"plan serves {deployment.batch}: the others wait. Lower the batch, or take more or larger cards."
    )
    return (("concurrency_not_reached", message),)
