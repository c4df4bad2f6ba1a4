"""`vllm bench serve --save-result` (vLLM 0.6 to 0.32), and SGLang's `bench_serving`, which has the same keys.

Times are medians under `median_{ttft,tpot,e2el}_ms`, in milliseconds; the lists of `--save-detailed` are in seconds.
The load is `max_concurrency`, or a finite `request_rate`. Sizes and tokens of images are not in the file: write them
into it with `--metadata visual_tokens=576 images=1`, or name them with `calibrate --value`.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from scalelaw.benchmarks._fields import carried, check_failed, check_units, number, optional
from scalelaw.errors import InputError

TOOL = "vllm bench serve"
PAIRS = (("ttft_ms", "median_ttft_ms"), ("ms_per_token", "median_tpot_ms"), ("latency_ms", "median_e2el_ms"))
LEAST_LISTED = 3


def matches(content: Any) -> bool:
    """Whether it is one result, or a list of them as `vllm bench sweep` collects them."""
    first = content[0] if isinstance(content, list) and content else content
    return isinstance(first, Mapping) and (
        "median_ttft_ms" in first or {"total_output_tokens", "request_rate"} <= set(first)
    )


def rows(content: Any) -> list[dict[str, Any]]:
    """One row for each result."""
    return [_row(one) for one in (content if isinstance(content, list) else [content])]


def _row(result: Mapping[str, Any]) -> dict[str, Any]:
    completed = number(result, "completed", TOOL)
    failed = optional(result, "failed")
    asked_for = optional(result, "num_prompts") or completed
    check_failed(max(failed or 0.0, asked_for - completed), asked_for, TOOL)
    row: dict[str, Any] = {
        "model": str(result.get("model_id") or result.get("model") or ""),
        "text_tokens": number(result, "total_input_tokens", TOOL) / completed,
        "generate": number(result, "total_output_tokens", TOOL) / completed,
        **_load(result),
        **{name: value for name, key in PAIRS if (value := optional(result, key)) is not None},
        **carried(result),
    }
    if not any(name in row for name, _ in PAIRS):
        number(result, "median_ttft_ms", TOOL)
    check_units(row, TOOL)
    _check_listed(result)
    return row


def _load(result: Mapping[str, Any]) -> dict[str, float]:
    if (level := optional(result, "max_concurrency")) is not None:
        return {"concurrency": level}
    if (rate := optional(result, "request_rate")) is not None:
        return {"arrival_rate": rate}
    raise InputError(
        f"All requests of the {TOOL} file were sent at once (neither max_concurrency nor a finite request_rate).",
        code="unbounded_load",
        hint="Repeat the benchmark with --max-concurrency.",
    )


def _check_listed(result: Mapping[str, Any]) -> None:
    """The times of single requests are in seconds; their median is the one in milliseconds."""
    listed = [value for value in result.get("ttfts") or () if isinstance(value, int | float) and value > 0]
    middle = optional(result, "median_ttft_ms")
    if len(listed) >= LEAST_LISTED and middle is not None and not 0.5 < 1e3 * median(listed) / middle < 2:
        raise InputError(
            f"The single times of the {TOOL} file are not its medians in seconds.", code="contradictory_units"
        )
