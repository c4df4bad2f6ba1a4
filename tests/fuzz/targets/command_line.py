"""Aims at the whole command line: words added, doubled and changed in lines that work."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path

import mutations as by

from .json_files import _fit_json
from .shared import Chance, Target

WORDS = ["vlm_reasoning", "--json", "--law", "product_power", "--where", "task_family=reasoning", "--fix", "D=0",
"--bound", "alpha=0:1",
         "--tie", "alpha=beta", "--bootstrap", "0", "--budget", "8e11", "--text-tokens", "50", "--visual-tokens",
         "1,4,16", "--models",
         "qwen1.5", "-o", "--hardware", "h100", "--target", "error", "--input", "n_params=n_params", "--by",
         "task_family", "--seed", "1",
         "--loss", "huber", "--delta", "--residual", "log", "--generate", "--batch", "--level", "--dtype",
         "--cost", "--help"]  # fmt: skip
LINES = [
    ["fit", "vlm_reasoning", "--bootstrap", "0", "--json"],
    ["fit", "vlm_reasoning", "--bootstrap", "0", "--law", "E + A*N**-alpha", "--fix", "E=0"],
    ["optimize", "FIT", "--budget", "8e11", "--text-tokens", "50", "--json"],
    ["cost", "llava-1.5-7b", "--visual-tokens", "576", "--text-tokens", "50"],
    ["show", "vlm_reasoning"], ["list", "laws"], ["schema", "fit"],
]  # fmt: skip


def _line(chance: Chance) -> list[str]:
    made = list(chance.choice(LINES))
    for _ in range(chance.randrange(3)):
        at = chance.randrange(1, len(made) + 1)
        made[at:at] = [by.word(chance, WORDS)] * chance.choice((1, 1, 1, 2))
    if chance.random() < 0.5:
        at = chance.randrange(1, len(made))
        made[at] = by.text(chance, made[at], WORDS)
    return ["0" if word in ("200", "1000") else word.replace("\x00", "") for word in made]


def _run_line(arguments: list[str], folder: Path) -> None:
    from scalelaw.cli.app import main

    here = Path.cwd()
    fit = folder / "fit.json"
    if not fit.exists():
        fit.write_text(json.dumps(_fit_json()))
    output, errors = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict"), io.StringIO()
    place = folder / "here"
    place.mkdir(exist_ok=True)
    os.chdir(place)
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = main([str(fit) if word == "FIT" else word for word in arguments])
    finally:
        os.chdir(here)
    assert code in (0, 2, 3, 5), f"exit code {code}: {errors.getvalue()[-500:]}"
    output.flush()


TARGETS = [
    Target("command line", _line, _run_line, 0.7),
]
