"""`llama-bench -o json` or `jsonl` (llama.cpp, 2024 to 2026): tests of a prompt or of generation, in nanoseconds.

A prompt test (`n_gen` 0) is a time to the first token; a generation test (`n_prompt` 0) is a time per token after
`n_depth` tokens. A test of both at once is left out, as its two parts cannot be separated.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from scalelaw.benchmarks._fields import carried, number
from scalelaw.errors import InputError

TOOL = "llama-bench"
TYPES = {"F32": "fp32", "F16": "fp16", "BF16": "bf16", "Q8_0": "q8_0", "Q6_K": "q6_k", "Q5_K - Medium": "q5_k_m",
         "Q4_K - Medium": "q4_k_m", "Q4_0": "q4_0", "all F32": "fp32"}  # fmt: skip


def matches(content: Any) -> bool:
    """Whether it is a list of its tests."""
    first = content[0] if isinstance(content, list) and content else content
    return isinstance(first, Mapping) and {"n_prompt", "n_gen"} <= set(first)


def rows(content: Any) -> list[dict[str, Any]]:
    """One row for each test of one part. Raises InputError `no_rows` where there is none."""
    tests = content if isinstance(content, list) else [content]
    listed = [row for test in tests if (row := _row(test)) is not None]
    if not listed:
        raise InputError(f"No test of the {TOOL} file is of a prompt or of generation alone.", code="no_rows")
    return listed


def _row(test: Mapping[str, Any]) -> dict[str, Any] | None:
    prompt, generated = (int(test.get(name) or 0) for name in ("n_prompt", "n_gen"))
    if bool(prompt) == bool(generated):
        return None
    listed = [value for value in test.get("samples_ns") or () if isinstance(value, int | float) and value > 0]
    nanoseconds = median(listed) if listed else number(test, "avg_ns", TOOL)
    speed = test.get("avg_ts")
    if isinstance(speed, int | float) and speed > 0:
        tokens = (prompt or generated) / (nanoseconds / 1e9)
        if not 0.3 < tokens / speed < 3:
            raise InputError(
                f"Tokens per second and times of the {TOOL} file contradict each other.",
                code="contradictory_units",
            )
    row: dict[str, Any] = {"visual_tokens": 0, "images": 0, "batch": 1, **_type(test), **carried(test)}
    depth = float(test.get("n_depth") or 0)
    if prompt:
        return {**row, "text_tokens": prompt, "generate": 0, "ttft_ms": nanoseconds / 1e6}
    step = nanoseconds / generated / 1e6
    return {**row, "text_tokens": max(depth, 1), "generate": generated, "ms_per_token": step}


def _type(test: Mapping[str, Any]) -> dict[str, str]:
    """The number type at the end of `model_type`: "llama 8B Q4_K - Medium"."""
    text = str(test.get("model_type") or "")
    return next(({"dtype": name} for ending, name in TYPES.items() if text.endswith(ending)), {})
