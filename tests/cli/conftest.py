"""Commands as a person types them, and what is said to a mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalelaw import cli


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command: exit code, stdout, stderr."""

    def typed(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return typed


@pytest.fixture
def answer(run: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, Any, str]]:
    """Runs a command with --json: exit code, the object on stdout, the words on stderr."""

    def typed(*arguments: str) -> tuple[int, Any, str]:
        code, out, err = run(*arguments, "--json")
        return code, json.loads(out), err

    return typed


@pytest.fixture(scope="session")
def fit_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fit of `vlm_reasoning`."""
    path = tmp_path_factory.mktemp("fit") / "fit.json"
    assert cli.main(["fit", "vlm_reasoning", "--bootstrap", "200", "-o", str(path)]) == 0
    return path


HEADER = "n_params,visual_tokens,error\n"
EXPERIMENT = "question: q\nllms: [32x2]\nvisual_tokens: [1]\n"
FILES = {
    "not_csv.csv": b"\x00\xff\xfe",
    "empty.csv": b"",
    "no_column.csv": b"n_params,visual_token,error\n5e8,1,0.5\n1e9,2,0.4\n",
    "nan.csv": (HEADER + "5e8,1,\n1e9,1,0.5\n").encode(),
    "inf.csv": (HEADER + "5e8,1,inf\n1e9,1,0.5\n").encode(),
    "negative.csv": (HEADER + "5e8,1,-0.5\n1e9,1,0.5\n").encode(),
    "one_point.csv": (HEADER + "5e8,1,0.5\n").encode(),
    "text.csv": (HEADER + "5e8,1,good\n").encode(),
    "colums.yaml": b"colums: {n_params: size}\n",
    "billions.yaml": b'models: {"*": {n_params: 3.1}}\n',
    "config.json": b'{"model_type": "llama"}',
    "refused.json": b'{"schema": "scalelaw.fit/1", "ok": false, "error": {"message": "No row has a=1."}}',
    "latency.csv": b"model,visual_tokens,latency_ms\nqwen1.5-7b,4,80\n",
    "key.yaml": EXPERIMENT.replace("visual_tokens", "visual_token").encode(),
    "inner.yaml": (EXPERIMENT + "recipe: {learning_rat: 1}\n").encode(),
    "good.yaml": EXPERIMENT.encode(),
    "nothing.py": b"",
    "exits.py": b"raise SystemExit(0)",
    "not.yaml": b"a: [",
}


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that are not what a command wants."""
    folder = tmp_path_factory.mktemp("bad")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def refused(run: Callable[..., tuple[int, str, str]], bad: Path, fit_file: Path) -> Callable[..., None]:
    """Holds a command to its refusal, in words and as JSON: the code, a sentence that holds `said`, no traceback.

    `{bad}` and `{fit}` in an argument stand for the folder and for the fit.
    """

    def check(arguments: list[str], code: int, message: str) -> None:
        words = [argument.format(bad=bad, fit=fit_file) for argument in arguments]
        got, out, err = run(*words)
        assert got == code
        assert message in err
        assert "error: " in err
        assert "Traceback" not in err
        got, out, err = run(*words, "--json")
        assert got == code
        facts: dict[str, Any] = json.loads(out)
        assert facts["ok"] is False
        assert message in facts["error"]["message"] + "\n" + facts["error"]["hint"]
        assert facts["error"]["code"].replace("_", "").isalnum()

    return check
