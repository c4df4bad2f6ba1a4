"""optimum-benchmark's `benchmark.json` (0.3 to 0.6): `report.prefill`, `report.decode`, `report.per_token`, with units.

Batch and lengths are in `config.scenario.input_shapes` and `generate_kwargs`; a report without its config has neither.
The decode part is that of max_new_tokens - 1 steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelaw.benchmarks._fields import carried, in_ms, mapping, number, optional
from scalelaw.errors import InputError

TOOL = "optimum-benchmark"


def matches(content: Any) -> bool:
    """Whether it is a benchmark, or a report by itself."""
    report = _report(content)
    return isinstance(report.get("prefill"), Mapping) and "latency" in report["prefill"]


def rows(content: Any) -> list[dict[str, Any]]:
    """One row."""
    report = _report(content)
    config = content.get("config")
    if not isinstance(config, Mapping):
        raise InputError(
            f"The {TOOL} file has a report and no config, so its batch and lengths are not known.",
            code="cut_off",
            hint="Give benchmark.json, which has both.",
        )
    scenario = mapping(config, "scenario", TOOL)
    shapes = mapping(scenario, "input_shapes", TOOL)
    generate = scenario.get("generate_kwargs") or {}
    tokens = optional(generate, "max_new_tokens") if isinstance(generate, Mapping) else None
    backend = config.get("backend") or {}
    row: dict[str, Any] = {
        "model": str(backend.get("model") or "") if isinstance(backend, Mapping) else "",
        "batch": number(shapes, "batch_size", TOOL),
        "text_tokens": number(shapes, "sequence_length", TOOL),
        "generate": (tokens or 1.0) - 1.0,
        "ttft_ms": _median_ms(mapping(report, "prefill", TOOL)),
        **carried(content),
    }
    if isinstance(report.get("per_token"), Mapping) and row["generate"]:
        row["ms_per_token"] = _median_ms(report["per_token"])
    elif isinstance(report.get("decode"), Mapping) and row["generate"]:
        row["ms_per_token"] = _median_ms(report["decode"]) / row["generate"]
    return [row]


def _median_ms(part: Mapping[str, Any]) -> float:
    latency = mapping(part, "latency", TOOL)
    return in_ms(number(latency, "p50", TOOL), latency.get("unit"), TOOL)


def _report(content: Any) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        return {}
    report = content.get("report", content)
    return report if isinstance(report, Mapping) else {}
