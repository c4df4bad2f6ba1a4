"""InferenceX (InferenceMAX) results, one object or a list of them: medians in seconds under `median_{ttft,tpot,e2el}`.

`conc` requests at once on `tp` cards with weights of `precision`; a disaggregated or expert-parallel run is refused, as
its cards do not share every product.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelaw.benchmarks._fields import carried, check_units, number, optional
from scalelaw.errors import InputError

TOOL = "InferenceX"
TYPES = {"fp4": "nvfp4", "fp8": "fp8", "bf16": "bf16", "fp16": "fp16", "int4": "int4", "int8": "int8"}
PAIRS = (("ttft_ms", "median_ttft"), ("ms_per_token", "median_tpot"), ("latency_ms", "median_e2el"))
SLOWEST_S = 1e3
"""Seconds per token that no run takes: such a number is milliseconds."""


def matches(content: Any) -> bool:
    """Whether it is a result, or a list of them."""
    first = content[0] if isinstance(content, list) and content else content
    return (
        isinstance(first, Mapping) and {"conc", "tp"} <= set(first) and any(key in first for _, key in PAIRS)
    )


def rows(content: Any) -> list[dict[str, Any]]:
    """One row for each result."""
    return [_row(one) for one in (content if isinstance(content, list) else [content])]


def _row(result: Mapping[str, Any]) -> dict[str, Any]:
    if str(result.get("disagg", "false")).lower() == "true" or (optional(result, "ep") or 1) > 1:
        raise InputError(
            f"The {TOOL} file has a disaggregated or expert-parallel run.",
            code="other_parallelism",
            hint="Keep the runs with tensor parallelism only.",
        )
    precision = str(result.get("precision") or "bf16").lower()
    row: dict[str, Any] = {
        "model": str(result.get("model") or ""),
        "concurrency": number(result, "conc", TOOL),
        "devices": number(result, "tp", TOOL),
        "dtype": TYPES.get(precision, precision),
        "text_tokens": number(result, "isl", TOOL),
        "generate": number(result, "osl", TOOL),
        "visual_tokens": 0,
        **carried(result),
    }
    row |= {name: 1e3 * value for name, key in PAIRS if (value := optional(result, key)) is not None}
    speed, step = optional(result, "median_intvty"), row.get("ms_per_token")
    if speed is not None and step is not None and not 0.3 < speed * step / 1e3 < 3:
        raise InputError(
            f"Tokens per second and time per token of the {TOOL} file contradict each other.",
            code="contradictory_units",
            hint="Times of the file must be in seconds.",
        )
    check_units(row, TOOL)
    return row
