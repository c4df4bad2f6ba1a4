from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from scalelaw.errors import InputError
from scalelaw.importers.helm import read

MODELS = {"models": {"openai/gpt2": {"n_params": 124_439_808}}}


def test_the_real_run_in_digits(samples: Path) -> None:
    made = read(samples / "helm", MODELS)
    assert len(made.rows) == 8
    row = next(r for r in made.rows if r["metric"] == "exact_match")
    assert row["model"] == "openai/gpt2"
    assert row["benchmark"] == "mmlu:subject=philosophy,method=multiple_choice_joint"
    assert (row["value"], row["error"]) == (0.1111111111111111, pytest.approx(8 / 9))
    assert row["n_examples"] == 9  # num_instances; `count` is 1, of trials
    assert row["error_se"] == pytest.approx((8 / 9 / 9 / 9) ** 0.5)
    assert row["error_se_kind"] == "binomial"
    assert row["text_tokens"] == 350.44444444444446
    assert row["status"] == "partial"  # 9 test and 1 valid example reach max_eval_instances of 10
    assert "perturbed_left_out" in [code for code, _ in made.warnings]


def test_a_run_that_was_not_cut_is_ok(samples: Path, tmp_path: Path) -> None:
    shutil.copytree(next((samples / "helm").iterdir()), tmp_path / "run")
    spec = json.loads((tmp_path / "run" / "run_spec.json").read_text())
    spec["adapter_spec"]["max_eval_instances"] = 1000
    (tmp_path / "run" / "run_spec.json").write_text(json.dumps(spec))
    assert {r["status"] for r in read(tmp_path, MODELS).rows} == {"ok"}


def test_without_the_run_spec_there_is_a_sentence(samples: Path, tmp_path: Path) -> None:
    shutil.copy(next((samples / "helm").iterdir()) / "stats.json", tmp_path / "stats.json")
    with pytest.raises(InputError, match=r"run_spec\.json"):
        read(tmp_path, MODELS)
