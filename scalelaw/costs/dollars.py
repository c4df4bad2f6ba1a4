"""Dollars: what a million queries cost at the price of the device's hour, one batch after another.

    usd_per_million        = devices x price x latency of a batch / 3600 s / batch x 1e6
    usd_per_million_tokens = usd_per_million / generated tokens

Source: the definition; the price is the user's to give.
Counts the device's time while it serves (see costs/latency.py for what that holds). Leaves out idle time, the
host, traffic, and whatever overlaps between batches: divide by your utilisation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalelaw.costs import latency
from scalelaw.costs._workload import Workload
from scalelaw.model_shapes import LLMShape

kinds = {
    "usd_per_million": "dollars for a million queries",
    "usd_per_million_tokens": "dollars for a million generated tokens",
}
needs = ("shape", "device", "price")
kind_needs = {"usd_per_million_tokens": ("answer",)}


def parts(n_params: Any, shape: LLMShape, visual_tokens: Any, workload: Workload) -> dict[str, Any]:
    """Dollars for a million queries, by the stages of the latency."""
    assert workload.device is not None, "dollars need a device"
    assert workload.price_per_hour is not None, "dollars need a price"
    per_ms = (
        workload.device.count
        * workload.price_per_hour
        / 3.6e6
        * 1e6
        / np.asarray(workload.batch, dtype=float)
    )
    stages = latency.parts(n_params, shape, visual_tokens, workload)
    return {stage: per_ms * milliseconds for stage, milliseconds in stages.items()}


def totals(parts: dict[str, Any], workload: Workload) -> dict[str, Any]:
    """The kinds of price; of tokens, 0 where none is generated."""
    whole = sum(parts.values())
    return {
        "usd_per_million": whole,
        "usd_per_million_tokens": whole / workload.generate if workload.generate else 0 * whole,
    }


def range_factors(kind: str, workload: Workload) -> tuple[float, float]:
    """What to multiply a price with, for its 90% range: that of the latency."""
    return latency.range_factors("latency_ms", workload)
