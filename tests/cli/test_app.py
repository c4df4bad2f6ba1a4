"""What every command shares: help, exit codes, one JSON object, and a sentence for every mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scalelaw import cli

Run = Callable[..., tuple[int, str, str]]


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from scalelaw import cli; cli.main(['--help']); cli.main(['fit', '--help']);"
        "print([m for m in ('torch', 'transformers', 'pandas', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_face_for_python_loads_no_heavy_library() -> None:
    code = (
        "import sys, scalelaw; dir(scalelaw);"
        "print([m for m in ('torch', 'transformers', 'pandas', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_a_fit_loads_only_what_it_needs() -> None:
    code = (
        "import sys; from scalelaw import cli; cli.main(['fit', 'vlm_reasoning']);"
        "print([m for m in ('scipy.special', 'scipy.spatial', 'pyarrow.parquet', 'yaml', 'lmfit',"
        "'matplotlib', 'scalelaw.plan', 'scalelaw.fit.ablation', 'scalelaw.fit.law_selection') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_one_command_is_built_alone(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    from typer import main

    built, original = [], main.get_command_from_info

    def noted(first: object = None, **options: object) -> object:
        built.append((first or options["command_info"]).name)
        return original(*([first] if first else []), **options)

    monkeypatch.setattr(main, "get_command_from_info", noted)
    assert run("schema", "fit")[0] == 0
    assert built == ["schema"]


@pytest.mark.parametrize("command", cli.commands())
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "Example: scalelaw " + command in out
    assert "--json" in out


def test_no_command_at_all_is_answered_with_help(run: Run) -> None:
    code, out, _ = run()
    assert code == 0
    assert "Commands:" in out


def test_the_version(run: Run) -> None:
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("scalelaw 0.")


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
    environment = {
        "_SCALELAW_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(typed.count(" ")),
    }
    code = "import sys; from scalelaw.cli import main; sys.argv[0] = 'scalelaw'; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert offered in done.stdout.split(), done.stderr


def test_a_csv_on_stdin(tmp_path: Path) -> None:
    text = "n_params,visual_tokens,error\n" + "".join(
        f"{n},{v},{0.6 * (n / 1e9) ** -0.1 * v**-0.05 + 0.1!r}\n" for n in (5e8, 1e9, 4e9) for v in (1, 8, 64)
    )
    command = [sys.executable, "-m", "scalelaw.cli", "fit", "-", "--bootstrap", "0", "--json"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=tmp_path)
    params = json.loads(done.stdout)["data"]["params"]
    assert params["alpha"] == pytest.approx(0.1, rel=1e-5)
    assert params["beta"] == pytest.approx(0.05, rel=1e-5)


def test_the_answer_is_in_its_file_though_nobody_reads_the_words(tmp_path: Path) -> None:
    answer = tmp_path / "fit.json"
    command = [
        sys.executable,
        "-m",
        "scalelaw",
        "fit",
        "vlm_reasoning",
        "--bootstrap",
        "0",
        "-o",
        str(answer),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.close()
    process.wait(timeout=60)
    assert json.loads(answer.read_text())["ok"] is True


def test_a_reader_that_stops_reading_is_no_fault() -> None:
    listing = f"{sys.executable} -m scalelaw.cli list models"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {listing} | head -1"], capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.returncode == 0


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


def test_an_unexpected_fault_is_a_sentence_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalelaw.table.read.bundled_tables", lambda: 1 / 0)
    code, out, err = run("list", "tables", "--json")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "unexpected"
    assert "SCALELAW_DEBUG" in err


def test_an_interrupt_ends_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scalelaw.table.read.bundled_tables", interrupt)
    code, out, err = run("list", "tables", "--json")
    assert code == 130
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert "Interrupted" in err


BAD: dict[str, tuple[list[str], int, str]] = {
    "unknown command": (["fitt"], 2, "No such command"),
    "unknown option": (["fit", "vlm_reasoning", "--lau", "x"], 2, "No such option"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_sentence(refused: Callable[..., None], name: str) -> None:
    refused(*BAD[name])
