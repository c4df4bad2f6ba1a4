"""`vllm bench mm-processor --output-json` (vLLM 0.15 to 0.32): whole requests with images, in milliseconds.

The stages under `mm_processor_stats` are seconds where their name ends in `_time` and milliseconds where it ends in
`_ms`; the row has the median of whole requests. Sizes, tokens and lengths are not in the file: name them with
`calibrate --value`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelaw.benchmarks._fields import carried, check_failed, number, optional
from scalelaw.errors import InputError

TOOL = "vllm bench mm-processor"


def matches(content: Any) -> bool:
    """Whether it is one run of the tool."""
    return isinstance(content, Mapping) and "mm_processor_stats" in content


def rows(content: Any) -> list[dict[str, Any]]:
    """One row."""
    completed, failed = optional(content, "completed"), optional(content, "failed")
    check_failed(failed, (completed or 0.0) + (failed or 0.0), TOOL)
    whole = number(content, "median_e2el_ms", TOOL)
    stages = content["mm_processor_stats"]
    for name, values in stages.items() if isinstance(stages, Mapping) else ():
        middle = optional(values, "median") if isinstance(values, Mapping) else None
        factor = 1e3 if str(name).endswith("_time") else 1.0
        if middle is not None and str(name).endswith(("_ms", "_time")) and factor * middle > 2 * whole:
            raise InputError(
                f"The stage '{str(name)[:40]}' of the {TOOL} file takes longer than a whole request: it is in another "
                "unit.",
                code="contradictory_units",
            )
    return [{"model": str(content.get("model") or ""), "latency_ms": whole, **carried(content)}]
