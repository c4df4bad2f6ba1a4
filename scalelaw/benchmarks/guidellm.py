"""GuideLLM's `benchmarks.json` (0.2 to 0.5): medians of successful requests; `request_latency` is in seconds.

Metrics whose name ends in `_ms` are milliseconds. The load is that of the strategy: `concurrent` streams,
`synchronous` (one at a time), `constant` or `poisson` requests a second; a `throughput` benchmark has no bounded load
and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelaw.benchmarks._fields import carried, check_failed, check_units, mapping, number, optional
from scalelaw.errors import InputError

TOOL = "GuideLLM"
TIMES = (("ttft_ms", "time_to_first_token_ms", 1.0), ("ms_per_token", "inter_token_latency_ms", 1.0),
         ("latency_ms", "request_latency", 1e3))  # fmt: skip


def matches(content: Any) -> bool:
    """Whether it holds GuideLLM's benchmarks."""
    benchmarks = content.get("benchmarks") if isinstance(content, Mapping) else None
    return (
        isinstance(benchmarks, list)
        and bool(benchmarks)
        and isinstance(benchmarks[0], Mapping)
        and "metrics" in benchmarks[0]
    )


def rows(content: Any) -> list[dict[str, Any]]:
    """One row for each benchmark with a bounded load. Raises InputError `unbounded_load` where there is none."""
    listed = [row for one in content["benchmarks"] if (row := _row(one, content)) is not None]
    if not listed:
        raise InputError(
            f"No benchmark of the {TOOL} file has a bounded load.",
            code="unbounded_load",
            hint="Repeat it with --rate-type concurrent or synchronous.",
        )
    return listed


def _row(benchmark: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any] | None:
    if (load := _load(benchmark)) is None:
        return None
    metrics = mapping(benchmark, "metrics", TOOL)
    totals = metrics.get("request_totals") or benchmark.get("request_totals") or {}
    if isinstance(totals, Mapping):
        check_failed(optional(totals, "errored"), optional(totals, "total"), TOOL)
    row: dict[str, Any] = {"model": _model(benchmark, content), **load, **carried(content)}
    for column, name, factor in TIMES:
        if name in metrics:
            row[column] = factor * number(_successful(metrics, name), "median", TOOL)
    for column, name in (("text_tokens", "prompt_token_count"), ("generate", "output_token_count")):
        if name in metrics:
            row[column] = number(_successful(metrics, name), "median", TOOL)
    check_units(row, TOOL)
    return row


def _successful(metrics: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return mapping(mapping(metrics, name, TOOL), "successful", TOOL)


def _load(benchmark: Mapping[str, Any]) -> dict[str, float] | None:
    for place in ("config", "args", "scheduler"):
        strategy = (
            (benchmark.get(place) or {}).get("strategy")
            if isinstance(benchmark.get(place), Mapping)
            else None
        )
        if isinstance(strategy, Mapping):
            kind = str(strategy.get("type_") or strategy.get("type") or "")
            if kind == "synchronous":
                return {"concurrency": 1.0}
            if kind == "concurrent" and (streams := optional(strategy, "streams")) is not None:
                return {"concurrency": streams}
            if kind in ("constant", "poisson", "async") and (rate := optional(strategy, "rate")) is not None:
                return {"arrival_rate": rate}
    return None


def _model(benchmark: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    for place in (
        benchmark.get("worker"),
        benchmark.get("config"),
        benchmark.get("args"),
        content.get("args"),
        content,
    ):
        if isinstance(place, Mapping):
            for key in ("backend_model", "model"):
                if isinstance(place.get(key), str):
                    return str(place[key])
    return ""
