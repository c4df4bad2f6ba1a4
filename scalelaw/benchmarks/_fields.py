"""Fields of benchmark files: required numbers, units, failed requests, and times that contradict each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scalelaw.errors import InputError

MS_OF = {"ms": 1.0, "milliseconds": 1.0, "s": 1e3, "sec": 1e3, "seconds": 1e3, "us": 1e-3, "ns": 1e-6}
"""Milliseconds of a unit."""
MOST_FAILED = 0.1
"""Share of failed requests above which a file is refused: what is left is not the load that was meant."""
AGREE = 3.0
"""Times of one run that differ by more than this factor from their sum are of different units."""
CARRIED = ("visual_tokens", "image_size", "images", "tiles", "devices", "dtype", "cache_dtype", "compressor")
"""Columns that a tool does not measure and a user may have written into its file as metadata."""


def number(content: Mapping[str, Any], name: str, tool: str) -> float:
    """A positive number under a key. Raises InputError `cut_off` where it is missing, `bad_value` where it is none."""
    if name not in content:
        raise InputError(
            f"The {tool} file has no '{name}'.",
            code="cut_off",
            hint="It is cut off, or another version of the tool wrote it.",
        )
    if (value := optional(content, name)) is None:
        raise InputError(f"'{name}' of the {tool} file is not a positive number.", code="bad_value")
    return value


def optional(content: Mapping[str, Any], name: str) -> float | None:
    """A positive finite number under a key, or None."""
    value = content.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except ValueError:
        return None
    return result if math.isfinite(result) and result > 0 else None


def mapping(content: Mapping[str, Any], name: str, tool: str) -> Mapping[str, Any]:
    """A mapping under a key. Raises InputError `cut_off`."""
    value = content.get(name)
    if not isinstance(value, Mapping):
        raise InputError(
            f"The {tool} file has no '{name}'.",
            code="cut_off",
            hint="It is cut off, or another version of the tool wrote it.",
        )
    return value


def in_ms(value: float, unit: Any, tool: str) -> float:
    """A time in milliseconds. Raises InputError `unknown_unit`."""
    if (factor := MS_OF.get(str(unit).strip().lower())) is None:
        raise InputError(
            f"The {tool} file states times in '{str(unit)[:40]}'.",
            code="unknown_unit",
            hint=f"Known units: {', '.join(MS_OF)}.",
        )
    return value * factor


def check_failed(failed: float | None, total: float | None, tool: str) -> None:
    """Raises InputError `failed_requests` where more than a tenth of the requests failed, or none succeeded."""
    if failed and total and failed > MOST_FAILED * total:
        raise InputError(
            f"{failed:g} of {total:g} requests of the {tool} file failed: its times are not those of its load.",
            code="failed_requests",
            hint="Repeat the benchmark without failures.",
        )
    if total == 0:
        raise InputError(f"No request of the {tool} file succeeded.", code="failed_requests")


def check_units(row: Mapping[str, Any], tool: str) -> None:
    """Raises InputError `contradictory_units` where first token + other tokens is far from the whole latency."""
    ttft, step, whole = (optional(row, name) for name in ("ttft_ms", "ms_per_token", "latency_ms"))
    tokens = optional(row, "generate")
    if whole is None or (ttft is None and step is None):
        return
    if ttft is not None and step is not None and tokens is not None:
        total = ttft + max(tokens - 1, 0) * step
        wrong = not 1 / AGREE < total / whole < AGREE
    else:
        wrong = ttft is not None and ttft > AGREE * whole
    if wrong:
        raise InputError(
            f"The times of the {tool} file contradict each other: one of them is in another unit.",
            code="contradictory_units",
            hint="Times to the first token, per token and of whole requests must be of one run.",
        )


def carried(content: Mapping[str, Any]) -> dict[str, Any]:
    """Columns that a user wrote into the file as metadata."""
    return {name: content[name] for name in CARRIED if content.get(name) not in (None, "")}
