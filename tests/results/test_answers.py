"""Answers share one base: their JSON object, and warnings with a code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import scalelaw as sl
from scalelaw import fit as fits
from scalelaw import plan
from scalelaw.results.envelope import Answer
from scalelaw.results.warning import Warning, as_warnings


@pytest.fixture(scope="module")
def answers() -> list[Any]:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=10)
    return [
        fitted,
        sl.find_optimum(fitted, 8e11),
        plan.find_cost("qwen1.5-7b", hardware="h100"),
        plan.contrast_budgets(fitted, 8e11),
        fits.predict_places(fitted, {"n_params": 7e9, "visual_tokens": 5000}),
        fits.compare("vlm_reasoning", ["product_power", "log_linear"]),
    ]


def test_every_answer_prints_its_own_schema(answers: list[Any]) -> None:
    names = ["fit", "optimize", "cost", "contrast", "predict", "compare"]
    for answer, name in zip(answers, names, strict=True):
        assert isinstance(answer, Answer)
        printed = json.loads(answer.to_json())
        assert (printed["schema"], printed["ok"]) == (f"scalelaw.{name}/1", True)
        assert printed["warnings"] == [{"code": w.code, "message": w.message} for w in answer.warnings]


def test_warnings_have_a_code_and_still_unpack(answers: list[Any]) -> None:
    assert sum(len(answer.warnings) for answer in answers) > 3
    for answer in answers:
        for code, message in answer.warnings:
            assert code.replace("_", "").isalnum()
            assert message.endswith((".", "?"))
    assert as_warnings([("a", "b")]) == [("a", "b")] == [Warning("a", "b")]


def test_warnings_of_a_file_are_those_that_were_written(answers: list[Any], tmp_path: Path) -> None:
    fitted, optimum = answers[:2]
    (tmp_path / "fit.json").write_text(fitted.to_json())
    (tmp_path / "optimum.json").write_text(optimum.to_json())
    for read, before in ((sl.load_fit(tmp_path / "fit.json"), fitted),
                         (plan.load_optimum(tmp_path / "optimum.json"), optimum)):  # fmt: skip
        assert read.warnings == before.warnings
        assert all(isinstance(warning, Warning) for warning in read.warnings)
    assert plan.load_optimum(tmp_path / "optimum.json").fit_hash == fitted.fit_hash
