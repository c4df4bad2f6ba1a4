"""sweep and run-cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scalelaw.results import schema

Answer = Callable[..., tuple[int, Any, str]]


def test_the_answer_of_one_cell_has_the_shape_too(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    monkeypatch.setattr("scalelaw.sweep.cell.run_one", lambda *_: ("8x1", Path("sweep/cells/8x1.json")))
    code, reply, _ = answer("run-cell", "0", "--sweep", "sweep")
    assert code == 0
    jsonschema.validate(reply, schema.schema("run-cell"))


BAD: dict[str, tuple[list[str], int, str]] = {
    "no experiment": (["sweep", "nowhere.yaml"], 2, "nowhere.yaml"),
    "unknown key": (["sweep", "{bad}/key.yaml"], 2, "Did you mean 'visual_tokens'"),
    "unknown inner key": (["sweep", "{bad}/inner.yaml"], 2, "Did you mean 'learning_rate'"),
    "set what is no yaml": (["sweep", "{bad}/good.yaml", "--set", "llms=[16x1"], 2, "not YAML"),
    "a tracker that is set": (["sweep", "{bad}/good.yaml", "--set", "track=wandb"], 2, "--track wandb"),
    "a table": (["sweep", "{bad}/nan.csv"], 2, "It is a table: `scalelaw fit`"),
    "a fit": (["sweep", "{fit}"], 2, "It is what `scalelaw fit` wrote"),
    "a negative seed": (["sweep", "{bad}/good.yaml", "--set", "seeds=[-1]"], 2, "greater than or equal to 0"),
    "rules in a table": (["sweep", "{bad}/good.yaml", "--resources", "{bad}/nan.csv"], 2, "It is a table"),
    "a custom executor that runs nothing": (
        ["sweep", "{bad}/good.yaml", "--executor", "{bad}/nothing.py", "--out", "{bad}/sweep"],
        2,
        "lacks run",
    ),
    "a custom dataset without data": (
        ["sweep", "{bad}/good.yaml", "--set", "dataset.name={bad}/nothing.py", "--out", "{bad}/sweep"],
        2,
        "lacks Dataset or Conversations",
    ),
    "a file for a folder": (
        ["sweep", "{bad}/good.yaml", "--out", "{bad}/nan.csv", "--status"],
        2,
        "is a file, not",
    ),
    "a misspelt tracker": (
        ["sweep", "{bad}/good.yaml", "--track", "wandbb", "--dry-run"],
        2,
        "Did you mean 'wandb'",
    ),
    "no list": (["sweep", "{bad}/good.yaml", "--set", "llms=16x1"], 2, "as a list: [16x1]"),
    "not yaml": (["sweep", "{bad}/not.yaml"], 2, "not YAML"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_sentence(refused: Callable[..., None], name: str) -> None:
    refused(*BAD[name])
