"""import, show and list."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pyarrow.parquet as pq
import pytest

from scalelaw import cli
from scalelaw.files.paths import PACKAGE, versions
from scalelaw.results import schema
from scalelaw.table.read import read_table

Run = Callable[..., tuple[int, str, str]]
GRID = [(n, v) for n in (5e8, 1e9, 4e9) for v in (1, 8, 64)]


def test_import_then_fit(run: Run, tmp_path: Path) -> None:
    (tmp_path / "found.csv").write_text(
        "size,tokens,err\n" + "".join(f"{n},{v},{0.5 / n / v}\n" for n, v in GRID)
    )
    (tmp_path / "columns.yaml").write_text("columns: {n_params: size, visual_tokens: tokens, error: err}\n")
    made = tmp_path / "made.parquet"
    arguments = ["import", "published_table", str(tmp_path / "found.csv"), "-o", str(made)]
    code, out, _ = run(*arguments, "--models", str(tmp_path / "columns.yaml"), "--json")
    assert code == 0
    assert json.loads(out)["data"]["rows"] == 9
    metadata = {name.decode(): value.decode() for name, value in pq.read_schema(made).metadata.items()}
    assert metadata == {"scalelaw.schema": "1", **versions()}
    assert ("scalelaw.git" in metadata) == (PACKAGE.parent / ".git").exists()
    code, _, _ = run("fit", str(made), "--bootstrap", "0", "--json")
    assert code == 0


def test_what_a_table_covers(run: Run) -> None:
    code, out, _ = run("show", "vlm_reasoning")
    assert code == 0
    assert "missing: nothing" in out
    code, out, _ = run("show", "vlm_reasoning", "--json")
    assert json.loads(out)["data"]["n_rows"] == 28
    code, out, _ = run("show", "scenes")
    assert (
        "not in every measured cell: scenes_knowledge (12 of 16); means over all benchmarks are not comparable"
        in " ".join(out.split())
    )


def test_an_unfinished_sweep_can_be_read(tmp_path: Path, run: Run) -> None:
    from scalelaw.config import parse_experiment
    from scalelaw.sweep import prepare_sweep
    from scalelaw.sweep.grid import cells
    from scalelaw.sweep.parts import write_part

    experiment = parse_experiment(
        {"question": "?", "name": "demo", "llms": ["16x1"], "visual_tokens": [1, 4, 16]}
    )
    folder, first = prepare_sweep(experiment, tmp_path), cells(experiment)[0]
    row = {"task_family": "ocr", "error": 0.5, "model": "16x1", "n_params": 1e5, "visual_tokens": 1}
    write_part(folder, first, [row], {"experiment": "demo"})
    code, out, err = run("show", str(tmp_path))
    assert code == 0, err
    assert "2 cells of the sweep have no result yet" in out
    code, out, _ = run("show", str(tmp_path), "--json")
    assert json.loads(out)["data"]["n_rows"] == 1


def test_show_compares_pair_by_pair(run: Run, tmp_path: Path) -> None:
    lines = ["benchmark,model,n_params,visual_tokens,seed,compressor,error"]
    for name, errors in {"downsample": (0.3, 0.4, 0.36), "quecc": (0.28, 0.35, 0.33)}.items():
        lines += [f"b,m,1e5,4,{seed},{name},{error}" for seed, error in enumerate(errors)]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    code, out, _ = run("show", str(tmp_path / "table.csv"), "--paired", "compressor=downsample", "--json")
    assert code == 0
    jsonschema.validate(json.loads(out), schema.schema("show"))
    rows = {row["compressor"]: row for row in json.loads(out)["data"]["rows"]}
    assert rows["quecc"]["difference"] == pytest.approx(-0.1 / 3)
    assert rows["quecc"]["p_holm"] == pytest.approx(0.0634, abs=1e-3)
    assert rows["downsample"]["p"] is None
    code, out, _ = run("show", str(tmp_path / "table.csv"), "--paired", "compressor=downsample")
    assert "-0.03333" in out
    assert code == 0
    twice = tmp_path / "twice.csv"
    twice.write_text("\n".join([lines[0] + ",task_family"] + [f"{x},{f}" for f in "ab" for x in lines[1:]]))
    arguments = ["show", str(twice), "--paired", "compressor=downsample"]
    code, _, err = run(*arguments)
    assert code == 2
    assert "Select rows with --where" in err
    code, out, _ = run(*arguments, "--where", "task_family=a", "--json")
    assert code == 0
    assert json.loads(out)["data"]["rows"][1]["n"] == 3


def test_what_tells_groups_apart_can_be_compared_itself(run: Run, tmp_path: Path) -> None:
    lines = ["benchmark,model,n_params,visual_tokens,seed,error"]
    lines += [f"b,m,1e5,{v},{seed},{0.5 / v + seed / 100}" for v in (4, 16) for seed in range(3)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    for more in ([], ["--json"]):
        code, out, err = run("show", str(tmp_path / "t.csv"), "--paired", "visual_tokens=4", *more)
        assert code == 0, err
    rows = {row["visual_tokens"]: row for row in json.loads(out)["data"]["rows"]}
    assert (rows["16"]["n"], rows["16"]["difference"]) == (3, pytest.approx(0.5 / 16 - 0.5 / 4))
    assert (rows["16"]["p"], "Warning" in err) == (None, False)  # every pair differs by the same
    code, _, err = run("show", str(tmp_path / "t.csv"), "--paired", "seed=0")
    assert (code, "paired by seed" in err) == (2, True)


def test_show_reads_a_table_as_fit_does(run: Run, tmp_path: Path) -> None:
    rows = "".join(
        f"{n},{v},{c},GQA,{50 + n * v + (c == 'a') * v}\n" for n in (1, 2) for v in (1, 4) for c in "ab"
    )
    (tmp_path / "t.csv").write_text("size,visual_tokens,compressor,benchmark,accuracy\n" + rows)
    options = ["--input", "n_params=size", "--scale", "n_params=1e9", "--score", "accuracy=100", "--json"]
    code, out, _ = run("show", str(tmp_path / "t.csv"), *options)
    assert (code, json.loads(out)["data"]["row_values"]) == (0, [10**9, 2 * 10**9])
    code, out, _ = run("show", str(tmp_path / "t.csv"), "--paired", "compressor=a", *options)
    assert (code, len(json.loads(out)["data"]["rows"])) == (0, 8)


def test_show_chooses_rows_as_fit_does(run: Run, tmp_path: Path) -> None:
    arguments = ["show", "quecc_table1", "--where", "compressor=quecc", "--where", "task_family=ocr"]
    code, out, _ = run(*arguments)
    assert code == 0
    assert "rows with compressor=quecc, task_family=ocr;" in out
    code, out, _ = run(*arguments, "--json")
    reply = json.loads(out)
    jsonschema.validate(reply, schema.schema("show"))
    data = reply["data"]
    assert data["where"] == {"compressor": "quecc", "task_family": "ocr"}
    table = read_table("quecc_table1")
    selected = table[(table.compressor == "quecc") & (table.task_family == "ocr")]
    assert data["n_rows"] == len(selected) > 0
    assert sum(map(sum, data["counts"])) == len(selected)
    for wrong in ("compressor=queck", "compresor=quecc", "visual_tokens=many", "compressor"):
        code, _, output = run("show", "quecc_table1", "--where", wrong)
        options = ["fit", "quecc_table1", "--law", "power", "--input", "x=visual_tokens", "--where", wrong]
        assert (code, output) == (2, run(*options)[2])


@pytest.mark.parametrize(
    "what", ["laws", "costs", "compressors", "datasets", "executors", "models", "hardware", "tables"]
)
def test_list_names_what_there_is(run: Run, what: str) -> None:
    code, out, _ = run("list", what, "--json")
    assert code == 0
    assert len(json.loads(out)["data"][what]) >= 1


def test_names_in_a_list_are_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "laws"]) == 0
    for line in capsys.readouterr().out.splitlines():
        name, _, meaning = line.partition(" ")
        assert not meaning.strip().startswith(name)


BAD: dict[str, tuple[list[str], int, str]] = {
    "a fit in place of a table": (["show", "{fit}"], 2, "`scalelaw fit` wrote: `scalelaw optimize` and"),
    "baseline that is not there": (
        ["show", "vlm_reasoning", "--paired", "compressor=quec"],
        2,
        "There are: token_packer.",
    ),
    "decimal mark": (
        ["import", "wide_csv", "{bad}/nan.csv", "--decimal", ";", "-o", "t"],
        2,
        "is '.' or ','",
    ),
    "a custom importer that reads nothing": (
        ["import", "{bad}/nothing.py", "{bad}/nan.csv", "-o", "t"],
        2,
        "lacks read",
    ),
    "unknown list": (["list", "lawz"], 2, "Did you mean 'laws'"),
    "a misspelt option of an importer": (
        ["import", "wide_csv", "{bad}/nan.csv", "--models", "{bad}/colums.yaml", "-o", "t.parquet"],
        2,
        "Did you mean 'columns'",
    ),
    "an option of another importer": (
        ["import", "lmms_eval", "{bad}", "--score", "GQA=100", "-o", "t.parquet"],
        2,
        "Unknown option of lmms_eval 'scores'",
    ),
    "billions in models.yaml": (
        [
            "import",
            "wide_csv",
            "{bad}/one_point.csv",
            "--score",
            "error=1",
            "--models",
            "{bad}/billions.yaml",
            "-o",
            "t",
        ],
        2,
        "the unit is parameters, not billions",
    ),
    "unknown importer": (["import", "excel", "x", "-o", "y"], 2, "published_table"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_sentence(refused: Callable[..., None], name: str) -> None:
    refused(*BAD[name])


def test_models_are_a_table_that_can_be_filtered(run: Run) -> None:
    code, out, _ = run("list", "models", "qwen3-vl", "--json")
    rows = {row["name"]: row for row in json.loads(out)["data"]["models"]}
    assert code == 0
    assert rows["qwen3-vl-8b"]["total_params"] == 8_767_123_696
    assert rows["qwen3-vl-8b"]["knobs"] == ["max_pixels"]
    assert all("qwen3-vl" in name for name in rows)
    assert all(row["summary"] for row in rows.values())
    code, out, _ = run("list", "models")
    assert code == 0
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
    code, out, _ = run("list", "models", "no such model", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (2, "unknown_model")


def test_every_list_can_be_filtered(run: Run) -> None:
    code, out, _ = run("list", "laws", "product", "--json")
    assert code == 0
    assert "product_power" in [row["name"] for row in json.loads(out)["data"]["laws"]]
    assert len(json.loads(out)["data"]["laws"]) < 12
    assert run("list", "laws", "no such law")[0] == 2
