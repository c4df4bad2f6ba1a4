"""Which constants of a calibration the measured cells do not determine, and the cells that would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

APART = 1.5
"""Numbers that differ by less than this factor are as good as equal for telling a slope from a fixed part."""
USED = ("ok",)
MOST_NEXT = 3
CONSTANTS = ("host", "prefill", "image", "decode", "batch", "all_reduce")
"""host: the fixed time of a request. prefill, image: time per token, per image. decode: time per token of one request.
batch: how it grows with the requests at once. all_reduce: communication of several devices."""


def unseen(rows: Iterable[Mapping[str, Any]], devices: int) -> list[dict[str, str]]:
    """The constants that the rows do not determine, as {constant, reason}."""
    good = [row for row in rows if row.get("status") in USED]
    alone = [row for row in good if row.get("concurrency") == 1]
    prompts = [row["prompt_tokens"] for row in alone if not row.get("images") and row.get("ttft_ms")]
    pictures = [
        row["visual_tokens"] for row in alone if row.get("images") and row.get("image_ms") is not None
    ]
    steps = [row for row in good if row.get("ms_per_token")]
    levels = [float(row["concurrency"]) for row in steps if row.get("concurrency")]
    reasons = {
        "host": "" if prompts else "No text-only cell at concurrency 1 has a time to the first token.",
        "prefill": _apart(prompts, "text-only prompts at concurrency 1"),
        "image": _apart(pictures, "image sizes with a text-only twin at concurrency 1"),
        "decode": "" if steps else "No cell has a time per token.",
        "batch": _apart(levels, "concurrencies with a time per token"),
        "all_reduce": "" if devices > 1 else "One device does not communicate.",
    }
    return [{"constant": name, "reason": reasons[name]} for name in CONSTANTS if reasons[name]]


def next_cells(
    missing: Sequence[Mapping[str, str]],
    sizes: Sequence[str],
    concurrency: Sequence[int],
    generate: Sequence[int],
) -> list[dict[str, Any]]:
    """At most three cells that would determine what is missing, as {image_size, concurrency, generate, devices,
    reason}."""
    size = sizes[0] if sizes else "448x448"
    tokens = max([*generate, 16])
    level = max([*concurrency, 1])
    other = "1344x1344" if size != "1344x1344" else "448x448"
    cells = {
        "host": _cell("", 1, tokens, "a text-only prompt at concurrency 1 shows the fixed time of a request"),
        "prefill": _cell(other, 1, tokens, "its text-only twin is a longer prompt at concurrency 1"),
        "image": _cell(other, 1, tokens, "a second image size separates the image stage from fixed time"),
        "decode": _cell(size, 1, max(tokens, 64), "a longer reply shows the time per token"),
        "batch": _cell(
            size, 8 * level if level < 8 else 1, max(tokens, 64), "another concurrency shows batching"
        ),
        "all_reduce": _cell(
            size, 1, tokens, "the same cell on 2 devices shows their communication", devices=2
        ),
    }
    cells_to_add: list[dict[str, Any]] = []
    for item in missing:
        cell = cells[item["constant"]]
        if not any(_same(cell, one) for one in cells_to_add):
            cells_to_add.append(cell)
    return cells_to_add[:MOST_NEXT]


def _cell(size: str, level: int, generate: int, reason: str, devices: int = 1) -> dict[str, Any]:
    return {
        "image_size": size,
        "concurrency": level,
        "generate": generate,
        "devices": devices,
        "reason": reason,
    }


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[key] == other[key] for key in ("image_size", "concurrency", "generate", "devices"))


def _apart(values: Sequence[float], kind: str) -> str:
    """Why values do not tell a slope; empty where they do."""
    positive = [value for value in values if value and value > 0]
    if len(positive) > 1 and max(positive) >= APART * min(positive):
        return ""
    return (
        f"{'Only one of the' if positive else 'None of the'} {kind} was measured, or they are nearly equal."
    )
