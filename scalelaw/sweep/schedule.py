"""The tasks of a sweep: missing cells and stages as tasks for an executor, and their outcome."""

from __future__ import annotations

import inspect
import signal
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

from scalelaw import plugins
from scalelaw.config import Experiment, Resources
from scalelaw.errors import InputError, Note, unknown
from scalelaw.files.paths import SweepFolder
from scalelaw.jobs.task import Finished, Needs, Task
from scalelaw.sweep.fingerprint import is_own_file
from scalelaw.sweep.grid import Cell, Stage, trainer
from scalelaw.sweep.locks import holder, is_held
from scalelaw.sweep.progress import Item, Progress
from scalelaw.sweep.resource_rules import needs_of
from scalelaw.sweep.run_log import Failure, now, read_failure
from scalelaw.sweep.stages import is_made
from scalelaw.sweep.trainer_call import halves_note


def missing_stages(folder: SweepFolder, missing: list[Cell]) -> list[Stage]:
    """The missing stages of these cells, each after the stages that it needs."""
    needed = {stage.name: stage for cell in missing for stage in cell.stages}
    return [stage for stage in needed.values() if not is_made(folder, stage)]


def predicted_flops(experiment: Experiment, cells: list[Cell], train: ModuleType) -> dict[str, float]:
    """The training FLOPs of cells by name; seeds do not change them."""
    known: dict[tuple[str, str, int], float] = {}
    for cell in cells:
        choice = (cell.llm, cell.compressor, cell.visual_tokens)
        if choice not in known:
            known[choice] = float(train.cell_flops(experiment, *choice))
    return {cell.name: known[cell.llm, cell.compressor, cell.visual_tokens] for cell in cells}


def tasks_for(
    folder: SweepFolder,
    experiment: Experiment,
    missing: list[Cell],
    train: str,
    flops: Mapping[str, float | None] | None = None,
) -> list[tuple[Task, Item]]:
    """Tasks with their display items: stages first, then cells from long to short.

    flops: of each cell, None where unknown; predicted if omitted.
    """
    tasks: dict[str, tuple[Task, Item]] = {}
    needs: dict[tuple[str, str], Needs] = {}

    def add(work: Stage | Cell, result: Path, before: tuple[Stage, ...], flops: float, *place: str) -> None:
        arguments = (str(folder.root.resolve()), work.name, "--trainer", train, *place)
        after = tuple(tasks[stage.name][0] for stage in before if stage.name in tasks)
        kind = work.kind if isinstance(work, Stage) else "cell"
        if (kind, work.llm) not in needs:
            needs[kind, work.llm] = needs_of(work, experiment.resources)
        task = Task(
            work.name,
            "scalelaw.sweep.cell",
            arguments,
            result,
            folder.output(work.name),
            after,
            (train,),
            needs[kind, work.llm],
            folder.saved(work.name),
        )
        tasks[work.name] = (task, Item(work.name, work.label, flops, folder.log(work.name)))

    for stage in missing_stages(folder, missing):
        add(stage, folder.made(stage.name), stage.after, 0.0)
    known = predicted_flops(experiment, missing, trainer(train)) if flops is None else flops
    lengths = {cell.name: known[cell.name] or 0.0 for cell in missing}
    for cell in sorted(missing, key=lambda cell: -lengths[cell.name]):
        add(cell, folder.cell(cell.name), cell.stages, lengths[cell.name], "--place", str(cell.place))
    return list(tasks.values())


def jobs_of(engine: ModuleType, jobs: int | None, settings: dict[str, Any]) -> int:
    """The number of parallel tasks: `jobs`, else the default of the executor, else 1."""
    if jobs is None:
        return int(engine.jobs_for(**settings)) if hasattr(engine, "jobs_for") else 1
    if jobs < 1:
        raise InputError(f"The number of jobs is {jobs}; it must be at least 1.", code="bad_value")
    return jobs


def settings_of(engine: ModuleType, executor: str, resources: Resources) -> dict[str, Any]:
    """The keyword arguments of an executor. Raises InputError for settings of an executor that takes none, or that does
    not exist."""
    known = plugins.names("executors")
    for name in resources.settings:
        if name not in known and name != executor and not is_own_file(name):
            raise unknown("executor in settings", name, known)
    settings = resources.settings.get(executor, {})
    if settings and "settings" not in inspect.signature(engine.run).parameters:
        raise InputError(f"The executor '{executor}' has no settings.", code="unknown_key")
    return {"settings": settings} if settings else {}


def asked_for(
    engine: ModuleType, tasks: list[Task], jobs: int, settings: dict[str, Any]
) -> list[dict[str, Any]]:
    """The requests for these tasks: those of the executor, else the number of tasks by needs."""
    if hasattr(engine, "asks"):
        requests: list[dict[str, Any]] = engine.asks(tasks, jobs=jobs, **settings)
        return requests
    return [{"tasks": count, **vars(needs)} for needs, count in Counter(t.needs for t in tasks).items()]


def do(
    folder: SweepFolder,
    engine: ModuleType,
    tasks: list[tuple[Task, Item]],
    jobs: int,
    settings: dict[str, Any],
    progress: Progress,
    warnings: list[Note],
) -> dict[str, str]:
    """Run the tasks. Returns the reason of each task without a result."""
    reasons = {task.name: "It was not run." for task, _ in tasks}
    for task, _ in tasks:
        folder.failure(task.name).unlink(missing_ok=True)
        halves_note(folder.saved(task.name)).unlink(missing_ok=True)
    with progress, closing(engine.run([task for task, _ in tasks], jobs=jobs, **settings)) as ends:
        items = {item.name: item for _, item in tasks}
        progress.begin(list(items.values()), jobs)
        for task, item in tasks:
            if is_held(lock := folder.lock_of(task.name)):
                progress.note(f"{item.label} is being made by {holder(lock)}; waiting for its result.")
        for end in ends:
            name = end.task.name
            if end.task.result.exists():
                reasons[name] = ""
            else:
                reasons[name] = _reason(folder, end, items, reasons, warnings)
            progress.end(items[name], reasons[name], end.seconds)
    return reasons


def _reason(
    folder: SweepFolder, end: Finished, items: dict[str, Item], reasons: dict[str, str], warnings: list[Note]
) -> str:
    """Why a task has no result: its own reason, a missing stage, or the end of its process."""
    if failure := read_failure(folder, end.task.name):
        return failure.reason
    code = "process_ended"
    if end.code is None:
        lacked = next(task.name for task in end.task.after if not task.result.exists())
        code, reason = "stage_failed", f"The stage it needs ({items[lacked].label}) failed: {reasons[lacked]}"
    elif end.reason:
        reason = end.reason
    elif end.code < 0:
        reason = f"Its process was ended by {signal.Signals(-end.code).name}."
    else:
        reason = f"Its process ended with code {end.code} and no result; see {end.task.output}."
    try:
        Failure(reason, code, now()).write(folder, end.task.name)
    except InputError as error:
        warnings.append((error.code, error.message))
    return reason
