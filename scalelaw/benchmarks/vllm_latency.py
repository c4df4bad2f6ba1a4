"""`vllm bench latency --output-json` (vLLM 0.6 to 0.32): whole batches, in seconds.

The file states neither model, batch nor lengths: name them with `calibrate --value batch=8 --value text_tokens=32
--value generate=128 --value visual_tokens=0`.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from scalelaw.benchmarks._fields import carried, number
from scalelaw.errors import InputError

TOOL = "vllm bench latency"


def matches(content: Any) -> bool:
    """Whether it is one run of the tool."""
    return isinstance(content, Mapping) and "avg_latency" in content and "percentiles" in content


def rows(content: Any) -> list[dict[str, Any]]:
    """One row, the median of the repetitions."""
    average = number(content, "avg_latency", TOOL)
    listed = [
        value for value in content.get("latencies") or () if isinstance(value, int | float) and value > 0
    ]
    middle = median(listed) if listed else average
    if not 0.2 < middle / average < 5:
        raise InputError(
            f"The single times of the {TOOL} file are not in seconds.", code="contradictory_units"
        )
    return [{"model": str(content.get("model") or ""), "latency_ms": 1e3 * middle, **carried(content)}]
