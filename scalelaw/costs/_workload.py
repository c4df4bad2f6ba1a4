"""What one query is, and what it runs on: the prompt, the answer, how many run at once, the device."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """What a query runs on. peak_flops: dense bf16 FLOP/s; bandwidth_bytes: of its memory, bytes/s; watts: board
    power, None where it is not published.
    """

    name: str
    peak_flops: float
    bandwidth_bytes: float
    memory_bytes: float
    watts: float | None = None


@dataclass(frozen=True)
class Workload:
    """One query. Tokens are counted as the LLM sees them; a mean over queries may be fractional.

    text_tokens: of the prompt, without the image. generate: generated tokens. batch: queries at once.
    """

    text_tokens: float = 50
    generate: float = 0
    batch: float = 1
    device: Device | None = None
