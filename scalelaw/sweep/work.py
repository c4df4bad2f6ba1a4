"""The tasks of a sweep: what is missing as work for an executor, and what became of it."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path
from types import ModuleType

from scalelaw.config import Experiment
from scalelaw.errors import InputError
from scalelaw.files import SweepFolder
from scalelaw.sweep.attempts import Failure, now, read_failure
from scalelaw.sweep.grid import Cell, Stage, trainer
from scalelaw.sweep.progress import Item, Progress
from scalelaw.sweep.stages import is_made
from scalelaw.tasks import Finished, Task

Warnings = list[tuple[str, str]]


def missing_stages(folder: SweepFolder, missing: list[Cell]) -> list[Stage]:
    """The stages that these cells need and that are not there, each after those that it needs."""
    needed = {stage.name: stage for cell in missing for stage in cell.stages}
    return [stage for stage in needed.values() if not is_made(folder, stage)]


def predicted_flops(experiment: Experiment, cell: Cell, train: ModuleType) -> float:
    return float(train.cell_flops(experiment, cell.llm, cell.compressor, cell.visual_tokens))


def tasks_for(
    folder: SweepFolder, experiment: Experiment, missing: list[Cell], train: str
) -> list[tuple[Task, Item]]:
    """What is to be done and how it is shown: the stages, then the cells, the longest first."""
    tasks: dict[str, tuple[Task, Item]] = {}

    def add(work: Stage | Cell, result: Path, needs: tuple[Stage, ...], flops: float) -> None:
        arguments = (str(folder.root), work.name, "--trainer", train)
        after = tuple(tasks[stage.name][0] for stage in needs if stage.name in tasks)
        task = Task(
            work.name, "scalelaw.sweep.cell", arguments, result, folder.output(work.name), after, (train,)
        )
        tasks[work.name] = (task, Item(work.name, work.label, flops, folder.log(work.name)))

    for stage in missing_stages(folder, missing):
        add(stage, folder.made(stage.name), stage.after, 0.0)
    flops = {cell.name: predicted_flops(experiment, cell, trainer(train)) for cell in missing}
    for cell in sorted(missing, key=lambda cell: -flops[cell.name]):
        add(cell, folder.cell(cell.name), cell.stages, flops[cell.name])
    return list(tasks.values())


def do(
    folder: SweepFolder,
    engine: ModuleType,
    tasks: list[tuple[Task, Item]],
    jobs: int,
    progress: Progress,
    warnings: Warnings,
) -> dict[str, str]:
    """Have the tasks done. Returns why those that have no result have none."""
    reasons = {task.name: "It was never run." for task, _ in tasks}
    for task, _ in tasks:
        folder.failure(task.name).unlink(missing_ok=True)
    with progress, closing(engine.run([task for task, _ in tasks], jobs=jobs)) as ends:
        items = {item.name: item for _, item in tasks}
        progress.begin(list(items.values()), jobs)
        for end in ends:
            name = end.task.name
            if end.task.result.exists():
                reasons[name] = ""
            else:
                reasons[name] = _reason(folder, end, items, reasons, warnings)
            progress.end(items[name], reasons[name], end.seconds)
    return reasons


def _reason(
    folder: SweepFolder, end: Finished, items: dict[str, Item], reasons: dict[str, str], warnings: Warnings
) -> str:
    """Why a task has no result: what it says itself, what it lacked, or how its process ended."""
    if said := read_failure(folder, end.task.name):
        return said.reason
    code = "process_ended"
    if end.code is None:
        lacked = next(task.name for task in end.task.after if not task.result.exists())
        code, reason = "stage_failed", f"The {items[lacked].label} it needs failed: {reasons[lacked]}"
    elif end.code < 0:
        reason = f"Its process was ended by {signal.Signals(-end.code).name}."
    else:
        reason = f"Its process ended with code {end.code} and no result; see {end.task.output}."
    try:
        Failure(reason, code, now()).write(folder, end.task.name)
    except InputError as error:
        warnings.append((error.code, error.message))
    return reason
