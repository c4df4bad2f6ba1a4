"""What a sweep answers: what it would do, and what it did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalelaw.results.envelope import answer, dumps


@dataclass(frozen=True)
class SweepResult:
    """What a sweep did. done: cells made now. skipped: cells that were there. failed: cell -> reason.
    table: the results table, None while no cell is done. seconds: of this run. warnings: (code, message).
    """

    table: Path | None
    done: tuple[str, ...]
    skipped: tuple[str, ...]
    failed: dict[str, str]
    seconds: float
    warnings: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {key: value for key, value in vars(self).items() if key != "warnings"}

    def to_json(self) -> str:
        """The answer of `scalelaw sweep --json`."""
        return dumps(answer("sweep", self.to_dict(), self.warnings))


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep would do: its cells in order, each {cell, label, llm, compressor, visual_tokens, seed,
    train_flops, done}, the stages that would be made for those not done, and what the executor would ask for.
    cluster: what memory and hours are reckoned for, {gpus, tflops, memory_gb, mfu}, where cells have them.
    """

    cells: tuple[dict[str, Any], ...]
    stages: tuple[str, ...]
    asks: tuple[dict[str, Any], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    cluster: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"cells": self.cells, "stages": self.stages, "asks": self.asks, "cluster": self.cluster}
