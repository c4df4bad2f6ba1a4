"""Experiments small enough for tests, and a trainer that trains nothing, here and in the processes of a sweep."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scalelaw.config import Experiment, parse_experiment
from scalelaw.table.read import read_table
from scalelaw.table.schema import UNREPEATABLE

HERE = Path(__file__).parent
STUB = "stub_trainer"


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the stub trainer, to be found by this process and by those that it starts."""
    monkeypatch.syspath_prepend(str(HERE))
    others = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", str(HERE) + (os.pathsep + others if others else ""))
    return STUB


@pytest.fixture
def experiment() -> Callable[..., Experiment]:
    """An experiment of 2 LLMs x 2 token counts, with changes."""

    def make(**changes: Any) -> Experiment:
        config = {"question": "?", "name": "small", "llms": ["16x1", "24x1"], "visual_tokens": [1, 4]}
        return parse_experiment(config | changes)

    return make


@pytest.fixture
def measured() -> Callable[[Path], pd.DataFrame]:
    """A sweep's table without what differs between two runs of the same work: when, how fast, with what energy."""
    return lambda folder: read_table(folder).drop(columns=list(UNREPEATABLE))


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What the stub trainer has begun so far, in order."""
    path = tmp_path / "trace.txt"
    monkeypatch.setenv("STUB_TRACE", str(path))
    return lambda: path.read_text(encoding="utf-8").split() if path.exists() else []
