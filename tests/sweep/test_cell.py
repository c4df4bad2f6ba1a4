"""One cell by hand: what any scheduler can run."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalelaw.config import Experiment
from scalelaw.errors import FailedCells, InputError, ScalelawError
from scalelaw.files.paths import SweepFolder
from scalelaw.sweep import cell, prepare_sweep, run_sweep
from scalelaw.sweep.grid import cells
from scalelaw.sweep.parts import read_part
from scalelaw.sweep.progress import Progress
from scalelaw.table.read import read_table

Make = Callable[..., Experiment]


@pytest.fixture
def folder(experiment: Make, stub: str, tmp_path: Path) -> SweepFolder:
    """A sweep with one cell to do again: its result and its stages are gone."""
    run_sweep(experiment(), tmp_path / "sweep", "inline", progress=Progress(), train=stub)
    sweep = SweepFolder(tmp_path / "sweep")
    first = cells(experiment())[0]
    sweep.cell(first.name).unlink()
    for stage in first.stages:
        sweep.made(stage.name).unlink()
    return sweep


def _name(experiment: Make) -> str:
    return cells(experiment())[0].name


def test_a_cell_makes_what_it_lacks_and_outdates_the_table(
    experiment: Make, folder: SweepFolder, stub: str, trace: Callable[[], list[str]]
) -> None:
    assert folder.results.exists()
    assert cell.main([str(folder.root), _name(experiment), "--trainer", stub]) == 0
    assert trace() == ["tower", "features", "16x1", "16x1-quecc-1-0"]
    assert not folder.results.exists()
    assert len(read_table(folder.root)) == 8
    assert not list((folder.root / "locks").iterdir())
    assert cell.main([str(folder.root), _name(experiment), "--trainer", stub]) == 0
    assert len(trace()) == 4


def test_a_stage_can_be_made_by_its_name(experiment: Make, folder: SweepFolder, stub: str) -> None:
    tower = cells(experiment())[0].stages[0].name
    assert cell.main([str(folder.root), tower, "--trainer", stub]) == 0
    assert json.loads(folder.made(tower).read_text())["files"].keys() == {"tower.txt"}


def test_a_stage_with_one_flipped_bit_is_made_again(
    experiment: Make, folder: SweepFolder, stub: str, trace: Callable[[], list[str]]
) -> None:
    """Else what is trained from it would be another number, and look like any."""
    names = [c.name for c in cells(experiment())]
    assert cell.main([str(folder.root), names[0], "--trainer", stub]) == 0
    right = folder.cell(names[0]).read_bytes()
    made = folder.stage(cells(experiment())[0].stages[2].name) / "llm.txt"
    content = made.read_bytes()
    made.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    folder.cell(names[0]).unlink()
    assert cell.main([str(folder.root), names[0], "--trainer", stub]) == 0
    assert trace().count("16x1") == 2
    again = read_part(folder.cell(names[0]), names[0])
    folder.cell(names[0]).write_bytes(right)
    assert again.rows["error"] == read_part(folder.cell(names[0]), names[0]).rows["error"]
    assert made.read_bytes() == content


def test_a_cell_that_fails_says_so_and_a_success_takes_it_back(
    experiment: Make,
    folder: SweepFolder,
    stub: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("STUB_FAIL", "tower")
    assert cell.main([str(folder.root), _name(experiment), "--trainer", stub]) == 1
    assert "tower was told to fail" in capsys.readouterr().err
    assert "tower was told to fail" in json.loads(folder.failure(_name(experiment)).read_text())["reason"]
    monkeypatch.delenv("STUB_FAIL")
    assert cell.main([str(folder.root), _name(experiment), "--trainer", stub]) == 0
    assert not list((folder.root / "failed").iterdir())


def test_an_unknown_cell_or_folder_is_a_sentence(
    folder: SweepFolder, stub: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cell.main([str(folder.root), "nowhere", "--trainer", stub]) == 2
    assert "error: The experiment has no cell 'nowhere'.\n" in capsys.readouterr().out
    assert cell.main([str(tmp_path / "none"), "nowhere", "--trainer", stub]) == 2


@pytest.mark.parametrize(
    ("rows", "code"),
    [([], "no_rows"), ([{"task_family": "ocr", "error": float("nan")}], "not_finite"), ([{}], "not_finite")],
)
def test_what_is_no_measurement_is_no_row(
    experiment: Make, folder: SweepFolder, stub: str, rows: list[dict[str, Any]], code: str
) -> None:
    module = importlib.import_module(stub)
    train = types.SimpleNamespace(**{**vars(module), "run_cell": lambda *_, **__: rows})
    with pytest.raises(ScalelawError):
        cell.run(folder.root, _name(experiment), train)  # type: ignore[arg-type]
    assert json.loads(folder.failure(_name(experiment)).read_text())["code"] == code
    assert not folder.cell(_name(experiment)).exists()


def test_paths_in_an_experiment_hold_wherever_a_cell_runs(
    experiment: Make, stub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("'My own compressor.'\n")
    config = experiment(compressors=["./mine.py"], llms=["16x1"], visual_tokens=[4])
    run_sweep(config, "sweep", "inline", progress=Progress(), train=stub)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (name,) = [
        cell.name for cell in cells(experiment(**{**config.model_dump(), "compressors": ["../mine.py"]}))
    ]
    assert cell.run(tmp_path / "sweep", name, importlib.import_module(stub)).name == f"{name}.parquet"


def test_any_scheduler_can_run_cells_of_a_prepared_sweep(
    experiment: Make, stub: str, tmp_path: Path, trace: Callable[[], list[str]]
) -> None:
    folder = prepare_sweep(experiment(), tmp_path / "sweep", train=stub)
    grid, train = cells(experiment()), importlib.import_module(stub)
    assert trace() == []
    assert cell.run_one(folder.root, "2", train) == (grid[2].name, folder.cell(grid[2].name))
    assert cell.run_one(folder.root, grid[0].name, train)[0] == grid[0].name
    assert trace()[3:] == ["24x1-quecc-1-0", "16x1", "16x1-quecc-1-0"]
    result = run_sweep(experiment(), folder.root, "inline", progress=Progress(), train=stub)
    assert (len(result.skipped), len(result.done)) == (2, 2)


def test_an_impossible_cell_is_reported_to_the_scheduler(
    experiment: Make, stub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, train = prepare_sweep(experiment(), tmp_path / "sweep", train=stub), importlib.import_module(stub)
    for place, arguments, code in (
        (folder.root, "4", "unknown_cell"),
        (folder.root, "abc", "unknown_cell"),
        (tmp_path, "0", "no_sweep"),
    ):
        with pytest.raises(InputError) as caught:
            cell.run_one(place, arguments, train)
        assert caught.value.code == code
    monkeypatch.setenv("STUB_FAIL", "tower")
    with pytest.raises(FailedCells, match="tower was told to fail") as failed:
        cell.run_one(folder.root, "0", train)
    assert failed.value.exit_code == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_cell_that_is_asked_to_make_room_leaves_no_failure(
    experiment: Make, stub: str, tmp_path: Path, number: signal.Signals, trace: Callable[[], list[str]]
) -> None:
    folder = prepare_sweep(experiment(), tmp_path / "sweep", train=stub)
    name = cells(experiment())[0].name
    command = [sys.executable, "-m", "scalelaw.sweep.cell", str(folder.root), name, "--trainer", stub]
    process = subprocess.Popen(command, env={**os.environ, "STUB_SECONDS": "60"}, stdout=subprocess.DEVNULL)
    try:
        while "tower" not in trace():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(30) == 75
    finally:
        process.kill()
        process.wait()
    assert not (folder.root / "failed").exists()
    assert not list((folder.root / "locks").iterdir())
    assert cell.main([str(folder.root), name, "--trainer", stub]) == 0


def test_only_the_first_process_of_torchrun_writes(
    experiment: Make,
    stub: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trace: Callable[[], list[str]],
) -> None:
    folder = prepare_sweep(experiment(), tmp_path / "sweep", train=stub)
    name, train = cells(experiment())[0].name, importlib.import_module(stub)
    monkeypatch.setenv("RANK", "1")
    cell.run(folder.root, name, train)
    assert trace() == []
    monkeypatch.setattr(train, "DISTRIBUTED", True, raising=False)
    cell.run(folder.root, name, train)
    assert trace()[-1] == "16x1-quecc-1-0"
    assert not folder.cell(name).exists()
    monkeypatch.setenv("RANK", "0")
    cell.run(folder.root, name, train)
    assert folder.cell(name).exists()
