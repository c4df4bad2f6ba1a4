"""Measured latencies: a row for each cell, what was sent, and what the rows do not determine."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from scalelaw.files.paths import write_text
from scalelaw.results.envelope import Answer
from scalelaw.results.warning import Warning

COLUMNS = (
    "model", "status", "images", "image_size", "visual_tokens", "text_tokens", "prompt_tokens", "generate",
    "concurrency", "arrival_rate", "devices", "dtype",
    "ttft_ms", "ttft_ms_p90", "ttft_ms_p99",
    "ms_per_token", "ms_per_token_p90", "ms_per_token_p99",
    "latency_ms", "latency_ms_p90", "latency_ms_p99",
    "image_ms", "prefill_ms", "step_ms", "requests_per_s", "tokens_per_s", "requests", "failed", "spread", "reason",
)  # fmt: skip
"""Of the csv that `scalelaw measure` writes and `scalelaw calibrate` reads. Times are medians; `_p90` and `_p99` are
percentiles over the requests."""


@dataclass(frozen=True)
class Measurement(Answer):
    """Timed cells of a served or local model.

    target: the endpoint or the folder. rows: one per cell, with the columns `COLUMNS`; `status` is `ok`, or says why
    there is no time, in `reason` as a sentence. settings: what was sent and within which limits. unseen: constants of
    a calibration that the rows do not determine, as {constant, reason}. next: at most three cells that would, as
    {image_size, concurrency, generate, devices, reason}. plan: the requests, in the order in which they are sent.
    """

    command: ClassVar[str] = "measure"

    target: str
    model: str
    rows: list[dict[str, Any]]
    settings: dict[str, Any]
    unseen: list[dict[str, str]]
    next: list[dict[str, Any]]
    plan: list[dict[str, Any]]
    warnings: list[Warning] = field(default_factory=list)

    def write(self, path: str | Path) -> None:
        """Write the rows as a csv that `scalelaw calibrate` reads; a name that ends in .json gets the whole answer."""
        text = self.to_json() if str(path).endswith(".json") else csv_of(self.rows)
        write_text(path, text, by_user=True)


def csv_of(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as csv text, with the columns `COLUMNS`; what a row lacks is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in COLUMNS])
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)
