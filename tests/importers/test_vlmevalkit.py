from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scalelaw.errors import InputError
from scalelaw.importers.vlmevalkit import read

MODELS: dict[str, Any] = {
    "models": {"vila_8b": {"n_params": 8e9, "visual_tokens": 196}, "gpt-4.1*": {}, "tiny": {"n_params": 1e6}}
}
FLAT = {
    ("CCBench", "Overall"): 1 - 173 / 510,
    ("COCO_VAL", "CIDEr"): 1 - 14.230789515590189 / 1000,
    ("COCO_VAL", "ROUGE_L"): 1 - 21.268334036572963 / 100,
    ("ChartQA_TEST", "Overall"): 0.4912,
    ("HallusionBench", "aAcc"): 1 - 52.26077812828601 / 100,
    ("MME", "perception"): 1 - 1558.5247098839536 / 2000,
    ("MME", "reasoning"): 1 - 282.5 / 800,
    ("MMStar", "Overall"): 1 - 625 / 1500,
    ("MMT-Bench_VAL", "Overall"): 1 - 0.48257115446114485,
    ("OCRBench", "Final Score"): 0.562,
    ("OCRVQA_TESTCORE", "Overall"): 1 - 1868 / 3072,
    ("POPE", "Overall"): 1 - 83.33951762523192 / 100,
    ("POPE", "acc"): 1 - 7653 / 9000,
    ("RealWorldQA", "Overall"): 1 - 356 / 765,
    ("SEEDBench2", "Overall"): 1 - 12452 / 24371,
    ("SEEDBench_IMG", "Overall"): 1 - 9662 / 14232,
    ("ScienceQA_TEST", "Overall"): 1 - 1464 / 2017,
    ("ScienceQA_VAL", "Overall"): 1 - 1486 / 2097,
    ("TextVQA_VAL", "Overall"): 1 - 60.162 / 100,
}


def codes(made: Any) -> list[str]:
    return [code for code, _ in made.warnings]


def test_the_flat_layout_in_digits(samples: Path) -> None:
    rows = {(r["benchmark"], r["metric"]): r for r in read(samples / "vlmevalkit" / "vila_8b", MODELS).rows}
    assert len(rows) == 25
    for key, error in FLAT.items():
        assert rows[key]["error"] == pytest.approx(error, abs=1e-12), key
    assert rows["POPE", "acc"]["error_se"] == pytest.approx(
        (7653 / 9000 * 1347 / 9000 / 9000) ** 0.5, rel=1e-9
    )
    assert rows["POPE", "Overall"]["error_se"] is None  # F1 is no proportion
    assert rows["TextVQA_VAL", "Overall"]["error_se"] is None  # a mean of partial credits, n not stated
    assert {r["model"] for r in rows.values()} == {"vila_8b"}


def test_the_dated_layout_in_digits(samples: Path) -> None:
    two, three = read(samples / "vlmevalkit" / "gpt-4.1-2025-04-14", MODELS).rows
    assert (two["benchmark"], two["value"]) == ("CV-Bench-2D", 0.788693297224103)
    assert (three["benchmark"], three["value"], three["n_examples"]) == (
        "CV-Bench-3D",
        0.8858333333333334,
        1200,
    )
    assert three["started_at"] == "2025-04-28"
    assert three["model"] == "gpt-4.1-2025-04-14"


def test_the_links_one_folder_up_are_not_read_twice(samples: Path, tmp_path: Path) -> None:
    shutil.copytree(samples / "vlmevalkit" / "gpt-4.1-2025-04-14", tmp_path / "gpt-4.1-2025-04-14")
    for file in (tmp_path / "gpt-4.1-2025-04-14" / "T20250428_G1ff966c3").iterdir():
        (tmp_path / "gpt-4.1-2025-04-14" / file.name).symlink_to(file)
    made = read(tmp_path, MODELS)
    assert len(made.rows) == 2
    assert codes(made)[0] == "links_skipped"


def status_json(folder: Path, **datasets: Any) -> None:
    folder.mkdir(parents=True)
    status = {"schema_version": "1.0", "eval_id": folder.name, "model_name": "tiny", "datasets": datasets}
    (folder / "status.json").write_text(json.dumps(status))


def test_status_json_goes_before_the_files_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "tiny" / "T20260101_Gabcdef12"
    status_json(
        folder,
        MMStar={"status": "done", "judge_model": "gpt-4o-mini", "updated_at": "2026-01-02T08:00:00+08:00",
                "metrics": {"split=none|Overall": 0.5, "split=none|math": 0.4}, "primary_metric": "split=none|Overall"},
        MMBench_DEV_EN={"status": "infer", "error_message": "judge failed"},
    )  # fmt: skip
    (folder / "tiny_MMStar_acc.csv").write_text('"split","Overall"\n"none","0.9"\n')
    (folder / "tiny_OCRBench_score.json").write_text('{"Final Score": 300, "Final Score Norm": 30.0}')
    made = read(tmp_path, MODELS)
    assert {(r["benchmark"], r["value"], r["judge"], r["started_at"]) for r in made.rows} == {
        ("MMStar", 0.5, "gpt-4o-mini", "2026-01-02T00:00:00+00:00"), ("OCRBench", 300.0, None, "2026-01-01"),
    }  # fmt: skip
    assert "unfinished_runs" in codes(made)


def test_a_later_run_replaces_an_earlier_one(tmp_path: Path) -> None:
    for day, score in ((1, 0.4), (3, 0.5), (2, 0.6)):
        status_json(
            tmp_path / "tiny" / f"T2026010{day}_Gabcdef12",
            MMStar={"status": "done", "metrics": {"split=none|Overall": score}},
        )
    made = read(tmp_path, MODELS)
    assert [r["value"] for r in made.rows] == [0.5]
    assert "duplicates" in codes(made)


def test_splits_without_an_overall_are_benchmarks_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "tiny_MMMU_DEV_VAL_acc.csv").write_text(
        '"split","Overall","Art"\n"dev","0.3","0.1"\n"validation","0.35","0.2"\n'
    )
    made = read(tmp_path, MODELS)
    assert {(r["benchmark"], r["value"]) for r in made.rows} == {
        ("MMMU_DEV_VAL[dev]", 0.3), ("MMMU_DEV_VAL[validation]", 0.35),
    }  # fmt: skip


def test_the_judge_in_the_file_name(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    for judge, acc in (("gpt-4-turbo", 31.2), ("gpt-4o-mini", 30.0)):
        (tmp_path / "tiny" / f"tiny_MathVista_MINI_{judge}_score.csv").write_text(
            f"Task&Skill,tot,prefetch,hit,prefetch_rate,acc\nOverall,1000,400,312,40.0,{acc}\nALG,281,90,60,32.0,21.4\n"
        )
    made = read(tmp_path, MODELS)
    assert {(r["benchmark"], r["metric"], r["value"], r["judge"]) for r in made.rows} == {
        ("MathVista_MINI", "acc", 31.2, "gpt-4-turbo"), ("MathVista_MINI", "acc", 30.0, "gpt-4o-mini"),
    }  # fmt: skip
    assert "mixed_judges" in codes(made)


def test_no_unit_is_guessed_for_a_new_benchmark(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "tiny_NewBench_acc.csv").write_text('"split","Overall"\n"none","0.5"\n')
    with pytest.raises(InputError, match="not guessed") as caught:
        read(tmp_path, MODELS)
    assert 'task: "NewBench", metric: "Overall"' in caught.value.hint


def test_a_spreadsheet_is_read_as_the_csv_of_it(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    table = pd.DataFrame({"split": ["none"], "Overall": [1 / 3], "math": [0.25]})
    table.to_excel(tmp_path / "tiny" / "tiny_MMStar_acc.xlsx", index=False)
    made = read(tmp_path, MODELS)
    assert [(r["benchmark"], r["metric"], r["value"]) for r in made.rows] == [("MMStar", "Overall", 1 / 3)]
    assert "categories_left_out" in codes(made)


def test_a_spreadsheet_of_questions_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    pd.DataFrame({"split": ["none"], "Overall": [0.5]}).to_excel(
        tmp_path / "tiny" / "tiny_MMStar_acc.xlsx", index=False
    )
    pd.DataFrame({"index": [0], "question": ["?"], "prediction": ["A"], "score": [1]}).to_excel(
        tmp_path / "tiny" / "tiny_MVBench_score.xlsx", index=False
    )
    made = read(tmp_path, MODELS)
    assert [r["benchmark"] for r in made.rows] == ["MMStar"]
    assert "samples_not_scores" in codes(made)


def test_a_broken_spreadsheet_and_one_of_two_sheets_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    file = tmp_path / "tiny" / "tiny_MMStar_acc.xlsx"
    file.write_bytes(b"PK no zip")
    with pytest.raises(InputError, match="cannot be read as a spreadsheet"):
        read(file, MODELS)
    with pd.ExcelWriter(file) as book:
        for name in ("a", "b"):
            pd.DataFrame({"split": ["none"], "Overall": [0.5]}).to_excel(book, sheet_name=name, index=False)
    with pytest.raises(InputError, match="2 filled sheets"):
        read(file, MODELS)
