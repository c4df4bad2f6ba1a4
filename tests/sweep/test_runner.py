"""The runner: only what is missing is made, and the table is the same whatever happened on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from scalelaw.config import Experiment, read_experiment
from scalelaw.errors import FailedCells, InputError
from scalelaw.files.paths import SweepFolder
from scalelaw.sweep import SweepResult, plan_sweep, run_sweep
from scalelaw.sweep.grid import cells
from scalelaw.sweep.locks import hold, only_runner
from scalelaw.sweep.progress import Progress
from scalelaw.table.read import read_table

Make = Callable[..., Experiment]
Measured = Callable[[Path], pd.DataFrame]
Trace = Callable[[], list[str]]


@pytest.fixture
def sweep(stub: str, tmp_path: Path) -> Callable[..., SweepResult]:
    """Run a sweep in this process, unless told otherwise."""

    def run(experiment: Experiment, out: Path = tmp_path / "sweep", **options: Any) -> SweepResult:
        return run_sweep(
            experiment, out, **{"executor": "inline", "progress": Progress(), "train": stub} | options
        )

    return run


Sweep = Callable[..., SweepResult]


def test_local_and_inline_give_the_same_table(
    experiment: Make, sweep: Sweep, measured: Measured, tmp_path: Path
) -> None:
    local = sweep(experiment(), tmp_path / "local", executor="local", jobs=2)
    sweep(experiment(), tmp_path / "inline")
    table = measured(tmp_path / "local")
    assert len(local.done) == 4
    assert local.skipped == ()
    assert local.failed == {}
    assert list(table["cell"]) == [cell.name for cell in cells(experiment()) for _ in range(2)]
    assert list(table["task_family"][:2]) == ["ocr", "reasoning"]
    assert set(table["experiment"]) == {"small"}
    pd.testing.assert_frame_equal(table, measured(tmp_path / "inline"), check_exact=True)


@pytest.mark.parametrize("executor", ["slurm", "ray"])
def test_a_cluster_gives_the_same_table(
    experiment: Make,
    sweep: Sweep,
    measured: Measured,
    tmp_path: Path,
    executor: str,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue({"slurm": "slurm", "ray": "ray_here"}[executor])
    settings = {"slurm": {"poll_s": 0.2}, "ray": {"cpus": 4}}
    rules = [{"work": "cell", "cells_per_job": 3}]
    config = experiment(resources={"rules": rules, "settings": settings})
    assert len(sweep(config, tmp_path / "there", executor=executor).done) == 4
    sweep(experiment(), tmp_path / "here")
    pd.testing.assert_frame_equal(measured(tmp_path / "there"), measured(tmp_path / "here"), check_exact=True)


def test_a_second_run_makes_nothing_and_gives_the_same_table(
    experiment: Make, sweep: Sweep, trace: Trace
) -> None:
    first = sweep(experiment())
    assert first.table is not None
    table, begun = first.table.read_bytes(), trace()
    assert sorted(begun)[-3:] == ["24x1-quecc-4-0", "features", "tower"]
    second = sweep(experiment())
    assert trace() == begun
    assert (second.done, len(second.skipped)) == ((), 4)
    assert second.table is not None
    assert second.table.read_bytes() == table


def test_what_killed_writers_left_is_removed_but_not_from_under_one_who_writes(
    experiment: Make, sweep: Sweep, tmp_path: Path
) -> None:
    folder, names = SweepFolder(tmp_path / "sweep"), [cell.name for cell in cells(experiment())]
    sweep(experiment())
    left, kept = (
        [folder.cells / f".{name}.parquet.a1b2.part", folder.saved(name).parent / f".{name}.pt.a1b2.part"]
        for name in names[:2]
    )
    folder.saved(names[2]).parent.mkdir(exist_ok=True)  # the stub saves nothing
    folder.saved(names[2]).write_bytes(b"what it knows")
    for path in (*left, *kept):
        path.write_bytes(b"half")
    with hold(folder.lock_of(names[1])):
        sweep(experiment())
    assert [path.exists() for path in (*left, *kept, folder.saved(names[2]))] == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_stages_come_first_and_the_longest_cells_next(experiment: Make, sweep: Sweep, trace: Trace) -> None:
    sweep(experiment())
    cell = "{}-quecc-{}-0".format
    stages, done = ["tower", "features", "16x1", "24x1"], [("24x1", 4), ("16x1", 4), ("24x1", 1), ("16x1", 1)]
    assert trace() == stages + [cell(*c) for c in done]


def test_an_edit_adds_cells_and_leaves_the_others_alone(
    experiment: Make, sweep: Sweep, trace: Trace, measured: Measured, tmp_path: Path
) -> None:
    sweep(experiment())
    before, begun = measured(tmp_path / "sweep"), len(trace())
    wider = experiment(visual_tokens=[4, 16], question="more?", name="wider")
    result = sweep(wider)
    assert sorted(trace()[begun:]) == ["16x1-quecc-16-0", "24x1-quecc-16-0"]
    assert [code for code, _ in result.warnings] == ["cells_left_out"]
    assert "2 finished cell(s)" in result.warnings[0][1]
    after = measured(tmp_path / "sweep")
    assert sorted(after["visual_tokens"].unique()) == [4, 16]
    assert set(after["experiment"]) == {"wider"}
    kept = before[before["visual_tokens"] == 4].drop(columns="experiment").reset_index(drop=True)
    again = after[after["visual_tokens"] == 4].drop(columns="experiment").reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, again, check_exact=True)
    assert len(list(SweepFolder(tmp_path / "sweep").cells.glob("*.parquet"))) == 6
    assert sweep(experiment()).done == ()
    pd.testing.assert_frame_equal(before, measured(tmp_path / "sweep"), check_exact=True)


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_a_cell_that_fails_leaves_a_reason_and_no_row(
    experiment: Make,
    sweep: Sweep,
    executor: str,
    measured: Measured,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("STUB_FAIL", "24x1-quecc-4-0")
    with pytest.raises(
        FailedCells, match="1 of 4 cells failed; the first, 24x1 quecc V=4 seed 0: Run"
    ) as caught:
        sweep(experiment(), executor=executor, jobs=2)
    error, bad = caught.value, cells(experiment())[3].name
    assert (error.exit_code, error.code) == (4, "failed_cells")
    assert error.best["failed"] == {bad: "RuntimeError: 24x1-quecc-4-0 was told to fail"}
    assert len(error.best["done"]) == 3
    folder = SweepFolder(tmp_path / "sweep")
    why = json.loads(folder.failure(bad).read_text())
    assert why["reason"] == "RuntimeError: 24x1-quecc-4-0 was told to fail"
    assert why["code"] == "crashed"
    assert "run_cell" in why["traceback"]
    assert why["started_at"].endswith("+00:00")
    assert not folder.cell(bad).exists()
    assert bad not in set(measured(folder.root)["cell"])

    monkeypatch.delenv("STUB_FAIL")
    result = sweep(experiment(), executor=executor, jobs=2)
    assert result.done == (bad,)
    assert not folder.failure(bad).exists()
    sweep(experiment(), tmp_path / "undisturbed")
    pd.testing.assert_frame_equal(measured(folder.root), measured(tmp_path / "undisturbed"), check_exact=True)


def test_a_process_that_just_ends_is_a_failure(
    experiment: Make, sweep: Sweep, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STUB_EXIT", "16x1-quecc-1-0")
    with pytest.raises(FailedCells) as caught:
        sweep(experiment(llms=["16x1"]), executor="local", jobs=2)
    (name, reason), *others = caught.value.best["failed"].items()
    assert others == []
    assert reason.startswith("Its process ended with code 7 and no result")
    assert json.loads(SweepFolder(tmp_path / "sweep").failure(name).read_text())["code"] == "process_ended"


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_a_stage_that_fails_fails_its_cells_alone_and_once(
    experiment: Make,
    sweep: Sweep,
    trace: Trace,
    executor: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("STUB_FAIL", "16x1")
    with pytest.raises(FailedCells) as caught:
        sweep(experiment(), executor=executor, jobs=2)
    reason = "The stage it needs (LLM 16x1, trained on text) failed: RuntimeError: 16x1 was told to fail"
    assert list(caught.value.best["failed"].values()) == [reason, reason]
    assert len(caught.value.best["done"]) == 2
    assert trace().count("16x1") == 1
    folder = SweepFolder(tmp_path / "sweep")
    assert not [
        path for path in folder.stages.iterdir() if path.name == cells(experiment())[0].stages[2].name
    ]
    monkeypatch.delenv("STUB_FAIL")
    assert len(sweep(experiment(), executor=executor, jobs=2).done) == 2


def test_no_cell_done_is_no_table(
    experiment: Make, sweep: Sweep, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STUB_FAIL", "tower")
    with pytest.raises(FailedCells) as caught:
        sweep(experiment())
    assert caught.value.best["table"] is None
    assert not SweepFolder(tmp_path / "sweep").results.exists()
    with pytest.raises(InputError, match="no finished cell"):
        read_table(tmp_path / "sweep")


def _truncate(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _empty(path: Path, other: Path) -> None:
    path.write_bytes(b"")


def _flip_a_bit(path: Path, other: Path) -> None:
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(bytes(content))


def _put_another(path: Path, other: Path) -> None:
    path.write_bytes(other.read_bytes())


@pytest.mark.parametrize("harm", [_truncate, _empty, _flip_a_bit, _put_another])
def test_a_part_that_cannot_be_believed_is_said_set_aside_and_made_again(
    experiment: Make,
    sweep: Sweep,
    trace: Trace,
    measured: Measured,
    tmp_path: Path,
    harm: Callable[[Path, Path], None],
) -> None:
    sweep(experiment())
    folder, (bad, other, *_) = SweepFolder(tmp_path / "sweep"), [cell.name for cell in cells(experiment())]
    before, begun = measured(folder.root), len(trace())
    harm(folder.cell(bad), folder.cell(other))
    result = sweep(experiment())
    assert result.done == (bad,)
    assert [code for code, _ in result.warnings] == ["broken_part"]
    assert f"{bad}.parquet is set aside and made again: it " in result.warnings[0][1]
    assert trace()[begun:] == ["16x1-quecc-1-0"]
    assert [path.name for path in folder.cells.glob("*.set-aside-*")] == [f"{bad}.parquet.set-aside-0"]
    pd.testing.assert_frame_equal(before, measured(folder.root), check_exact=True)
    assert sweep(experiment()).warnings == ()


def test_a_stage_that_is_not_whole_is_made_again(
    experiment: Make, sweep: Sweep, trace: Trace, tmp_path: Path
) -> None:
    sweep(experiment())
    folder, cell = SweepFolder(tmp_path / "sweep"), cells(experiment())[0]
    (folder.stage(cell.stages[2].name) / "llm.txt").write_text("half")
    folder.made(cell.stages[1].name).unlink()
    folder.cell(cell.name).unlink()
    begun = len(trace())
    sweep(experiment())
    assert sorted(trace()[begun:]) == ["16x1", "16x1-quecc-1-0", "features"]


def test_stages_of_finished_cells_are_not_made_again(
    experiment: Make, sweep: Sweep, trace: Trace, tmp_path: Path
) -> None:
    import shutil

    sweep(experiment())
    begun = trace()
    shutil.rmtree(SweepFolder(tmp_path / "sweep").stages)
    sweep(experiment())
    assert trace() == begun


def test_a_second_runner_is_turned_away(experiment: Make, sweep: Sweep, tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    with (
        only_runner(folder.lock),
        pytest.raises(InputError, match=r"A sweep is running in .* \(process \d+ on") as caught,
    ):
        sweep(experiment())
    assert caught.value.code == "sweep_running"
    assert len(sweep(experiment()).done) == 4


def test_a_plan_writes_nothing_and_knows_what_is_done(
    experiment: Make, sweep: Sweep, stub: str, tmp_path: Path
) -> None:
    plan = plan_sweep(experiment(), tmp_path / "new", train=stub)
    assert not (tmp_path / "new").exists()
    assert [cell["train_flops"] for cell in plan.cells] == [16e6, 64e6, 24e6, 96e6]
    assert not any(cell["done"] for cell in plan.cells)
    assert len(plan.stages) == 4
    sweep(experiment(visual_tokens=[4]), tmp_path / "new")
    plan = plan_sweep(experiment(), tmp_path / "new", train=stub)
    assert [cell["done"] for cell in plan.cells] == [False, True, False, True]
    assert plan.stages == ()
    assert json.loads(json.dumps(plan.to_dict()))["cells"][0]["llm"] == "16x1"


def test_token_counts_that_a_compressor_cannot_give_are_refused_before_anything_is_written(
    experiment: Make, sweep: Sweep, stub: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="does not support 5 visual tokens") as caught:
        sweep(experiment(visual_tokens=[1, 5]))
    assert caught.value.code == "tokens_not_allowed"
    assert caught.value.hint == "Supported: 64, 16, 4, 1."
    with pytest.raises(InputError, match="does not support 5"):
        plan_sweep(experiment(visual_tokens=[1, 5]), tmp_path / "sweep", train=stub)
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [({"executor": "slurmm"}, "unknown_executor"), ({"jobs": 0}, "bad_value")],
)
def test_what_cannot_be_asked_of_the_runner(
    experiment: Make, sweep: Sweep, options: dict[str, Any], code: str
) -> None:
    with pytest.raises(InputError) as caught:
        sweep(experiment(), **options)
    assert caught.value.code == code


def test_a_folder_that_cannot_be_written_is_a_sentence(
    experiment: Make, sweep: Sweep, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write") as caught:
        sweep(experiment(), tmp_path / "file" / "sweep")
    assert caught.value.code == "cannot_write"


def test_the_folder_says_what_it_holds(experiment: Make, sweep: Sweep, tmp_path: Path) -> None:
    config = experiment(recipe={"learning_rate": 1e-5})
    result = sweep(config)
    folder = SweepFolder(tmp_path / "sweep")
    assert read_experiment(folder.experiment) == config
    assert json.loads(folder.manifest.read_text())["cells"] == [cell.name for cell in cells(config)]
    cell = cells(config)[0]
    notes = pq.read_metadata(folder.cell(cell.name)).metadata
    assert notes[b"scalelaw.schema"] == b"1"
    assert notes[b"scalelaw.identity"].decode() == cell.identity
    assert b"scalelaw.version" in notes
    lines = [json.loads(line) for line in folder.log(cell.name).read_text().splitlines()]
    assert lines[0]["event"] == "start"
    assert [line["loss"] for line in lines[1:]] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    answer = json.loads(result.to_json())
    assert answer["schema"] == "scalelaw.sweep/1"
    assert answer["data"]["table"] == str(folder.results)


def test_while_a_sweep_has_no_table_its_parts_are_read(
    experiment: Make, sweep: Sweep, measured: Measured, tmp_path: Path
) -> None:
    sweep(experiment(visual_tokens=[1, 4, 16]))
    sweep(experiment(name="fewer"))
    folder = SweepFolder(tmp_path / "sweep")
    whole = measured(folder.root)
    folder.results.unlink()
    pd.testing.assert_frame_equal(measured(folder.root), whole, check_exact=True)
    folder.cell(cells(experiment())[0].name).unlink()
    assert len(measured(folder.root)) == len(whole) - 2
    folder.manifest.write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        read_table(folder.root)


@pytest.mark.parametrize("name", ["experiment.yaml", "cells.json"])
def test_files_of_the_user_in_the_folder_are_not_overwritten(
    name: str, experiment: Make, sweep: Sweep, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    own = tmp_path / "mine" / name
    own.write_text("precious: 1\n")
    with pytest.raises(InputError) as caught:
        sweep(experiment(), tmp_path / "mine")
    assert caught.value.code == "not_ours"
    assert own.read_text() == "precious: 1\n"
    assert [path.name for path in own.parent.iterdir()] == [name]
