"""The results of `plan_sweep` and `run_sweep`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalelaw.results.envelope import answer, dumps


@dataclass(frozen=True)
class SweepResult:
    """The result of a sweep. done: cells of this run. skipped: cells that existed. failed: cell -> reason.
    table: the results table, None without a finished cell. seconds: duration of this run. warnings: (code, message).
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
        """The output of `scalelaw sweep --json`."""
        return dumps(answer("sweep", self.to_dict(), self.warnings))


@dataclass(frozen=True)
class SweepPlan:
    """The plan of a sweep.

    cells: in order, each {cell, label, llm, compressor, visual_tokens, seed, train_flops, done}.
    stages: labels of the missing stages. asks: the requests of the executor. cluster: the GPUs that memory_gb and hours
    of the cells are computed for, {gpus, tflops, memory_gb, mfu}, if the cells have them.
    """

    cells: tuple[dict[str, Any], ...]
    stages: tuple[str, ...]
    asks: tuple[dict[str, Any], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    cluster: dict[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"cells": self.cells, "stages": self.stages, "asks": self.asks, "cluster": self.cluster}
