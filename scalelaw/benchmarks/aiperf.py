"""AIPerf's `profile_export_aiperf.json` and genai-perf's `profile_export_genai_perf.json`; each metric has a `unit`.

Times are `time_to_first_token`, `inter_token_latency` and `request_latency`, at the 50th percentile. The load is
`concurrency` or `request_rate` of the `input_config`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scalelaw.benchmarks._fields import carried, check_failed, check_units, in_ms, number, optional

TOOL = "AIPerf"
TIMES = {
    "ttft_ms": ("time_to_first_token", "ttft"),
    "ms_per_token": ("inter_token_latency",),
    "latency_ms": ("request_latency",),
}
MODELS = ("model_names", "model", "models")


def matches(content: Any) -> bool:
    """Whether its metrics have units, at the top or under `records`."""
    return isinstance(content, Mapping) and any(
        isinstance(_metrics(content).get(name), Mapping)
        for name in ("request_latency", "time_to_first_token", "ttft")
    )


def rows(content: Any) -> list[dict[str, Any]]:
    """One row."""
    metrics = _metrics(content)
    good, failed = (_average(metrics, name) for name in ("request_count", "error_request_count"))
    check_failed(failed, (good or 0.0) + (failed or 0.0) if good or failed else None, TOOL)
    row: dict[str, Any] = {"model": _model(content), **_load(content), **carried(content)}
    for column, names in TIMES.items():
        metric = next((metrics[name] for name in names if isinstance(metrics.get(name), Mapping)), None)
        if metric is not None:
            row[column] = in_ms(number(metric, "p50", TOOL), metric.get("unit"), TOOL)
    for column, name in (("text_tokens", "input_sequence_length"), ("generate", "output_sequence_length")):
        if (average := _average(metrics, name)) is not None:
            row[column] = average
    check_units(row, TOOL)
    return [row]


def _metrics(content: Mapping[str, Any]) -> Mapping[str, Any]:
    records = content.get("records")
    return records if isinstance(records, Mapping) else content


def _average(metrics: Mapping[str, Any], name: str) -> float | None:
    metric = metrics.get(name)
    return optional(metric, "avg") if isinstance(metric, Mapping) else None


def _load(content: Mapping[str, Any]) -> dict[str, float]:
    for key, column in (("concurrency", "concurrency"), ("request_rate", "arrival_rate")):
        values = [optional({key: value}, key) for value in _under(content.get("input_config"), key)]
        if (value := next((value for value in values if value is not None), None)) is not None:
            return {column: value}
    return {}


def _model(content: Mapping[str, Any]) -> str:
    for key in MODELS:
        for value in _under(content.get("input_config"), key):
            name = value[0] if isinstance(value, list) and value else value
            if isinstance(name, str) and name:
                return name
    return ""


def _under(content: Any, key: str, depth: int = 0) -> Iterator[Any]:
    """Every value of a key at any level."""
    if not isinstance(content, Mapping) or depth > 8:
        return
    if key in content:
        yield content[key]
    for value in content.values():
        yield from _under(value, key, depth + 1)
