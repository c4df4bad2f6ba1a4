"""Every answer of a sweep, as the command line gives it, is of the shape that its schema states."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scalelaw import cli
from scalelaw.results import schema
from scalelaw.sweep import run_sweep
from scalelaw.sweep.progress import Progress

EXPERIMENT = "question: '?'\nname: small\nllms: [16x1, 24x1]\nvisual_tokens: [1, 4]\n"


def answered(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the answer, held to the schema of its command."""
    capsys.readouterr()
    code = cli.main([*arguments, "--json"])
    held = json.loads(capsys.readouterr().out)
    jsonschema.validate(held, schema.schema(arguments[0]))
    return code, held


def test_a_sweep_that_is_planned_fails_is_asked_about_and_is_finished(
    stub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scalelaw.sweep.run_sweep", partial(run_sweep, train=stub, progress=Progress()))
    (tmp_path / "small.yaml").write_text(EXPERIMENT)
    sweep = ["sweep", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "sweep")]

    code, held = answered(capsys, *sweep, "--dry-run")
    assert (code, len(held["data"]["cells"])) == (0, 4)
    monkeypatch.setenv("STUB_FAIL", "24x1-quecc-4-0")
    code, held = answered(capsys, *sweep, "--executor", "inline")
    assert (code, held["ok"]) == (4, False)
    code, held = answered(capsys, *sweep, "--status")
    assert held["data"]["counts"] == {"done": 3, "running": 0, "missing": 0, "failed": 1, "broken": 0}
    monkeypatch.delenv("STUB_FAIL")
    code, held = answered(capsys, *sweep, "--executor", "inline")
    assert (code, len(held["data"]["done"]), len(held["data"]["skipped"])) == (0, 1, 3)
    first = held["data"]["skipped"][0]
    code, held = answered(capsys, *sweep, "--prepare")
    assert all(cell["done"] for cell in held["data"]["cells"])
    code, held = answered(capsys, "run-cell", first, "--sweep", str(tmp_path / "sweep"))
    assert (code, held["data"]["cell"]) == (0, first)
    code, held = answered(capsys, "show", str(tmp_path / "sweep"))
    assert held["data"]["unfinished"] == 0


def test_a_sweep_that_did_nothing_is_no_plan() -> None:
    plain = {"schema": "scalelaw.sweep/1", "ok": True, "warnings": []}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**plain, "data": {"cells": []}}, schema.schema("sweep"))
