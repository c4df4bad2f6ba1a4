"""doctor, schema, completion: what a command says of itself; every answer is of the shape that its schema states."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scalelaw import cli, schemas
from scalelaw.errors import InputError


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    """Exit code, the object on stdout, the words on stderr."""
    capsys.readouterr()
    code = cli.main([*arguments, "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


DEMO = str(Path(__file__).parents[1] / "experiments" / "demo.yaml")
ASKED = {
    "fit": ["fit", "vlm_reasoning", "--bootstrap", "20"],
    "fit_groups": ["fit", "quecc_table1", "--by", "task_family", "--law", "power", "--input", "x=visual_tokens",
                   "--where", "compressor=quecc", "--bootstrap", "0"],
    "compare": ["compare", "vlm_reasoning", "--laws", "product_power,log_linear"],
    "optimize": ["optimize", "{fit}", "--budget", "8e11", "--contrast", "--inverse"],
    "calibrate": ["calibrate", "{measured}", "--hardware", "h100", "-o", "{folder}/card.yaml"],
    "sweep": ["sweep", DEMO, "--dry-run", "--out", "{folder}/sweep"],
    "cost": ["cost", "llava-1.5-7b"],
    "show": ["show", "vlm_reasoning"],
    "list": ["list", "laws"],
    "report": ["report", "vlm_reasoning", "-o", "{folder}/report.pdf"],
    "doctor": ["doctor"],
    "schema": ["schema", "fit"],
    "import": ["import", "long_csv", "{csv}", "--column", "visual_tokens=tokens", "--column", "value=score",
               "--column", "benchmark=task", "--score", "GQA=100", "-o", "{folder}/t.parquet"],
}  # fmt: skip


@pytest.mark.parametrize("name", list(ASKED))
def test_an_answer_has_the_shape_its_schema_states(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("task,tokens,score\nGQA,16,61.0\nGQA,64,63.0\n")
    rows = [f"qwen1.5-{size},{v},{ms}" for size, ms in (("1.8b", 9.0), ("7b", 21.0)) for v in (16, 144, 576)]
    (tmp_path / "m.csv").write_text("model,visual_tokens,latency_ms\n" + "\n".join(rows) + "\n")
    if name == "optimize":
        assert cli.main(["fit", "vlm_reasoning", "--bootstrap", "20", "-o", str(tmp_path / "fit.json")]) == 0
    places = {
        "fit": tmp_path / "fit.json",
        "folder": tmp_path,
        "csv": tmp_path / "a.csv",
        "measured": tmp_path / "m.csv",
    }
    code, held, said = run(capsys, *(word.format(**places) for word in ASKED[name]))
    assert code == 0, said
    jsonschema.validate(held, schemas.schema(name))


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("fit", ["--ablate", "--influence", "--holdout", "largest"]),
        ("fit", ["--law", "log_linear", "--loss", "huber", "--residual", "log"]),
        (
            "optimize",
            ["--target-error", "0.5", "--hardware", "h100", "--models", "qwen1.5", "--generate", "8"],
        ),
    ],
)
def test_answers_to_more_options_have_the_shape_too(
    name: str, more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["vlm_reasoning", "--bootstrap", "20"]
    if name == "optimize":
        asked = [str(tmp_path / "fit.json")]
        assert cli.main(["fit", "vlm_reasoning", "--bootstrap", "0", "-o", asked[0]]) == 0
    code, held, said = run(capsys, name, *asked, *more)
    assert code == 0, said
    jsonschema.validate(held, schemas.schema(name))


@pytest.mark.parametrize("name", ["fit", "optimize", "show"])
def test_a_refusal_has_the_shape_too(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, held, _ = run(
        capsys, name, "no_such_thing.json", *(["--budget", "1e12"] if name == "optimize" else [])
    )
    assert code == 2
    jsonschema.validate(held, schemas.schema(name))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**held, "ok": True}, schemas.schema(name))


def test_the_answer_of_one_cell_has_the_shape_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scalelaw.sweep.cell.run_one", lambda *_: ("8x1", Path("sweep/cells/8x1.json")))
    code, held, _ = run(capsys, "run-cell", "0", "--sweep", "sweep")
    assert code == 0
    jsonschema.validate(held, schemas.schema("run-cell"))


def test_every_schema_is_one_and_every_command_has_one() -> None:
    for name in schemas.described():
        jsonschema.Draft202012Validator.check_schema(schemas.schema(name))
    assert set(cli.commands()) <= set(schemas.described())
    assert set(schemas.described()) <= {*ASKED, "run-cell"}  # whose answer is held below
    with pytest.raises(InputError) as caught:
        schemas.schema("fitt")
    assert "fit" in caught.value.message + caught.value.hint


def test_the_doctor_says_what_an_extra_would_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "submitit" in said
    assert "--executor slurm" in said
    assert "pip install 'scalelaw[track]'" in said or "wandb         installed" in said


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("scalelaw fit vlm_o", "vlm_ocr"),
        ("scalelaw fit vlm_ocr --law chi", "chinchilla"),
        ("scalelaw cost llava-1.5-7b --hardware h100-s", "h100-sxm"),
        ("scalelaw cost qwen1.5-4", "qwen1.5-4b"),
        ("scalelaw list har", "hardware"),
        ("scalelaw import vlm", "vlmevalkit"),
    ],
)
def test_the_shell_completes_names(typed: str, offered: str) -> None:
    asked = {"_SCALELAW_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    code = "import sys; from scalelaw.cli import main; sys.argv[0] = 'scalelaw'; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert offered in done.stdout.split(), done.stderr


def test_an_empty_argument_and_a_full_disk_get_a_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fit", ""]) == 2
    assert "empty" in capfd.readouterr().err
    if not Path("/dev/full").exists():
        return
    code = "import sys; from scalelaw.cli import main; sys.exit(main(['list', 'laws']))"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: The answer could not be written")
    assert "Traceback" not in done.stderr


def test_names_in_a_list_are_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "laws"]) == 0
    for line in capsys.readouterr().out.splitlines():
        name, _, meaning = line.partition(" ")
        assert not meaning.strip().startswith(name)


def test_an_unfinished_sweep_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import scalelaw as sl
    from scalelaw.files import SweepFolder
    from scalelaw.table import write_table

    folder = SweepFolder(tmp_path)
    write_table(sl.read_table("vlm_ocr"), folder.cell("aaaa"), {})
    folder.manifest.write_text(json.dumps({"experiment": "demo", "cells": ["aaaa", "bbbb", "cccc"]}))
    assert cli.main(["show", str(tmp_path)]) == 0
    assert "2 cells of the sweep have no result yet" in capsys.readouterr().out
