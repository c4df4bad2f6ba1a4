"""One cell, from nothing to its rows: what a process of a sweep runs.

    python -m scalelaw.sweep.cell FOLDER NAME

FOLDER is a sweep's folder and NAME one of its cells or stages. What it needs and does not find, it makes.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from scalelaw.config import read_experiment
from scalelaw.errors import ScalelawError
from scalelaw.files import SweepFolder
from scalelaw.sweep import stages
from scalelaw.sweep.attempts import attempt
from scalelaw.sweep.grid import TRAINER, Cell, Stage, find, trainer
from scalelaw.sweep.locks import turn
from scalelaw.sweep.parts import BrokenPart, read_part, set_aside, write_part


def run(root: str | Path, name: str, train: ModuleType | None = None) -> Path:
    """Make the result of one cell (or one stage) of the sweep in `root`, unless it is there. Returns where it lies.

    train: the module that trains; by default `scalelaw.vlm.train`. One thread, so that the result does not depend
    on the machine. A failure leaves its reason in the folder and is raised; a success removes an older reason.
    Raises InputError for a name that the sweep's experiment does not have.
    """
    folder = SweepFolder(Path(root))
    experiment = read_experiment(folder.experiment)
    work = find(experiment, name)
    train = train or trainer()
    with _one_thread():
        if isinstance(work, Stage):
            return stages.make(folder, work, train)
        with turn(folder.turn(name)):
            if not _is_done(folder, name):
                _train(folder, work, train, experiment.name)
        return folder.cell(name)


def _train(folder: SweepFolder, cell: Cell, train: ModuleType, experiment: str) -> None:
    with attempt(folder, cell.name, cell.label) as log:
        made = {stage.kind: stages.make(folder, stage, train) for stage in cell.stages}
        start = log.seconds
        rows = train.run_cell(
            cell.experiment,
            llm=cell.llm,
            compressor=cell.compressor,
            visual_tokens=cell.visual_tokens,
            seed=cell.seed,
            tower=made["tower"],
            features=made["features"],
            llm_folder=made["llm"],
            log=log,
        )
        facts = {"experiment": experiment, "started_at": log.started_at, "seconds": log.seconds - start}
        for leftover in folder.cells.glob(f".{cell.name}.*.part"):  # of a process that died while it wrote
            leftover.unlink()
        folder.results.unlink(missing_ok=True)  # it would be older than this part
        write_part(folder, cell, rows, facts)


def _is_done(folder: SweepFolder, name: str) -> bool:
    try:
        return read_part(folder.cell(name), name) is not None
    except BrokenPart:
        set_aside(folder.cell(name))
        return False


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch, if it is loaded."""
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


def main(arguments: list[str]) -> int:
    """Run one cell. Returns 0, or the exit code of what went wrong, which stands in the sweep's folder."""
    parser = argparse.ArgumentParser(
        prog="python -m scalelaw.sweep.cell", description="Run one cell of a sweep."
    )
    parser.add_argument("folder", help="the sweep's folder")
    parser.add_argument("name", help="the cell")
    parser.add_argument("--trainer", default=TRAINER, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    try:
        run(given.folder, given.name, trainer(given.trainer))
    except ScalelawError as error:
        print(f"error: {error.message}\n  {error.hint}".rstrip())
        return error.exit_code
    except Exception:  # noqa: BLE001 - its reason is on record; its process says it once more, to its output
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
