"""What reaches the terminal: other people's text escaped, warnings first, tables as wide as the terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scalelaw.cli.show.printer import Printer, at_most
from scalelaw.files.safe_text import json_safe, one_line, printable

Run = Callable[..., tuple[int, str, str]]
NAMES = ("[/]", "[/bold]", "[link=file:///x]a[/link]", "\x1b[31mred\x1b[0m", "\x1b]8;;http://x\x07l\x1b]8;;\x07",
         "\x9b31m", "\u202egnp", "\x7f", ":smile:")  # fmt: skip
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069]")
BUDGETS = (
    "flops=1e13",
    "ms_per_token=50",
    "ttft_ms=300",
    "latency_ms=5000",
    "memory_gb=80",
    "usd_per_million=500",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table whose names hold markup and escape sequences."""
    path = tmp_path_factory.mktemp("hostile") / "t.csv"
    lines = ["model,benchmark,compressor,n_params,visual_tokens,error"]
    for i, name in enumerate(NAMES):
        for size in (1e9, 2e9, 4e9):
            for tokens in (1, 4, 16):
                error = 0.6 * (size / 1e9) ** -0.2 * tokens**-0.05 + 0.0001 * i
                lines.append(f'"{name}","{name}","{name}",{size},{tokens},{error}')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("command", ["show", "fit", "fit --by", "fit --where", "compare", "show --paired"])
@pytest.mark.parametrize("as_json", [False, True])
def test_untrusted_names_are_printed_as_text(run: Run, hostile: Path, command: str, as_json: bool) -> None:
    more = {
        "show": ["show", str(hostile)],
        "fit": ["fit", str(hostile), "--bootstrap", "0"],
        "fit --by": ["fit", str(hostile), "--by", "benchmark", "--bootstrap", "0"],
        "fit --where": ["fit", str(hostile), "--where", "benchmark=\x1b[31m", "--bootstrap", "0"],
        "compare": ["compare", str(hostile), "--laws", "product_power,log_linear"],
        "show --paired": ["show", str(hostile), "--paired", "compressor=[/]"],
    }[command]
    _, out, err = run(*more, *(["--json"] if as_json else []))
    assert "Unexpected" not in err
    assert not UNSAFE.search(out)
    assert not UNSAFE.search(err)
    if as_json:
        json.loads(out)


def test_characters_that_a_terminal_acts_on_are_escapes() -> None:
    assert printable("a\x1b[0m\u202e\n") == "a\\x1b[0m\\u202e\n"
    assert one_line("a\tb\r\nc\u2028d") == "a b c d"
    assert (
        json.loads(json_safe(json.dumps("\x9b\u2028\U000e0041é", ensure_ascii=False)))
        == "\x9b\u2028\U000e0041é"
    )


@pytest.mark.parametrize("width", [60, 80])
def test_six_budgets_fit_the_width_with_names_and_tokens_whole(
    run: Run, fit_file: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    limits = [part for budget in BUDGETS for part in ("--budget", budget)]
    served = ["--hardware", "h100-sxm", "--usd-per-hour", "3", "--generate", "16", "--models", "qwen1.5"]
    code, out, _ = run("optimize", str(fit_file), *limits, *served)
    assert code == 0
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    rows = [line.split() for line in out.splitlines() if line.startswith("best ")]
    assert {row[1] for row in rows} == {"qwen1.5-32b"}
    assert "88" in rows[0]
    for kind in (budget.partition("=")[0] for budget in BUDGETS):
        assert kind in out


def test_warnings_come_before_the_answer(fit_file: Path) -> None:
    command = [sys.executable, "-m", "scalelaw", "optimize", str(fit_file), "--budget", "8e11"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("warning: ")
    assert not any(line.startswith("warning: ") for line in lines[lines.index(next(
        line for line in lines if line.startswith("Within"))):])  # fmt: skip


def test_very_many_warnings_are_cut(run: Run, tmp_path: Path) -> None:
    rows = [f"g{i},{n},{v},{0.5 - 0.001 * v}" for i in range(60) for n in (1e9,) for v in (1, 4, 16, 64)]
    path = tmp_path / "t.csv"
    path.write_text("group,n_params,visual_tokens,error\n" + "\n".join(rows))
    code, out, err = run("fit", str(path), "--by", "group", "--bootstrap", "0")
    assert code == 0
    assert len(err.splitlines()) <= 30
    assert "more" in err.splitlines()[-1]
    assert "60 groups" in out.splitlines()[0]
    assert len(out.splitlines()) < 120


@pytest.mark.parametrize(
    "settings",
    [
        {"MPLBACKEND": "nonsense"},
        {"MPLBACKEND": "TkAgg"},
        {"MPLBACKEND": "module://x"},
        {"SOURCE_DATE_EPOCH": "abc"},
        {"SOURCE_DATE_EPOCH": "-1", "MPLBACKEND": ""},
        {"HOME": "/proc/none"},
    ],
    ids=str,
)
def test_odd_settings_end_no_figure(settings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 40\nnonsense\n")
    code = (
        "import sys; from scalelaw.report.style import styled; import matplotlib\n"
        "from matplotlib.backends.backend_pdf import PdfPages; from matplotlib.figure import Figure\n"
        "with styled(), PdfPages('f.pdf', metadata={'CreationDate': None}) as pdf:\n"
        "    figure = Figure(); figure.text(0, 0, '$x^$'); pdf.savefig(figure)\n"
        "    assert matplotlib.rcParams['font.size'] < 20 and not matplotlib.rcParams['text.usetex']\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verbose", [False, True])
def test_a_terminal_gets_a_bounded_answer(
    verbose: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with at_most(25, [("code", "message")] * 3, verbose):
        for i in range(60):
            Printer().line(f"line {i}")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == (60 if verbose else 22)
    assert verbose or "39 more lines" in lines[-1]


def test_fit_starts_without_matplotlib() -> None:
    code = (
        "import scalelaw.report.text.format, scalelaw.cli.show.fit, sys; print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
