"""Trackers hear a sweep's log where they are asked to; none is needed, and none can spoil a cell."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from scalelaw import cli
from scalelaw.config import Experiment
from scalelaw.errors import InputError, MissingDependency, Preempted
from scalelaw.files.paths import SweepFolder
from scalelaw.sweep import run_sweep, trackers
from scalelaw.sweep.grid import cells
from scalelaw.sweep.progress import Progress

KIT = """
import json
from pathlib import Path
OUT = Path({out!r})
def _say(*what):
    with OUT.open("a") as file:
        file.write(json.dumps(what) + "\\n")
class Run:
    def __init__(self, name): self.name = name
    def log(self, numbers):
        if {fails!r} and numbers["step"] > 1: raise OSError("no route to host")
        _say("log", self.name, numbers)
    def finish(self): _say("finish", self.name)
def init(project, name, config):
    _say("init", project, name, config)
    return Run(name)
"""


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[], list[list[object]]]]:
    """Install a module that is called as wandb and trackio are; returns what it has heard."""

    def install(name: str, fails: bool = False) -> Callable[[], list[list[object]]]:
        place, out = tmp_path / "kits", tmp_path / f"{name}.jsonl"
        place.mkdir(exist_ok=True)
        (place / f"{name}.py").write_text(KIT.format(out=str(out), fails=fails))
        monkeypatch.syspath_prepend(str(place))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return lambda: [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []

    return install


def sweep(config: Experiment, out: Path, stub: str) -> Path:
    run_sweep(config, out, "inline", progress=Progress(), train=stub)
    return out


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_tracker_hears_losses_and_scores_of_every_cell_and_stage(
    name: str, kit: Callable[..., Callable[[], list[list[object]]]], tmp_path: Path, stub: str,
    experiment: Callable[..., Experiment],
) -> None:  # fmt: skip
    heard = kit(name)
    config = experiment(llms=["16x1"], track=[name])
    sweep(config, tmp_path / "out", stub)
    begun = [line for line in heard() if line[0] == "init"]
    assert {line[1] for line in begun} == {"small"}
    named = {line[3]["cell"] for line in begun}  # type: ignore[index]
    assert {cell.name for cell in cells(config)} < named
    assert len(named) == 2 + 3  # two cells; a tower, its features, an LLM
    assert len([line for line in heard() if line[0] == "finish"]) == len(begun)
    for cell in cells(config):
        numbers = [line[2] for line in heard() if line[0] == "log" and str(line[1]).endswith(cell.name)]
        assert any("loss" in entry for entry in numbers)  # type: ignore[operator]
        assert any(str(key).startswith("error/") for key in numbers[-1])  # type: ignore[attr-defined]


def test_no_tracker_changes_a_result_or_a_name(
    kit: Callable[..., Callable[[], list[list[object]]]], tmp_path: Path, stub: str,
    experiment: Callable[..., Experiment], measured: Callable[[Path], pd.DataFrame],
) -> None:  # fmt: skip
    heard = kit("wandb")
    with_one = measured(sweep(experiment(track=["wandb"]), tmp_path / "with", stub))
    assert heard()
    pd.testing.assert_frame_equal(with_one, measured(sweep(experiment(), tmp_path / "without", stub)))


def test_one_that_fails_is_left_out_and_the_cell_goes_on(
    kit: Callable[..., Callable[[], list[list[object]]]], tmp_path: Path, stub: str,
    experiment: Callable[..., Experiment], measured: Callable[[Path], pd.DataFrame],
) -> None:  # fmt: skip
    kit("wandb", fails=True)
    config = experiment(llms=["16x1"], visual_tokens=[1], track=["wandb"])
    assert len(measured(sweep(config, tmp_path / "out", stub)))
    log = SweepFolder(tmp_path / "out").log(cells(config)[0].name).read_text().splitlines()
    lines = [line for line in map(json.loads, log) if line.get("event") == "tracker left out"]
    assert [line["reason"] for line in lines] == ["OSError: no route to host"]


class Ear:
    """A tracker that keeps what it hears, or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.heard: list[tuple[dict[str, float], int]] = []
        self.error = error

    def numbers(self, numbers: trackers.Numbers, step: int) -> None:
        if self.error:
            raise self.error
        self.heard.append((dict(numbers), step))

    def end(self) -> None:
        pass


def test_no_line_of_anothers_trainer_fails_a_cell_or_costs_a_tracker() -> None:
    calls: list[object] = []
    ear = Ear()
    for opened in ({}, {"ear": ear}):
        hears = trackers.Trackers(opened, lambda **facts: calls.append(facts))
        for step in ("3/10", None, float("nan"), 2):
            hears.line({"step": step, "loss": 1.5})
        hears.line({"step": 3, "loss": 10**400})
        hears.scores([{"benchmark": "a", "error": None}, {"benchmark": "b", "error": 0.25}])
    assert ear.heard == [({"loss": 1.5}, 2), ({"error/b": 0.25}, 3)]
    assert not calls


def test_to_be_asked_to_make_room_is_no_fault_of_a_tracker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Preempted("Asked.", code="preempted")
    with pytest.raises(Preempted):
        trackers.Trackers({"ear": Ear(stop)}, print).line({"step": 1, "loss": 1.5})

    def opening(*_: object) -> None:
        raise stop

    monkeypatch.setattr(trackers, "check", lambda stop: None)
    monkeypatch.setattr(trackers, "_TensorBoard", opening)
    with pytest.raises(Preempted):
        trackers.opened(["tensorboard"], SweepFolder(tmp_path), "p", "n", "l", print)


def test_one_that_cannot_be_opened_is_left_out(
    tmp_path: Path, stub: str, experiment: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch,
    measured: Callable[[Path], pd.DataFrame],
) -> None:  # fmt: skip
    """TensorBoard's own folder cannot be made."""
    monkeypatch.setattr(trackers, "check", lambda names: None)

    def none(*_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(trackers, "_TensorBoard", none)
    assert len(measured(sweep(experiment(track=["tensorboard"]), tmp_path / "out", stub)))


def test_tensorboard_has_a_run_for_every_cell(
    tmp_path: Path, stub: str, experiment: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for torch's own writer."""
    heard: list[tuple[object, ...]] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            self.folder = Path(folder)

        def add_scalar(self, *args: object) -> None:
            heard.append((self.folder.name, *args))

        def close(self) -> None:
            heard.append((self.folder.name, "closed"))

    made = ModuleType("torch.utils.tensorboard")
    made.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", made)
    monkeypatch.setattr(trackers, "check", lambda names: None)
    config = experiment(llms=["16x1"], visual_tokens=[1], track=["tensorboard"])
    sweep(config, tmp_path / "out", stub)
    (cell,) = cells(config)
    own = [line[1:] for line in heard if str(line[0]).endswith(cell.name)]
    assert "loss" in [line[0] for line in own]
    assert own[-1] == ("closed",)


def test_what_is_missing_is_named_before_anything_runs(
    tmp_path: Path, stub: str, experiment: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency) as caught:
        sweep(experiment(track=["wandb"]), tmp_path / "out", stub)
    assert "pip install 'scalelaw[track]'" in caught.value.hint
    with pytest.raises(InputError, match="wandb"):
        sweep(experiment(track=["wndb"]), tmp_path / "out", stub)
    assert not (tmp_path / "out").exists()
    (tmp_path / "e.yaml").write_text("question: '?'\nllms: [16x1]\nvisual_tokens: [1]\n")
    arguments = ["sweep", str(tmp_path / "e.yaml"), "--out", str(tmp_path / "out"), "--track", "tensorboard"]
    assert cli.main(arguments) == 5
    assert "pip install 'scalelaw[track]'" in capsys.readouterr().err


def test_a_folder_of_that_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights & Biases keeps its runs in a folder `wandb` where it is called."""
    (tmp_path / "wandb").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    with pytest.raises(MissingDependency):
        trackers.check(["wandb"])
