"""How a sweep stands, told in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scalelaw import cli
from scalelaw.config import Experiment
from scalelaw.errors import FailedCells
from scalelaw.files.paths import SweepFolder
from scalelaw.sweep import run_sweep, sweep_status
from scalelaw.sweep.grid import cells
from scalelaw.sweep.locks import hold, is_held, only_runner
from scalelaw.sweep.progress import Progress

Make = Callable[..., Experiment]


def _run(config: Experiment, folder: Path, stub: str) -> None:
    run_sweep(config, folder, "inline", progress=Progress(), train=stub)


def test_what_is_done_running_failed_broken_and_missing(
    experiment: Make, stub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweep_status(experiment(), tmp_path).counts()["missing"] == 4
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("STUB_FAIL", "24x1-quecc-4-0")
    with pytest.raises(FailedCells):
        _run(experiment(), tmp_path, stub)
    folder, names = SweepFolder(tmp_path), [cell.name for cell in cells(experiment())]
    folder.cell(names[1]).write_bytes(b"half")
    folder.cell(names[2]).unlink()
    with hold(folder.lock_of(names[2])), only_runner(folder.lock):
        status = sweep_status(experiment(), tmp_path)
    assert [cell["state"] for cell in status.cells] == ["done", "broken", "running", "failed"]
    assert status.cells[3]["reason"] == "RuntimeError: 24x1-quecc-4-0 was told to fail"
    assert status.running
    assert not is_held(folder.lock)
    assert sweep_status(experiment(), tmp_path).counts()["missing"] == 1


def test_what_is_stale_and_why(experiment: Make, stub: str, tmp_path: Path) -> None:
    _run(experiment(llms=["24x1"], visual_tokens=[4, 16]), tmp_path, stub)
    changed = experiment(llms=["24x1"], visual_tokens=[4], recipe={"steps": 77, "clip": 2.0})
    why = {cell["cell"]: cell["why"] for cell in sweep_status(changed, tmp_path).stale}
    old = {cell.visual_tokens: cell.name for cell in cells(experiment(llms=["24x1"], visual_tokens=[4, 16]))}
    assert why == {
        old[4]: "recipe.clip was 1.0, is 2.0; recipe.steps was 400, is 77.",
        old[16]: "visual_tokens 16 is not in the experiment.",
    }
    other = experiment(llms=["24x1"], visual_tokens=[4], compressors=["average_pool"])
    assert {cell["why"] for cell in sweep_status(other, tmp_path).stale} >= {
        "compressor quecc is not in the experiment."
    }


def test_a_plug_in_that_changed_is_said(
    experiment: Make, stub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scalelaw.sweep import fingerprint

    config = experiment(llms=["24x1"], visual_tokens=[4])
    _run(config, tmp_path, stub)
    real = fingerprint.plugin_content
    monkeypatch.setattr(
        fingerprint,
        "plugin_content",
        lambda package, name: {name: ["0"]} if package == "compressors" else real(package, name),
    )
    (stale,) = sweep_status(config, tmp_path).stale
    assert stale["why"] == "a file of compressor.quecc has changed."


def test_a_sweeps_folder_stands_for_its_experiment(
    experiment: Make,
    stub: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STUB_FAIL", "24x1-quecc-4-0")
    with pytest.raises(FailedCells):
        _run(experiment(track=[]), tmp_path / "out", stub)
    assert cli.main(["sweep", str(tmp_path / "out"), "--status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "4 cells: 3 done, 1 failed"
    assert lines[1].endswith("24x1 quecc V=4 seed 0: RuntimeError: 24x1-quecc-4-0 was told to fail")
    (tmp_path / "empty").mkdir()
    assert cli.main(["sweep", str(tmp_path / "empty"), "--status"]) == 2
