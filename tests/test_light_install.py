"""The core commands in an environment without torch, transformers and any other extra.

The environment is a folder of links to the packages that the core dependencies require, and to nothing else; Python
starts isolated from every other package.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
CORE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]


def _required(requirements: list[str], seen: set[str]) -> set[str]:
    """The names of the distributions that the requirements bring, without extras."""
    for text in requirements:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        if wanted.name.lower() not in seen:
            seen.add(wanted.name.lower())
            _required(distribution(wanted.name).requires or [], seen)
    return seen


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of links."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "scalelaw").symlink_to(ROOT / "scalelaw")
    (folder / "data").symlink_to(ROOT / "data")
    for name in _required(CORE, set()):
        distributed = distribution(name)
        for top in {
            file.parts[0] for file in distributed.files or () if file.parts[0] not in ("..", "__pycache__")
        }:
            source, link = Path(str(distributed.locate_file(top))), folder / top
            if source.exists() and not link.exists():
                link.symlink_to(source)
    return folder


def run(site: Path, folder: Path, *commands: tuple[str, ...]) -> list[tuple[int, str]]:
    """Exit code and standard output of each command, all run in one isolated process."""
    code = f"""
import contextlib, io, json, sys
sys.path.insert(0, {str(site)!r})
from scalelaw.cli import main
for command in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = main(command)
    print(json.dumps([code, out.getvalue()]))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=folder, input=json.dumps(commands), env={**os.environ}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("module", ["torch", "transformers", "openpyxl", "safetensors"])
def test_the_environment_has_no_extra(site: Path, module: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(site)!r}); import {module}"
    assert subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True).returncode == 1


def test_fit_optimize_cost_predict_report_and_import_work(site: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("model,n_params,visual_tokens,acc\na,1e9,16,50\nb,7e9,16,60\n")
    commands = (
        ("fit", "vlm_reasoning", "--bootstrap", "50", "-o", "fit.json"),
        ("optimize", "fit.json", "--budget", "8e11", "--text-tokens", "50", "-o", "optimum.json"),
        ("optimize", "fit.json", "--budget", "latency_ms=80", "--hardware", "h100", "--models", "qwen1.5"),
        ("cost", "llama-2-7b", "--visual-tokens", "576", "--text-tokens", "50", "--compressor", "quecc"),
        ("predict", "fit.json", "--at", "n_params=7e9", "--at", "visual_tokens=64"),
        ("report", "fit.json", "optimum.json", "-o", "report.pdf"),
        ("report", "fit.json", "-o", "report.html"),
        ("import", "wide_csv", "t.csv", "--score", "acc=100", "-o", "t.parquet"),
        ("show", "t.parquet"),
        ("compare", "vlm_reasoning"),
        ("list", "compressors"),
        ("list", "models"),
        ("doctor",),
    )
    result = run(site, tmp_path, *commands)
    assert [(command, code) for command, (code, _) in zip(commands, result, strict=True)] == [
        (c, 0) for c in commands
    ]


def test_what_needs_an_extra_ends_with_exit_code_5_and_the_install_line(site: Path, tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    experiment = str(ROOT / "experiments" / "smoke.yaml")
    result = run(
        site,
        tmp_path,
        ("sweep", experiment, "--dry-run", "--json"),
        ("import", "wide_csv", "t.xlsx", "-o", "t.parquet", "--json"),
    )
    for (code, out), extra in zip(result, ("train", "excel"), strict=True):
        error = json.loads(out)["error"]
        assert (code, error["code"]) == (5, "missing_dependency")
        assert f"scalelaw[{extra}]" in error["hint"]
