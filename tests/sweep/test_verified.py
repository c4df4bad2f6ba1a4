"""Parts and tables of a sweep that were edited, exchanged or replaced are never used, and always named."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalelaw.config import Experiment
from scalelaw.errors import InputError
from scalelaw.files.paths import SweepFolder, versions
from scalelaw.sweep import plan_sweep, run_sweep, sweep_status
from scalelaw.sweep.grid import cells
from scalelaw.sweep.outcome import SweepResult
from scalelaw.sweep.progress import Progress
from scalelaw.table.checksums import CHECKSUM, IDENTITY, read_part
from scalelaw.table.read import read_table, write_table

Make = Callable[..., Experiment]
Measured = Callable[[Path], pd.DataFrame]


def column(rows: pa.Table, name: str, values: Any) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), name, values)


EDITS: dict[str, Callable[[pa.Table], pa.Table]] = {
    "edited": lambda rows: column(rows, "error", pa.array([0.25] * len(rows))),
    "edited text": lambda rows: column(rows, "task_family", pa.array(["x"] * len(rows))),
    "lost a row": lambda rows: rows.slice(0, len(rows) - 1),
    "a row twice": lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]),
    "rows in another order": lambda rows: rows.take([1, 0]),
    "NaN": lambda rows: column(rows, "error", pa.array([float("nan")] * len(rows))),
    "null": lambda rows: column(rows, "error", pa.nulls(len(rows), pa.float64())),
    "text for numbers": lambda rows: column(rows, "error", rows["error"].cast(pa.string())),
    "a column lost": lambda rows: rows.drop_columns(["n_params"]),
    "no checksum, NaN": lambda rows: without_checksum(column(rows, "error", pa.array([float("nan")] * 2))),
    "no checksum, a row twice": lambda rows: without_checksum(pa.concat_tables([rows, rows.slice(0, 1)])),
    "no checksum, text": lambda rows: without_checksum(
        column(rows, "error", rows["error"].cast(pa.string()))
    ),
    "no notes": lambda rows: rows.replace_schema_metadata(None),
    "another identity": lambda rows: rows.replace_schema_metadata(
        {**(rows.schema.metadata or {}), IDENTITY.encode(): b"{}"}
    ),
}


def without_checksum(rows: pa.Table) -> pa.Table:
    notes = {k: v for k, v in (rows.schema.metadata or {}).items() if k != CHECKSUM.encode()}
    return rows.replace_schema_metadata(notes)


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the rows of a file in place, so that size and inode may stay; put its modification time back."""
    before = path.stat()
    beside = path.with_suffix(".new")
    pq.write_table(change(pq.read_table(path)), beside)
    path.write_bytes(beside.read_bytes())
    beside.unlink()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def folder(experiment: Make, stub: str, tmp_path: Path) -> SweepFolder:
    """A finished sweep of four cells, resumed once, so that its gathered table is in use."""
    for _ in range(2):
        again(experiment, stub, tmp_path)
    return SweepFolder(tmp_path / "sweep")


def again(experiment: Make, stub: str, tmp_path: Path) -> SweepResult:
    return run_sweep(experiment(), tmp_path / "sweep", "inline", progress=Progress(), train=stub)


def codes(result: Any) -> list[str]:
    return [code for code, _ in result.warnings]


@pytest.mark.parametrize("kind", EDITS)
def test_a_changed_part_is_set_aside_and_made_again(
    kind: str, experiment: Make, folder: SweepFolder, stub: str, tmp_path: Path, measured: Measured
) -> None:
    before, name = measured(folder.root), cells(experiment())[1].name
    rewritten(folder.cell(name), EDITS[kind])
    folder.results.unlink()
    with pytest.raises(InputError) as caught:
        read_table(folder.root)
    assert caught.value.code == "broken_part"
    assert not list(folder.cells.glob("*set-aside*"))  # reading a sweep writes nothing
    assert sweep_status(experiment(), folder.root).counts()["broken"] == 1
    result = again(experiment, stub, tmp_path)
    assert (codes(result), result.done) == (["broken_part"], (name,))
    assert len(list(folder.cells.glob("*set-aside*"))) == 1
    pd.testing.assert_frame_equal(measured(folder.root), before, check_exact=True)


def special(path: Path, kind: str) -> None:
    if path.is_dir():
        path.rename(path.with_name("moved"))
    else:
        path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
        (path / "kept").write_text("kept")
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("nowhere")
    else:
        with socket.socket(socket.AF_UNIX) as server:
            here = Path.cwd()
            os.chdir(path.parent)  # the name of a socket is short
            server.bind(path.name)
            os.chdir(here)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["folder", "FIFO", "link", "socket"])
@pytest.mark.parametrize(
    "place", ["part", "gathered", "results", "manifest", "made", "stage", "failure", "log", "saved"]
)
def test_a_special_file_is_named_and_ends_nothing(
    place: str,
    kind: str,
    experiment: Make,
    folder: SweepFolder,
    stub: str,
    tmp_path: Path,
    measured: Measured,
) -> None:
    cell, before = cells(experiment())[0], measured(folder.root)
    folder.cell(cell.name).unlink()  # so that its stages are needed
    path = {
        "part": folder.cell(cell.name),
        "gathered": folder.gathered,
        "results": folder.results,
        "manifest": folder.manifest,
        "made": folder.made(cell.stages[0].name),
        "stage": folder.stage(cell.stages[0].name),
        "failure": folder.failure(cell.name),
        "log": folder.log(cell.name),
        "saved": folder.saved(cell.name),
    }[place]
    path.parent.mkdir(exist_ok=True)
    special(path, kind)
    sweep_status(experiment(), folder.root)
    plan_sweep(experiment(), folder.root, "inline", train=stub)
    result = again(experiment, stub, tmp_path)
    named = [message for _, message in result.warnings if str(path) in message]
    assert len(named) == (place != "made" and not (place == "stage" and kind == "folder"))
    pd.testing.assert_frame_equal(measured(folder.root), before, check_exact=True)


@pytest.mark.parametrize(
    "kind", ["edited", "lost a row", "a row twice", "NaN", "no notes", "text for numbers"]
)
def test_a_changed_gathered_table_is_not_used(
    kind: str, experiment: Make, folder: SweepFolder, stub: str, tmp_path: Path, measured: Measured
) -> None:
    before = measured(folder.root)
    rewritten(folder.gathered, EDITS[kind])
    result = again(experiment, stub, tmp_path)
    assert (codes(result), len(result.skipped)) == (["broken_gathered"], 4)
    pd.testing.assert_frame_equal(measured(folder.root), before, check_exact=True)
    assert codes(again(experiment, stub, tmp_path)) == []


@pytest.mark.parametrize(
    "kind", ["edited", "lost a row", "a row twice", "NaN", "no notes", "text for numbers"]
)
def test_a_changed_table_of_a_sweep_is_refused_and_written_again(
    kind: str, experiment: Make, folder: SweepFolder, stub: str, tmp_path: Path, measured: Measured
) -> None:
    before = measured(folder.root)
    rewritten(folder.results, EDITS[kind])
    for source in (folder.root, folder.results):
        with pytest.raises(InputError) as caught:
            read_table(source)
        assert caught.value.code == "broken_part"
    again(experiment, stub, tmp_path)
    pd.testing.assert_frame_equal(measured(folder.root), before, check_exact=True)


def test_parts_of_an_older_version_have_no_checksum_and_are_used_with_one_warning(
    experiment: Make, folder: SweepFolder, stub: str, tmp_path: Path, measured: Measured
) -> None:
    before = measured(folder.root)
    for cell in cells(experiment())[:2]:
        rows = pq.read_table(folder.cell(cell.name)).to_pylist()
        write_table(rows, folder.cell(cell.name), {**versions(), IDENTITY: cell.identity})
    pq.write_table(without_checksum(pq.read_table(folder.results)), folder.results)
    pd.testing.assert_frame_equal(measured(folder.root), before, check_exact=True)
    result = again(experiment, stub, tmp_path)
    assert (codes(result), result.done) == (["unverified_part"], ())
    pd.testing.assert_frame_equal(measured(folder.root), before, check_exact=True)
    assert codes(again(experiment, stub, tmp_path)) == []


def test_a_part_of_another_cell_under_this_name_is_broken(
    experiment: Make, folder: SweepFolder, stub: str, tmp_path: Path, measured: Measured
) -> None:
    before = measured(folder.root)
    one, other = (folder.cell(cell.name) for cell in cells(experiment())[:2])
    one.write_bytes(other.read_bytes())
    result = again(experiment, stub, tmp_path)
    assert (codes(result), result.done) == (["broken_part"], (one.stem,))
    pd.testing.assert_frame_equal(measured(folder.root), before, check_exact=True)


def test_a_checksum_does_not_depend_on_columns_that_are_empty(experiment: Make, folder: SweepFolder) -> None:
    """So that columns can be added to the schema later."""
    path = folder.cell(cells(experiment())[0].name)
    rows = pq.read_table(path)
    empty = next(name for name in rows.column_names if rows[name].null_count == len(rows))
    notes = rows.schema.metadata
    pq.write_table(rows.drop_columns([empty]).replace_schema_metadata(notes), path)
    part = read_part(path, path.stem)
    assert part is not None
    assert part.checked
