"""The program of one cell: it makes what the cell needs, trains it, scores it and writes its rows.

    python -m scalelaw.sweep.cell FOLDER NAME

FOLDER is a sweep folder and NAME one of its cells or stages.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from scalelaw.config import Experiment, read_experiment
from scalelaw.errors import FailedCells, InputError, Preempted, ScalelawError
from scalelaw.files.paths import SweepFolder, versions
from scalelaw.files.safe_text import say
from scalelaw.jobs import preemption
from scalelaw.sweep import fingerprint, stages, trainer_call
from scalelaw.sweep.grid import TRAINER, Cell, Stage, find, trainer
from scalelaw.sweep.locks import hold
from scalelaw.sweep.parts import BrokenPart, read_part, set_aside, write_part
from scalelaw.sweep.run_log import attempt, read_failure
from scalelaw.table.read import stated_cells


def run(root: str | Path, name: str, train: ModuleType | None = None, place: int | None = None) -> Path:
    """Make the result of one cell or stage of the sweep in `root`, unless it exists. Returns its path.

    train: the module that trains; by default `scalelaw.vlm.stages`. place: see `grid.find`.
    Uses one thread, so that the result does not depend on the machine. A failure is raised, and its reason is written
    to the folder; a success removes an older reason.
    Raises InputError for a name that the experiment does not have.
    """
    folder = SweepFolder(Path(root))
    folder.check()
    experiment = _experiment(folder.experiment)
    work = find(experiment, name, place)
    train = train or trainer()
    with _one_thread():
        if isinstance(work, Stage):
            return stages.make(folder, work, train)
        shares = getattr(train, "DISTRIBUTED", False)
        # a trainer that can tell the other processes whether the first one trains, or finds the cell finished
        together = shares and hasattr(train, "begins") and int(os.environ.get("WORLD_SIZE", "1")) > 1
        if together:
            train.join()
        if int(os.environ.get("RANK", "0")):
            if shares and (train.begins(name) if together else not _is_done(folder, name)):
                _help(folder, work, train)
            return folder.cell(name)
        with hold(folder.lock_of(name)):
            done = _is_done(folder, name)
            if together:
                train.announce(name, not done)
            if not done:
                _train(folder, work, train, experiment.name)
        return folder.cell(name)


def run_one(root: str | Path, cell: str, train: ModuleType | None = None) -> tuple[str, Path]:
    """Make one cell or stage by its name, or a cell by its index (0, 1, ...), as a job of a scheduler.

    Returns its name and the path of its result. Raises FailedCells with the reason if it fails, Preempted after a
    preemption signal, and InputError for a folder without a sweep or an unknown cell.
    """
    folder = SweepFolder(Path(root))
    if cell.isdigit() and len(cell) < fingerprint.LENGTH:
        try:
            names = stated_cells(folder)[1]
        except InputError as error:
            raise InputError(
                f"{root} is not a sweep folder.",
                code="no_sweep",
                hint="Create one with scalelaw sweep --prepare.",
            ) from error
        if int(cell) >= len(names):
            raise InputError(
                f"There is no cell {cell}; the sweep has {len(names)} cells.", code="unknown_cell"
            )
        name, place = names[int(cell)], int(cell)
    else:
        name, place = cell, None
    try:
        with preemption.heard():
            return name, run(root, name, train, place)
    except (InputError, Preempted):
        raise
    except Exception as error:
        failure = read_failure(folder, name)
        reason = failure.reason if failure else f"{type(error).__name__}: {error}"
        raise FailedCells(f"Cell {name} failed: {reason}", code="failed_cells") from error


def _train(folder: SweepFolder, cell: Cell, train: ModuleType, experiment: str) -> None:
    with attempt(folder, cell.name, cell.label, cell.full_experiment) as log:
        made = {stage.kind: stages.make(folder, stage, train) for stage in cell.stages}
        start = log.seconds
        rows = _rows(cell, train, made, folder.saved(cell.name), log)
        facts = {"experiment": experiment, "started_at": log.started_at, "seconds": log.seconds - start}
        folder.results.unlink(missing_ok=True)  # it is older than this part
        write_part(folder, cell, rows, facts)
        folder.saved(cell.name).unlink(missing_ok=True)
        trainer_call.halves_note(folder.saved(cell.name)).unlink(missing_ok=True)
        log.scores(rows)


def _help(folder: SweepFolder, cell: Cell, train: ModuleType) -> None:
    """The work of a torchrun process with rank above 0, once the first has begun: only that one writes."""
    made = {stage.kind: stages.make(folder, stage, train) for stage in cell.stages}
    _rows(cell, train, made, folder.saved(cell.name), lambda *facts, **more: None)


def _rows(
    cell: Cell, train: ModuleType, made: dict[str, Path], saved: Path, log: Any
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = trainer_call.call(
        partial(train.run_cell, log=log),
        cell.experiment,
        llm=cell.llm,
        compressor=cell.compressor,
        visual_tokens=cell.visual_tokens,
        seed=cell.seed,
        tower=made["tower"],
        features=made["features"],
        llm_folder=made["llm"],
        saved=saved,
        log=log,
    )
    return rows


def _experiment(path: Path) -> Experiment:
    """The experiment of a sweep; a file that has not changed is not read again."""
    try:
        stat = path.stat()
    except OSError:
        return read_experiment(path)  # raises the error
    return _read(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=1)
def _read(path: Path, *_: int) -> Experiment:
    return read_experiment(path)


def _is_done(folder: SweepFolder, name: str) -> bool:
    try:
        return read_part(folder.cell(name), name) is not None
    except BrokenPart:
        set_aside(folder.cell(name))
        return False


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread in torch, if it is imported."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def prepare(arguments: list[str]) -> None:
    """The part of `main` that is the same for every cell; a fork server does it once."""
    _experiment(SweepFolder(Path(_parse(arguments).folder)).experiment)
    versions()


def main(arguments: list[str]) -> int:
    """Run one cell. Returns 0, or the exit code of the failure; its reason is in the sweep folder."""
    options = _parse(arguments)
    try:
        with preemption.heard():
            run(options.folder, options.name, trainer(options.trainer), options.place)
    except ScalelawError as error:
        say(f"error: {error.message}\n  {error.hint}".rstrip())
        return error.exit_code
    except Exception:  # noqa: BLE001 - the reason is written; repeat it in the output
        traceback.print_exc()
        return 1
    return 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scalelaw.sweep.cell", description="Run one cell of a sweep."
    )
    parser.add_argument("folder", help="the sweep folder")
    parser.add_argument("name", help="the cell")
    parser.add_argument("--trainer", default=TRAINER, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
