from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalelaw.errors import InputError
from scalelaw.importers.lmms_eval import read
from scalelaw.table.points import points
from scalelaw.table.read import read_table, write_table

MODELS: dict[str, Any] = {
    "models": {"*Qwen2.5-VL-3B*": {"n_params": "3.09e9", "visual_tokens": 358, "compressor": "none"}}
}
TINY: dict[str, Any] = {"models": {"org/tiny": {"n_params": 1_000_000, "visual_tokens": 4}}}
Run = Callable[..., Path]


def codes(made: Any) -> list[str]:
    return [code for code, _ in made.warnings]


def test_the_real_runs_in_digits(samples: Path, tmp_path: Path) -> None:
    made = read(samples / "lmms_eval", MODELS)
    gqa, cognition, perception = made.rows
    assert (gqa["benchmark"], gqa["metric"], gqa["n_params"], gqa["visual_tokens"]) == (
        "gqa", "exact_match", 3_090_000_000, 358,
    )  # fmt: skip
    assert gqa["model"] == "Qwen/Qwen2.5-VL-3B-Instruct"  # not snapshots__66285546...
    assert gqa["value"] == 0.6008904436317379
    assert gqa["error"] == pytest.approx(0.3991095563682621, abs=1e-15)
    assert (gqa["error_se"], gqa["error_se_kind"], gqa["n_examples"]) == (
        0.004366718353518981,
        "reported",
        12578,
    )
    assert gqa["started_at"] == "2026-09-25T04:24:19+00:00"  # 12:24:19 in Singapore
    assert perception["value"] == 1547.2210884353742
    assert perception["error"] == pytest.approx(1 - 1547.2210884353742 / 2000, abs=1e-15)
    assert cognition["error"] == pytest.approx(1 - 608.9285714285714 / 800, abs=1e-15)
    assert perception["error_se"] is None  # MME's is of a single question's 0-1 score
    assert codes(made) == ["not_used", "stderr_on_another_scale", "several_metrics"]
    write_table(made.rows, tmp_path / "t.parquet")
    assert len(points(read_table(tmp_path / "t.parquet"), ["n_params"], where="benchmark=gqa")) == 1


def test_importing_is_idempotent_and_does_not_know_where_the_folder_lies(
    samples: Path, tmp_path: Path
) -> None:
    here = read(samples / "lmms_eval", MODELS)
    shutil.copytree(samples / "lmms_eval", tmp_path / "moved")
    there = read(tmp_path / "moved", MODELS)
    assert (
        json.dumps(here.rows)
        == json.dumps(there.rows)
        == json.dumps(read(samples / "lmms_eval", MODELS).rows)
    )
    write_table(here.rows, tmp_path / "a.parquet")
    write_table(there.rows, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_model_without_a_pattern_is_an_error_with_the_line_to_add(samples: Path) -> None:
    with pytest.raises(InputError, match="No pattern") as caught:
        read(samples / "lmms_eval", {"models": {"other": {"n_params": 1}}})
    assert caught.value.code == "unknown_model"
    assert '"Qwen/Qwen2.5-VL-3B-Instruct": {n_params: ...' in caught.value.hint


def test_an_unknown_metric_is_an_error_with_the_line_to_add(tmp_path: Path, lmms_run: Run) -> None:
    lmms_run(tmp_path, 0.4, "20260101_000000", task="new_task", metric="new_score")
    with pytest.raises(InputError, match="not guessed") as caught:
        read(tmp_path, TINY)
    assert caught.value.code == "unknown_metric"
    assert '- {task: "new_task", metric: "new_score", maximum: ...' in caught.value.hint
    facts = {**TINY, "metrics": {"lmms_eval": [{"task": "new_*", "metric": "new_score", "maximum": 8}]}}
    assert read(tmp_path, facts).rows[0]["error"] == 0.95


def test_a_value_that_the_unit_rules_out_is_an_error(tmp_path: Path, lmms_run: Run) -> None:
    lmms_run(tmp_path, 60.1, "20260101_000000")
    with pytest.raises(InputError, match=r"60\.1 is not between 0 and 1"):
        read(tmp_path, TINY)


def test_the_newest_full_run_wins_and_a_partial_one_is_never_fitted(tmp_path: Path, lmms_run: Run) -> None:
    lmms_run(tmp_path / "a", 0.3, "20260101_000000")
    lmms_run(tmp_path / "b", 0.4, "20260301_000000")
    lmms_run(tmp_path / "c", 0.9, "20260401_000000", config={"limit": 8})
    made = read(tmp_path, TINY)
    assert [(r["value"], r["status"]) for r in made.rows] == [(0.4, "ok")]
    assert "duplicates" in codes(made)
    (tmp_path / "a" / "20260101_000000_results.json").unlink()
    (tmp_path / "b" / "20260301_000000_results.json").unlink()
    made = read(tmp_path, TINY)
    assert [(r["value"], r["status"]) for r in made.rows] == [(0.9, "partial")]
    assert "partial_runs" in codes(made)


def test_fewer_examples_than_there_are_is_partial_too(tmp_path: Path, lmms_run: Run) -> None:
    lmms_run(tmp_path, 0.3, "20260101_000000", **{"n-samples": {"gqa": {"original": 100, "effective": 8}}})
    assert read(tmp_path, TINY).rows[0]["status"] == "partial"


def test_differing_results_without_a_time_are_believed_neither_way(tmp_path: Path, lmms_run: Run) -> None:
    for folder, score in (("0717_2340_x_model_args_ab", 0.3), ("0718_2340_x_model_args_ab", 0.4)):
        lmms_run(tmp_path / folder, score, "none").rename(tmp_path / folder / "results.json")
    made = read(tmp_path, TINY)
    assert [r["status"] for r in made.rows] == ["ambiguous"]
    assert "ambiguous_duplicates" in codes(made)


def test_the_old_layout(tmp_path: Path) -> None:
    folder = tmp_path / "0717_2340_llava_model_args_4596b5"
    folder.mkdir()
    old = {
        "results": {"mme": {"mme_percetion_score,none": 1200.0, "mme_percetion_score_stderr,none": "N/A",
                            "mme_cognition_score,none": 300.0, "alias": "mme"},
                    "pope": {"pope_f1_score,none": 0.8, "pope_accuracy,none": 0.82, "pope_accuracy_stderr,none": "N/A"},
                    "mmbench_en_test": {"submission,none": None, "submission_stderr,none": []}},
        "configs": {}, "versions": {}, "n-shot": {},
        "config": {"model": "llava", "model_args": "pretrained=checkpoints/tiny-v4,conv_template=v1", "limit": None},
        "git_hash": "abc",
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(old))
    (folder / "mme.json").write_text("{}")
    made = read(tmp_path, {"models": {"*tiny-v4*": {"n_params": 5e8, "visual_tokens": 4}}})
    assert {r["metric"]: r["error"] for r in made.rows} == {
        "mme_perception_score": 0.4,  # spelled mme_percetion_score then
        "mme_cognition_score": 0.625,
        "pope_f1_score": pytest.approx(0.2),
        "pope_accuracy": pytest.approx(0.18),
    }
    assert {r["model"] for r in made.rows} == {"checkpoints/tiny-v4"}
    assert all(r["started_at"] is None for r in made.rows)
    assert codes(made).count("not_used") == 2  # the file mme.json, and the metric `submission`
    assert "several_metrics" in codes(made)


def test_a_link_to_a_run_that_is_there_is_not_read_twice(tmp_path: Path, lmms_run: Run) -> None:
    file = lmms_run(tmp_path / "z_real", 0.3, "20260101_000000")
    (tmp_path / "a_link_results.json").symlink_to(file)
    (tmp_path / "b_folder").symlink_to(tmp_path / "z_real")
    (tmp_path / "z_real" / "circle").symlink_to(tmp_path)
    made = read(tmp_path, TINY)
    assert made.files == ("z_real/20260101_000000_results.json",)
    assert codes(made)[0] == "links_skipped"


def test_a_link_out_of_the_folder_is_followed_once(tmp_path: Path, lmms_run: Run) -> None:
    lmms_run(tmp_path / "store", 0.3, "20260101_000000")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run").symlink_to(tmp_path / "store")
    (tmp_path / "mine" / "same").symlink_to(tmp_path / "store")
    made = read(tmp_path / "mine", TINY)
    assert made.files == ("run/20260101_000000_results.json",)


def test_an_unreadable_file_among_others_is_left_out_and_reported(tmp_path: Path, lmms_run: Run) -> None:
    lmms_run(tmp_path, 0.3, "20260101_000000")
    broken = tmp_path / "20260102_000000_results.json"
    broken.write_text('{"results": {')
    made = read(tmp_path, TINY)
    assert len(made.rows) == 1
    assert codes(made)[0] == "unreadable_file"
    with pytest.raises(InputError, match="not JSON, or is cut off"):
        read(broken, TINY)


def test_a_binomial_standard_error_stands_in_and_is_marked(tmp_path: Path, lmms_run: Run) -> None:
    lmms_run(tmp_path, 0.3, "20260101_000000")
    row = read(tmp_path, TINY).rows[0]
    assert row["error_se"] == pytest.approx((0.3 * 0.7 / 100) ** 0.5, rel=1e-12)
    assert row["error_se_kind"] == "binomial"


def test_a_standard_error_on_another_scale_is_not_taken(tmp_path: Path, lmms_run: Run) -> None:
    lmms_run(
        tmp_path,
        0.3,
        "20260101_000000",
        results={"gqa": {"exact_match,none": 0.3, "exact_match_stderr,none": 4.6}},
    )
    made = read(tmp_path, TINY)
    assert made.rows[0]["error_se_kind"] == "binomial"
    assert "stderr_on_another_scale" in codes(made)


def test_judges_that_differ_are_reported_and_kept_apart(tmp_path: Path, lmms_run: Run) -> None:
    for day, judge in ((1, "gpt-3.5-turbo-0613"), (2, "gpt-4o")):
        lmms_run(
            tmp_path, 60.0 + day, f"2026010{day}_000000", task="mmbench_en_dev", metric="gpt_eval_score",
            configs={"mmbench_en_dev": {"metadata": [{"version": 0.0, "gpt_eval_model_name": judge}]}},
        )  # fmt: skip
    made = read(tmp_path, TINY)
    assert {(r["judge"], r["value"]) for r in made.rows} == {("gpt-3.5-turbo-0613", 61.0), ("gpt-4o", 62.0)}
    assert "mixed_judges" in codes(made)
    assert len({r["cell"] for r in made.rows}) == 2


def test_a_pattern_that_matches_nothing_is_reported(samples: Path) -> None:
    made = read(samples / "lmms_eval", {"models": {**MODELS["models"], "*7B*": {"n_params": 7e9}}})
    assert ("unused_patterns", "No model matches *7B* of the section 'models'.") in made.warnings


def test_task_families_and_the_experiment_can_be_named(samples: Path) -> None:
    named = {**MODELS, "task_families": {"g*": "questions"}, "experiment": "mine"}
    families = {
        r["benchmark"]: (r["task_family"], r["experiment"]) for r in read(samples / "lmms_eval", named).rows
    }
    assert families == {"gqa": ("questions", "mine"), "mme": ("reasoning", "mine")}


def test_a_time_zone_that_is_stated_counts(tmp_path: Path, lmms_run: Run) -> None:
    lmms_run(tmp_path, 0.3, "20260101_120000", config={"resolved_cli_args": {"timezone": "UTC"}})
    assert read(tmp_path, TINY).rows[0]["started_at"] == "2026-01-01T12:00:00+00:00"


@pytest.mark.parametrize(("limit", "status"), [(-1, "ok"), (None, "ok"), (8, "partial"), (0.5, "partial")])
def test_only_a_limit_that_cuts_makes_a_run_partial(
    limit: float | None, status: str, lmms_run: Any, tmp_path: Path
) -> None:
    lmms_run(tmp_path, 0.5, "20250101_010101", config={"model_args": "pretrained=org/tiny", "limit": limit})
    made = read(tmp_path, {"models": {"*": {"n_params": 7e9}}})
    assert [row["status"] for row in made.rows] == [status]
