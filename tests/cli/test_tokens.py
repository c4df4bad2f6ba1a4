"""tokens: its answer, its file, and its refusals on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scalelaw.results import schema as schemas

Run = Callable[..., tuple[int, str, str]]
Answer = Callable[..., tuple[int, Any, str]]


@pytest.mark.parametrize(
    "arguments",
    [
        ["qwen2.5-vl", "--image", "1920x1080", "--set", "max_pixels=602112"],
        ["internvl", "--image", "1920x1080", "--image", "400x300"],
        ["qwen3-vl", "--image", "1280x720", "--frames", "32", "--fps", "2"],
        ["llava", "--image", "10x10"],
        ["mllama", "--image", "10x10"],
    ],
)
def test_every_answer_is_as_its_schema_says(answer: Answer, run: Run, arguments: list[str]) -> None:
    code, result, _ = answer("tokens", *arguments)
    assert code == 0
    jsonschema.validate(result, schemas.schema("tokens"))
    entries = result["data"]["images"] or result["data"]["videos"]
    assert sum(entry["visual_tokens"] for entry in entries) == result["data"]["visual_tokens"]
    code, out, _ = run("tokens", *arguments)
    assert code == 0
    assert f"{result['data']['visual_tokens']:,} visual tokens" in out


def test_a_csv_of_sizes(answer: Answer, run: Run, tmp_path: Path) -> None:
    (tmp_path / "sizes.csv").write_text("width,height\n1920,1080\n400,300\n")
    arguments = ["tokens", "qwen2.5-vl", "--image-sizes", str(tmp_path / "sizes.csv")]
    code, result, _ = answer(*arguments, "-o", str(tmp_path / "answer.json"))
    assert code == 0
    jsonschema.validate(result, schemas.schema("tokens"))
    assert result["data"]["distribution"]["p95"] == 2691
    assert json.loads((tmp_path / "answer.json").read_text()) == result
    assert "p95 2,691" in run(*arguments)[1]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["qwen2.5-vl", "--image", "0x5"], "bad_image_size"),
        (["qwen2.5-vl"], "usage"),
        (["qwen2.5-vl", "--image", "10x10", "--set", "max_soft_tokens=70"], "unknown_knob"),
        (["gemma4", "--image", "10x10", "--set", "max_soft_tokens=71"], "knob_out_of_range"),
        (["pixtral", "--image", "10x10", "--frames", "2"], "no_video"),
        (["qwen", "--image", "10x10"], "unknown_model"),
    ],
)
def test_refusals(answer: Answer, arguments: list[str], wanted: str) -> None:
    code, result, _ = answer("tokens", *arguments)
    assert code == 2
    assert result["error"]["code"] == wanted


def test_families_are_listed(run: Run) -> None:
    code, out, _ = run("list", "families")
    assert code == 0
    assert "qwen3_vl" in out
