"""doctor and schema: what a command says of itself; every answer is of the shape that its schema states."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scalelaw import cli
from scalelaw.errors import InputError
from scalelaw.results import schema

Answer = Callable[..., tuple[int, Any, str]]

DEMO = str(Path(__file__).parents[2] / "experiments" / "demo.yaml")
COMMANDS = {
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
    "predict": ["predict", "{fit}", "--at", "n_params=7e9", "--at", "visual_tokens=64,144"],
    "plot": ["plot", "{fit}", "--figure", "curves", "-o", "{folder}/curves.svg"],
    "tokens": ["tokens", "qwen2.5-vl", "--image", "640x480"],
    "measure": ["measure", "http://127.0.0.1:9/v1", "--dry-run"],
    "doctor": ["doctor"],
    "schema": ["schema", "fit"],
    "import": ["import", "long_csv", "{csv}", "--column", "visual_tokens=tokens", "--column", "value=score",
               "--column", "benchmark=task", "--score", "GQA=100", "-o", "{folder}/t.parquet"],
}  # fmt: skip


def test_the_doctor_says_what_an_extra_would_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "submitit" in printed
    assert "--executor slurm" in printed
    assert "pip install 'scalelaw[track]'" in printed or "wandb         installed" in printed


def test_every_schema_is_one_and_every_command_has_one() -> None:
    for name in schema.described():
        jsonschema.Draft202012Validator.check_schema(schema.schema(name))
    assert set(cli.commands()) <= set(schema.described())
    assert set(schema.described()) <= {*COMMANDS, "run-cell", "convert"}  # checked where their data is made
    with pytest.raises(InputError, match="Unknown command 'fitt'") as caught:
        schema.schema("fitt")
    assert "fit" in caught.value.message + caught.value.hint


@pytest.mark.parametrize("name", list(COMMANDS))
def test_an_answer_has_the_shape_its_schema_states(name: str, tmp_path: Path, answer: Answer) -> None:
    (tmp_path / "a.csv").write_text("task,tokens,score\nGQA,16,61.0\nGQA,64,63.0\n")
    rows = [f"qwen1.5-{size},{v},{ms}" for size, ms in (("1.8b", 9.0), ("7b", 21.0)) for v in (16, 144, 576)]
    (tmp_path / "m.csv").write_text("model,visual_tokens,latency_ms\n" + "\n".join(rows) + "\n")
    if "{fit}" in COMMANDS[name]:
        assert cli.main(["fit", "vlm_reasoning", "--bootstrap", "20", "-o", str(tmp_path / "fit.json")]) == 0
    places = {
        "fit": tmp_path / "fit.json",
        "folder": tmp_path,
        "csv": tmp_path / "a.csv",
        "measured": tmp_path / "m.csv",
    }
    code, reply, errors = answer(*(word.format(**places) for word in COMMANDS[name]))
    assert code == 0, errors
    jsonschema.validate(reply, schema.schema(name))


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
    name: str, more: list[str], tmp_path: Path, answer: Answer
) -> None:
    arguments = ["vlm_reasoning", "--bootstrap", "20"]
    if name == "optimize":
        arguments = [str(tmp_path / "fit.json")]
        assert cli.main(["fit", "vlm_reasoning", "--bootstrap", "0", "-o", arguments[0]]) == 0
    code, reply, errors = answer(name, *arguments, *more)
    assert code == 0, errors
    jsonschema.validate(reply, schema.schema(name))


@pytest.mark.parametrize("name", ["fit", "optimize", "show"])
def test_a_refusal_has_the_shape_too(name: str, answer: Answer) -> None:
    code, reply, _ = answer(name, "no_such_thing.json", *(["--budget", "1e12"] if name == "optimize" else []))
    assert code == 2
    jsonschema.validate(reply, schema.schema(name))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**reply, "ok": True}, schema.schema(name))
