"""From the replies of a cell to a row: medians, percentiles, and how sure a median is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from scalelaw.measure.stream import Reply

PERCENTILES = (90, 99)
LEVEL_Z = 1.6448536269514722
"""Of a 90% interval."""
LEAST_REPLIES = 5
"""Fewer replies tell nothing of the spread of their median."""
MOST_FAILED = 0.1
"""Share of failed requests above which a cell has no time."""


def spread_of(values: Sequence[float]) -> float:
    """How sure the median of values in their order of time is, relative to it: the larger of the half width of its 90%
    interval (order statistics, binomial), and of half the difference between the medians of the first and the second
    half. Infinite for fewer than `LEAST_REPLIES`."""
    numbers = np.asarray(values, dtype=float)
    count = len(numbers)
    if count < LEAST_REPLIES:
        return float("inf")
    middle = float(np.median(numbers))
    if middle <= 0:
        return float("inf")
    ordered = np.sort(numbers)
    reach = LEVEL_Z * np.sqrt(count) / 2
    low = max(int(np.floor(count / 2 - reach)), 0)
    high = min(int(np.ceil(count / 2 + reach)), count - 1)
    drift = abs(np.median(numbers[: count // 2]) - np.median(numbers[count // 2 :]))
    return float(max(ordered[high] - ordered[low], drift) / (2 * middle))


def spreads(replies: Sequence[Reply]) -> dict[str, float]:
    """The spread of each time that the replies have."""
    return {name: spread_of(values) for name, values in times(replies).items() if values}


def times(replies: Iterable[Reply]) -> dict[str, list[float]]:
    """The times of whole replies, in milliseconds: ttft_ms, ms_per_token, latency_ms."""
    timed = [reply for reply in replies if reply.is_timed]
    return {
        "ttft_ms": [value for reply in timed if (value := reply.ttft_ms) is not None],
        "ms_per_token": [value for reply in timed if (value := reply.ms_per_token) is not None],
        "latency_ms": [reply.latency_ms for reply in timed],
    }


def percentiles(name: str, values: Sequence[float]) -> dict[str, float]:
    """The median under the name itself, percentiles under `name_p90`; empty for no values."""
    if not len(values):
        return {}
    facts = {name: float(np.median(values))}
    facts |= {f"{name}_p{level}": float(np.percentile(values, level)) for level in PERCENTILES}
    return facts


def counts(replies: Iterable[Reply]) -> dict[str, Any]:
    """Medians of the tokens that the server counted."""
    timed = [reply for reply in replies if reply.is_timed]
    prompt = [reply.prompt_tokens for reply in timed if reply.prompt_tokens is not None]
    output = [reply.completion_tokens for reply in timed if reply.completion_tokens is not None]
    return {
        "prompt_tokens": float(np.median(prompt)) if prompt else None,
        "generate": float(np.median(output)) if output else None,
    }


def most_common_failure(replies: Iterable[Reply]) -> tuple[str, str]:
    """The status and the reason of most of the failed replies."""
    failed = Counter((reply.status, reply.reason) for reply in replies if not reply.is_timed)
    return failed.most_common(1)[0][0] if failed else ("", "")
