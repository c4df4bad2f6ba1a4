"""The real result files that the importers are held against (tests/data/eval_formats/SOURCE.txt says whose)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Path]


@pytest.fixture(scope="session")
def samples() -> Path:
    return Path(__file__).parents[1] / "data" / "eval_formats"


def lmms_run(
    folder: Path, score: float, date: str, *, task: str = "gqa", metric: str = "exact_match", **changes: Any
) -> Path:
    """A results file of lmms-eval, as small as the importer takes it, in `folder`."""
    run = {
        "results": {task: {f"{metric},none": score, f"{metric}_stderr,none": "N/A"}},
        "n-samples": {task: {"original": 100, "effective": 100}},
        "config": {"model_args": "pretrained=org/tiny", "limit": None},
        "model_name": "org/tiny",
        "date": date,
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{date}_results.json"
    file.write_text(json.dumps(run))
    return file


@pytest.fixture(name="lmms_run")
def _lmms_run() -> Run:
    return lmms_run
