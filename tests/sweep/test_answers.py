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
    """The exit code and the answer, checked against the schema of its command."""
    capsys.readouterr()
    code = cli.main([*arguments, "--json"])
    reply = json.loads(capsys.readouterr().out)
    jsonschema.validate(reply, schema.schema(arguments[0]))
    return code, reply


def test_a_sweep_that_is_planned_fails_is_asked_about_and_is_finished(
    stub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scalelaw.sweep.run_sweep", partial(run_sweep, train=stub, progress=Progress()))
    (tmp_path / "small.yaml").write_text(EXPERIMENT)
    sweep = ["sweep", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "sweep")]

    code, reply = answered(capsys, *sweep, "--dry-run")
    assert (code, len(reply["data"]["cells"])) == (0, 4)
    monkeypatch.setenv("STUB_FAIL", "24x1-quecc-4-0")
    code, reply = answered(capsys, *sweep, "--executor", "inline")
    assert (code, reply["ok"]) == (4, False)
    code, reply = answered(capsys, *sweep, "--status")
    assert reply["data"]["counts"] == {"done": 3, "running": 0, "missing": 0, "failed": 1, "broken": 0}
    monkeypatch.delenv("STUB_FAIL")
    code, reply = answered(capsys, *sweep, "--executor", "inline")
    assert (code, len(reply["data"]["done"]), len(reply["data"]["skipped"])) == (0, 1, 3)
    first = reply["data"]["skipped"][0]
    code, reply = answered(capsys, *sweep, "--prepare")
    assert all(cell["done"] for cell in reply["data"]["cells"])
    code, reply = answered(capsys, "run-cell", first, "--sweep", str(tmp_path / "sweep"))
    assert (code, reply["data"]["cell"]) == (0, first)
    code, reply = answered(capsys, "show", str(tmp_path / "sweep"))
    assert reply["data"]["unfinished"] == 0


def test_a_sweep_that_did_nothing_is_no_plan() -> None:
    plain = {"schema": "scalelaw.sweep/1", "ok": True, "warnings": []}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**plain, "data": {"cells": []}}, schema.schema("sweep"))
