"""The status of a sweep: done, failed and missing cells, and finished cells of other experiments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pyarrow import ArrowException

from scalelaw.config import Experiment
from scalelaw.files.paths import SweepFolder
from scalelaw.sweep.grid import cells
from scalelaw.sweep.locks import is_held
from scalelaw.sweep.part_index import gather
from scalelaw.sweep.run_log import read_failure
from scalelaw.table.checksums import special


@dataclass(frozen=True)
class SweepStatus:
    """The status of a sweep.

    cells: each {cell, label, state, reason}; state is done, broken, running, failed or missing.
    stale: finished cells of other experiments, each {cell, why}; they are kept, but not in the table.
    running: whether a runner is at work.
    """

    cells: tuple[dict[str, str], ...]
    stale: tuple[dict[str, str], ...]
    running: bool

    def counts(self) -> dict[str, int]:
        """Cells by state."""
        states = [cell["state"] for cell in self.cells]
        return {state: states.count(state) for state in ("done", "running", "missing", "failed", "broken")}

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {"counts": self.counts(), "running": self.running, "cells": self.cells, "stale": self.stale}


def sweep_status(experiment: Experiment, out: str | Path) -> SweepStatus:
    """The status of the sweep of `experiment` in the folder `out`; writes nothing and works while the sweep runs."""
    listed, folder = cells(experiment), SweepFolder(Path(out))
    parts = gather(folder, [cell.name for cell in listed], keep=False)
    at_work = {path.stem for path in (folder.root / "locks").glob("*.lock")}
    shown = []
    for cell in listed:
        reason = parts.broken.get(cell.name, "")
        state = "done" if cell.name in parts else "broken" if reason else "missing"
        if state == "missing" and cell.name in at_work and is_held(folder.lock_of(cell.name)):
            state = "running"
        elif state == "missing" and (failure := read_failure(folder, cell.name)):
            state, reason = "failed", failure.reason
        shown.append({"cell": cell.name, "label": cell.label, "state": state, "reason": reason})
    ours = {cell.name: json.loads(cell.identity) for cell in listed}
    stale = tuple(
        {"cell": path.stem, "why": _why(path, ours)}
        for path in sorted(folder.cells.glob("*.parquet"))
        if path.stem not in ours
    )
    return SweepStatus(tuple(shown), stale, is_held(folder.lock))


def _why(path: Path, ours: Mapping[str, dict[str, Any]]) -> str:
    """Why a part is not of this experiment: the difference from the most similar cell."""
    if kind := special(path):
        return f"It is {kind}, not a file."
    try:
        notes = pq.read_metadata(path).metadata or {}
        theirs = json.loads(notes[b"scalelaw.identity"])
        choices = _flat(theirs["choices"])
    except (OSError, ArrowException, ValueError, KeyError, TypeError):
        return "It cannot be read."
    same = [identity for identity in ours.values() if _flat(identity["choices"]) == choices]
    if not same:
        for key in ("llm", "compressor", "visual_tokens", "seed"):
            words = {_word(identity["choices"][key]) for identity in ours.values()}
            if (word := _word(theirs["choices"][key])) not in words:
                return f"{key} {word} is not in the experiment."
        return _differences(choices, _flat(next(iter(ours.values()))["choices"]))
    return _differences(_flat({**theirs, "choices": {}}), _flat({**same[0], "choices": {}}))


def _differences(theirs: dict[str, Any], now: dict[str, Any]) -> str:
    lines = []
    for key in sorted({*theirs, *now}):
        if theirs.get(key) != now.get(key):
            name = key.removeprefix("sections.")
            if "file" in name or isinstance(now.get(key), list) or ("." in name and "{" in str(now.get(key))):
                lines.append(f"a file of {name} has changed")
            else:
                lines.append(f"{name} was {theirs.get(key)}, is {now.get(key)}")
    return "; ".join(lines) + "." if lines else "Another version of scalelaw named it."


def _word(choice: Any) -> str:
    """The name of a choice: that of a plug-in or LLM which is identified with its content."""
    return str(next(iter(choice))) if isinstance(choice, dict) else str(choice)


def _flat(node: Any, place: str = "") -> dict[str, Any]:
    if not isinstance(node, dict):
        return {place: node}
    entries: dict[str, Any] = {}
    for key, value in node.items():
        entries |= _flat(value, f"{place}.{key}" if place else str(key))
    return entries
