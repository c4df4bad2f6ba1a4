"""Sweeps whose runner or whose cells are killed: nothing is lost, nothing goes on, the table is the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from scalelaw.config import Experiment
from scalelaw.errors import FailedCells
from scalelaw.files.paths import SweepFolder
from scalelaw.sweep import run_sweep
from scalelaw.sweep.grid import cells
from scalelaw.sweep.progress import Progress

Make = Callable[..., Experiment]
Measured = Callable[[Path], pd.DataFrame]

SCRIPT = """
import sys
from scalelaw.config import read_experiment
from scalelaw.sweep import run_sweep
try:
    run_sweep(read_experiment(sys.argv[1]), sys.argv[2], sys.argv[3], jobs=2, train="stub_trainer")
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def started(
    stub: str, experiment: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start a sweep whose work takes a while, in a process of its own."""
    runners: list[subprocess.Popen[bytes]] = []

    def start(executor: str) -> subprocess.Popen[bytes]:
        monkeypatch.setenv("STUB_SECONDS", "0.5")
        (tmp_path / "small.yaml").write_text(yaml.safe_dump(experiment().model_dump(mode="json")))
        arguments = [str(tmp_path / "small.yaml"), str(tmp_path / "sweep"), executor]
        runners.append(
            subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], stderr=subprocess.DEVNULL)
        )
        monkeypatch.setenv("STUB_SECONDS", "0")
        return runners[-1]

    yield start
    for runner in runners:
        runner.kill()
        runner.wait()


def _until(happened: Callable[[], bool]) -> None:
    patience = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < patience, "it did not happen within a minute"
        time.sleep(0.02)


def _processes(folder: Path) -> list[int]:
    """Running processes that name the folder in their command (zombies have no command)."""
    problems = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(folder).encode() in command:
                problems.append(int(entry.name))
    return problems


@pytest.mark.parametrize("executor", ["local", "inline"])
@pytest.mark.parametrize("with_signal", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_runner_that_is_ended_takes_its_processes_along_and_loses_nothing(
    experiment: Make,
    stub: str,
    started: Callable[[str], subprocess.Popen[bytes]],
    tmp_path: Path,
    measured: Measured,
    trace: Callable[[], list[str]],
    executor: str,
    with_signal: signal.Signals,
) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    runner = started(executor)
    _until(
        lambda: len(list(folder.cells.glob("[0-9a-f]*.parquet"))) >= 1 and _is_training(folder, experiment())
    )
    runner.send_signal(with_signal)
    assert runner.wait(30) == (-with_signal if with_signal == signal.SIGKILL else 130)
    _until(lambda: not _processes(folder.root))
    done = {path.stem: path.read_bytes() for path in folder.cells.glob("[0-9a-f]*.parquet")}
    assert 1 <= len(done) < 4
    assert not (folder.root / "failed").exists()
    partial = measured(folder.root)
    assert set(partial["cell"]) == set(done)

    begun = len(trace())
    result = run_sweep(experiment(), folder.root, "inline", progress=Progress(), train=stub)
    assert set(result.skipped) == set(done)
    assert len(trace()) - begun == 4 - len(done)
    assert all(folder.cell(name).read_bytes() == content for name, content in done.items())
    run_sweep(experiment(), tmp_path / "undisturbed", "inline", progress=Progress(), train=stub)
    pd.testing.assert_frame_equal(measured(folder.root), measured(tmp_path / "undisturbed"), check_exact=True)
    assert not list(folder.cells.glob(".*"))


def _is_training(folder: SweepFolder, experiment: Experiment) -> bool:
    """Whether some cell has begun and has not ended."""
    names = [cell.name for cell in cells(experiment)]
    return any(folder.log(name).exists() and not folder.cell(name).exists() for name in names)


def test_a_cell_that_is_killed_is_a_failure_with_its_signal_and_the_others_are_done(
    experiment: Make, stub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_KILL", "24x1-quecc-1-0")
    with pytest.raises(FailedCells) as caught:
        run_sweep(experiment(llms=["24x1"]), tmp_path, "local", 2, progress=Progress(), train=stub)
    assert list(caught.value.best["failed"].values()) == ["Its process was ended by SIGKILL."]
    assert len(caught.value.best["done"]) == 1


def test_two_processes_never_make_one_stage_twice(
    experiment: Make,
    stub: str,
    tmp_path: Path,
    measured: Measured,
    monkeypatch: pytest.MonkeyPatch,
    trace: Callable[[], list[str]],
) -> None:
    """Cells started by hand, all at once, in a folder where no stage has been made."""
    run_sweep(experiment(), tmp_path / "sweep", "inline", progress=Progress(), train=stub)
    folder, grid = SweepFolder(tmp_path / "sweep"), cells(experiment())
    before = measured(folder.root)
    for cell in grid:
        folder.cell(cell.name).unlink()
        for stage in cell.stages:
            folder.made(stage.name).unlink(missing_ok=True)
    begun = len(trace())
    monkeypatch.setenv("STUB_SECONDS", "0.1")
    command = [sys.executable, "-m", "scalelaw.sweep.cell", str(folder.root)]
    names = [cell.name for cell in grid[:3]] + [grid[0].name]
    started = [subprocess.Popen([*command, name, "--trainer", stub]) for name in names]
    assert [process.wait(60) for process in started] == [0, 0, 0, 0]
    assert sorted(trace()[begun:]) == sorted(
        ["tower", "features", "16x1", "24x1", "16x1-quecc-1-0", "16x1-quecc-4-0", "24x1-quecc-1-0"]
    )
    assert not folder.results.exists()
    pd.testing.assert_frame_equal(measured(folder.root), before[:6], check_exact=True)


CLI = """
import sys
from scalelaw.cli import main
from scalelaw.sweep import progress, runner
runner.run_sweep.__kwdefaults__["train"] = "stub_trainer"
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.timeout(120)
def test_logs_that_are_removed_and_a_signal_of_the_user_end_in_no_traceback(
    stub: str, experiment: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: Measured
) -> None:
    monkeypatch.setenv("STUB_SECONDS", "0.3")
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(experiment().model_dump(mode="json")))
    command = [
        sys.executable,
        "-c",
        CLI,
        "sweep",
        str(tmp_path / "small.yaml"),
        "--out",
        str(tmp_path / "sweep"),
    ]
    folder = SweepFolder(tmp_path / "sweep")
    first = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        for _ in range(3):
            _until(lambda: len(list((folder.root / "logs").glob("*.jsonl"))) >= 1 or first.poll() is not None)
            shutil.rmtree(folder.root / "logs", ignore_errors=True)
        first.send_signal(signal.SIGUSR1)
        _, words = first.communicate(timeout=60)
    finally:
        first.kill()
    assert "Traceback" not in words
    assert "Unexpected" not in words
    assert first.returncode == 75
    again = subprocess.run(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert (again.returncode, "Traceback" in again.stderr) == (0, False)
    assert len(measured(folder.root)) == 8
