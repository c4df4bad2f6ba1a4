"""A tiny experiment with its stages made once, for every test of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from scalelaw.config import Experiment, parse_experiment
from scalelaw.table.schema import UNREPEATABLE
from scalelaw.vlm.stages import make_features, pretrain_llm, pretrain_tower

TINY: dict[str, Any] = {
    "question": "Does it run?",
    "name": "tiny",
    "llms": ["8x1", "16x1"],
    "visual_tokens": [1, 4],
    "vision": {"width": 16, "heads": 2, "steps": 6, "batch": 16},
    "text": {"steps": 6, "batch": 16},
    "recipe": {"images": 64, "steps": 6, "batch": 16, "text_batch": 8},
    "evaluation": {"examples": 20, "batch": 32},
}


def experiment(**changes: Any) -> Experiment:
    """The tiny experiment with some sections changed."""
    merged = {**TINY}
    for key, value in changes.items():
        merged[key] = {**TINY.get(key, {}), **value} if isinstance(value, dict) else value
    return parse_experiment(merged)


def repeatable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without what differs between two runs of the same work."""
    return [{key: value for key, value in row.items() if key not in UNREPEATABLE} for row in rows]


def silent(_: dict[str, Any]) -> None:
    """A progress that nobody hears."""


@pytest.fixture(scope="session")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the tiny experiment's tower, features and two LLMs."""
    torch.set_num_threads(1)
    root, tiny = tmp_path_factory.mktemp("stages"), experiment()
    folders = {name: root / name for name in ("tower", "features", "8x1", "16x1")}
    pretrain_tower(tiny, folders["tower"], silent)
    make_features(tiny, folders["tower"], folders["features"], silent)
    for llm in ("8x1", "16x1"):
        pretrain_llm(tiny, llm, folders[llm], silent)
    return folders
