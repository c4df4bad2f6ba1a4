"""lm-evaluation-harness: the folder of a run, or of many: results_<time>.json, or results.json of older versions.

`config.model_num_parameters` becomes `n_params_total`, and `n_params` too unless models.yaml states it (as the law
sees the parameters, with or without embeddings); `date` is a Unix time. A run with `limit`, or with fewer examples
than the task has, gets the status `partial`. `*_stderr` is kept where it is on the value's scale and not 0.
Format: EleutherAI/lm-evaluation-harness, lm_eval/loggers/evaluation_tracker.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scalelaw.errors import Note
from scalelaw.importers._files import number
from scalelaw.importers._harness import read_runs
from scalelaw.importers._scores import OPTIONS as OPTIONS
from scalelaw.importers._scores import Imported


def read(path: str | Path, options: Mapping[str, Any]) -> Imported:
    """Rows of every `results*.json` under `path`, or of the one file that `path` is."""
    return read_runs("lm_eval", path, options, _is_result, _started_at)


def _is_result(file: Path) -> bool:
    return file.name == "results.json" or (file.name.startswith("results_") and file.suffix == ".json")


def _started_at(run: dict[str, Any], file: Path, warnings: list[Note]) -> str | None:
    seconds = number(run.get("date"))
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        warnings.append(("no_time", f"{file.name}: {seconds:g} is no time."))
        return None
