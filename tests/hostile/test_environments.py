"""The command line in odd environments: right answers, or one error message, and never a traceback.

Each environment runs its commands in one process; starting Python for every command would take minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import scalelaw as sl
from scalelaw.cli.app import main

ROOT = Path(sl.__file__).parents[1]
CSV = "model,n_params,visual_tokens,error\n" + "".join(
    f"m{n},{n * 10**9},{v},{0.3 / n**0.3 + 0.3 / v**0.2:.6f}\n" for n in (1, 2, 4, 8) for v in (1, 4, 16, 64)
)
FIT = "fit t.csv --bootstrap 0 --seed 0"
RUNNER = """
import sys
from scalelaw.cli import main
codes = [main(line.split()) for line in sys.argv[1].split(";")]
open("codes", "w").write(" ".join(map(str, codes)))
"""
MANY = {
    f"{FIT} -o fit.json": 0,
    f"{FIT} --json": 0,
    "optimize fit.json --budget 1e13 -o optimum.json": 0,
    "report fit.json optimum.json -o report.html": 0,
    "show t.csv": 0,
    "list laws": 0,
    "fit --help": 0,
    "--help": 0,
    "fit nowhere.csv": 2,
    "fit \u00fcn\u00ef.csv --json": 2,
}
FEW = {f"{FIT} -o fit.json": 0, "list laws": 0, "fit nowhere.csv": 2}
PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def _environment(**changes: str | None) -> dict[str, str]:
    # an empty entry of PYTHONPATH is the working directory
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    merged = {**os.environ, "PYTHONPATH": paths, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def _run(
    folder: Path, lines: dict[str, int], redirect: str = "", **changes: str | None
) -> subprocess.CompletedProcess[bytes]:
    (folder / "t.csv").write_text(CSV)
    (folder / "run.py").write_text(RUNNER, encoding="utf-8")
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" run.py "$1" {redirect}', sys.executable, ";".join(lines)],
        cwd=folder,
        env=_environment(**changes),
        capture_output=True,
        check=False,
        timeout=600,
    )
    assert b"Traceback" not in done.stdout + done.stderr, done.stderr.decode(errors="replace")[-3000:]
    codes = (folder / "codes").read_text().split()
    assert dict(zip(lines, map(int, codes), strict=True)) == lines
    return done


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_output_that_is_not_utf8(encoding: str, tmp_path: Path) -> None:
    done = _run(tmp_path, MANY, **PLAIN_C, PYTHONIOENCODING=encoding)
    done.stdout.decode(encoding)
    assert json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))["ok"]
    assert (tmp_path / "report.html").read_bytes()


def test_an_environment_with_odd_values(tmp_path: Path) -> None:
    lines = {**FEW, "report fit.json -o report.html": 0}
    odd = {"PATH": "/nowhere", "HOME": None, "MPLBACKEND": "no_such_backend", "SOURCE_DATE_EPOCH": "yesterday",
           "COLUMNS": "0", "LINES": "x", "TERM": "no-such-terminal", "TZ": "No/Where"}  # fmt: skip
    _run(tmp_path, lines, **odd)


def test_what_matplotlib_logs_of_its_caches_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code = (
        "import scalelaw.report.matplotlib_settings, logging\n"
        "logging.getLogger('matplotlib.font_manager').warning('building')\n"
    )
    for settings in ("file/folder", "fresh"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**_environment(), "MPLCONFIGDIR": str(tmp_path / settings)},
            capture_output=True,
            check=False,
            timeout=600,
        )
        assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")
    code = "import logging; logging.basicConfig()\n" + code
    done = subprocess.run([sys.executable, "-c", code], env=_environment(), capture_output=True, check=True)
    assert b"building" in done.stderr


def test_warnings_are_errors_and_docstrings_are_removed(tmp_path: Path) -> None:
    lines = {**FEW, "fit --help": 0, "report fit.json -o report.html": 0}
    _run(tmp_path, lines, PYTHONWARNINGS="error", PYTHONOPTIMIZE="2")


@pytest.mark.parametrize("redirect", ["<&- >&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(redirect: str, tmp_path: Path) -> None:
    no_output = ">&-" in redirect.replace("2>&-", "")
    lines = {f"{FIT} -o fit.json": 0, f"{FIT} --json": 2 if no_output else 0, "fit nowhere.csv": 2}
    _run(tmp_path, lines, redirect)
    assert json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))["ok"]


def test_messages_that_cannot_be_written_cost_no_answer(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    done = _run(tmp_path, {f"{FIT} --json": 0, "fit nowhere.csv": 2}, "2>/dev/full")
    assert json.loads(done.stdout)["ok"]


def test_a_working_directory_that_was_removed(tmp_path: Path) -> None:
    target = tmp_path / "fit.json"
    gone = tmp_path / "gone"
    gone.mkdir()
    code = (
        "import os, sys; os.rmdir(os.getcwd()); from scalelaw.cli import main; "
        "sys.exit(main(['fit', 'vlm_reasoning', '--bootstrap', '0', '-o', sys.argv[1]]) "
        "or (main(['fit', 't.csv']) != 2))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(target)],
        cwd=gone,
        env=_environment(),
        capture_output=True,
        check=False,
        timeout=600,
    )
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert json.loads(target.read_text())["ok"]


YAML = {
    "name: mine\npeak_tflops: 900\nbandwidth_tb_s: 3\nmemory_gb: 80\n": [
        "cost", "qwen1.5-4b", "--visual-tokens", "64", "--text-tokens", "9", "--tower", "none", "--hardware",
    ],
    "models: [{name: a, n_params: 1e9}]\n": ["optimize", "fit.json", "--budget", "1e13", "--models"],
}  # fmt: skip


@pytest.mark.parametrize("text", YAML, ids=["a card", "a catalogue"])
def test_yaml_is_read_from_a_pipe(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fit.json").write_text(sl.fit_law("vlm_reasoning", bootstrap=0).to_json())
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    try:
        assert main([*YAML[text], f"/dev/fd/{reader}"]) == 0
    finally:
        os.close(reader)


@pytest.mark.parametrize("name", ["numpy", "json", "yaml", "typer", "csv"])
def test_modules_in_the_working_directory_do_not_run(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("open('ran', 'w').close()")
    command = [sys.executable, "-m", "scalelaw", "list", "laws"]
    done = subprocess.run(command, cwd=tmp_path, env=_environment(), capture_output=True, check=False)
    assert (done.returncode, (tmp_path / "ran").exists()) == (0, False)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("numpy", ""),
        ("pandas", "def read_csv(): pass"),
        ("pandas", "import nowhere_at_all"),
        ("pandas", "raise ImportError('broken')"),
        ("decimal", ""),
    ],
)
def test_a_module_that_is_shadowed_is_named(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(CSV)
    (tmp_path / f"{name}.py").write_text(text)
    code = "import sys; from scalelaw.cli import main; sys.exit(main(['fit', 'table.csv', '--json']))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=_environment(), capture_output=True, check=False)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (2, "shadowed_module")
    assert str(tmp_path / f"{name}.py") in error["message"]
