"""LLMPerf's `*_summary.json` (version 2023-08-31): quantiles in seconds, as keys `results_..._quantiles_p50`.

Its inter-token latency is that of a whole request divided by its tokens, so it holds the first token too: the row has
the time to the first token and the whole latency only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelaw.benchmarks._fields import carried, check_failed, check_units, number, optional

TOOL = "LLMPerf"
FIRST, WHOLE = "results_ttft_s_quantiles_p50", "results_end_to_end_latency_s_quantiles_p50"


def matches(content: Any) -> bool:
    """Whether it is a summary of the tool."""
    return isinstance(content, Mapping) and "num_concurrent_requests" in content and any(
        str(name).startswith("results_ttft_s") for name in content
    )  # fmt: skip


def rows(content: Any) -> list[dict[str, Any]]:
    """One row."""
    done, failed = (
        optional(content, "results_num_completed_requests"),
        optional(content, "results_number_errors"),
    )
    check_failed(failed, (done or 0.0) + (failed or 0.0) if done or failed else None, TOOL)
    row = {
        "model": str(content.get("model") or ""),
        "concurrency": number(content, "num_concurrent_requests", TOOL),
        "text_tokens": optional(content, "results_number_input_tokens_mean")
        or number(content, "mean_input_tokens", TOOL),
        "generate": optional(content, "results_number_output_tokens_mean")
        or number(content, "mean_output_tokens", TOOL),
        "ttft_ms": 1e3 * number(content, FIRST, TOOL),
        "latency_ms": 1e3 * number(content, WHOLE, TOOL),
        **carried(content),
    }
    check_units(row, TOOL)
    return [row]
