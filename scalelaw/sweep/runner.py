"""The runner of a sweep: it finds the missing cells, runs them on an executor and writes the table."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from scalelaw import plugins
from scalelaw.config import Experiment
from scalelaw.errors import FailedCells, InputError, Note
from scalelaw.files.paths import SweepFolder, write_text
from scalelaw.results.envelope import dumps
from scalelaw.sweep import trackers
from scalelaw.sweep.fingerprint import is_own_file
from scalelaw.sweep.grid import TRAINER, Cell, cells, check_tokens, trainer
from scalelaw.sweep.locks import is_held, only_runner
from scalelaw.sweep.outcome import SweepPlan, SweepResult
from scalelaw.sweep.part_index import Gathered, gather
from scalelaw.sweep.parts import set_aside, set_aside_special, write_results
from scalelaw.sweep.progress import Progress, for_this_terminal
from scalelaw.sweep.schedule import (
    asked_for,
    do,
    jobs_of,
    missing_stages,
    predicted_flops,
    settings_of,
    tasks_for,
)
from scalelaw.table.read import stated_cells


def plan_sweep(
    experiment: Experiment,
    out: str | Path,
    executor: str = "local",
    jobs: int | None = None,
    *,
    train: str = TRAINER,
) -> SweepPlan:
    """The cells of an experiment, their training FLOPs, whether `out` has them, and the requests of the executor.

    Writes nothing, and runs no Python file that the experiment names: values that depend on such a file are None, with
    a warning `own_code_not_run`.
    Raises InputError for an experiment that cannot be run and for requests that the executor cannot meet.
    """
    trackers.known(experiment.track)
    listed, module, folder = cells(experiment), trainer(train), SweepFolder(Path(out))
    engine = plugins.load("executors", executor)
    settings = settings_of(engine, executor, experiment.resources)
    own, warnings = _own_code(experiment)
    check_tokens(experiment, module, own)
    with _a_sentence_for(folder):
        parts = gather(folder, [cell.name for cell in listed], keep=False)
    plain = [cell for cell in listed if cell.compressor not in own]
    flops: dict[str, float | None] = dict.fromkeys((cell.name for cell in listed), None)
    flops |= predicted_flops(experiment, plain, module)
    planned = tuple(
        {
            "cell": cell.name,
            "label": cell.label,
            "llm": cell.llm,
            "compressor": cell.compressor,
            "visual_tokens": cell.visual_tokens,
            "seed": cell.seed,
            "rate_factor": cell.rate_factor,
            "train_flops": flops[cell.name],
            "done": cell.name in parts,
            **(_needs(experiment, cell, module) if cell.compressor not in own else {}),
        }
        for cell in listed
    )
    missing = [cell for cell in listed if cell.name not in parts]
    needed = missing_stages(folder, missing)
    tasks = [task for task, _ in tasks_for(folder, experiment, missing, train, flops)]
    asks = asked_for(engine, tasks, jobs_of(engine, jobs, settings), settings)
    cluster = experiment.finetune.cluster.model_dump() if experiment.finetune is not None else None
    if missing:
        warnings += getattr(module, "check_data", lambda _: [])(experiment)
    warnings += [*_part_warnings(folder, parts), *_left_out(folder, listed), *_too_large(planned, cluster)]
    labels = tuple(stage.label for stage in needed)
    return SweepPlan(planned, labels, tuple(asks), tuple(warnings), cluster)


def prepare_sweep(experiment: Experiment, out: str | Path, *, train: str = TRAINER) -> SweepFolder:
    """Write the sweep folder `out` without running cells, for `scalelaw run-cell` under any scheduler.

    Runs no Python file that the experiment names. Raises InputError as `run_sweep`.
    """
    trackers.check(experiment.track)
    listed, folder = cells(experiment), SweepFolder(Path(out))
    check_tokens(experiment, trainer(train), _own_code(experiment)[0])
    folder.check()
    _check_ours(folder)
    with _a_sentence_for(folder), only_runner(folder.lock):
        _write_state(folder, experiment, listed)
    return folder


def run_sweep(
    experiment: Experiment,
    out: str | Path,
    executor: str = "local",
    jobs: int | None = None,
    *,
    progress: Progress | None = None,
    train: str = TRAINER,
) -> SweepResult:
    """Run every cell of `experiment` that the folder `out` does not have, and write its results.parquet.

    A sweep that was killed at any moment and is run again makes only the missing cells and ends with the same table.

    Args:
        executor: name of an executor, or path of a plug-in file.
        jobs: number of parallel tasks, by default that of the executor.
        progress: the display on stderr.
        train: the module that trains.

    Raises:
        InputError: the experiment cannot be run, or another runner is at work in `out`.
        MissingDependency: a tracker is not installed.
        FailedCells: cells failed; raised after all others are done, with the result as data in `best`.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after all processes have ended.
        Preempted: the machine sent a preemption signal.
    """
    start = time.monotonic()
    trackers.check(experiment.track)
    listed, folder = cells(experiment), SweepFolder(Path(out))
    names = [cell.name for cell in listed]
    engine = plugins.load("executors", executor)
    settings = settings_of(engine, executor, experiment.resources)
    jobs = jobs_of(engine, jobs, settings)
    if not all(folder.cell(cell.name).exists() for cell in listed):
        check_tokens(experiment, trainer(train))
    folder.check()
    _check_ours(folder)
    with _a_sentence_for(folder), only_runner(folder.lock), _ended_like_interrupted():
        warnings = _special(folder)
        _write_state(folder, experiment, listed)
        _tidy(folder)
        parts = gather(folder, names)
        for name in parts.broken:
            set_aside(folder.cell(name))
        warnings += [*_part_warnings(folder, parts), *_left_out(folder, listed)]
        missing = [cell for cell in listed if cell.name not in parts]
        before, reasons = tuple(name for name in names if name in parts), dict[str, str]()
        if missing:
            tasks = tasks_for(folder, experiment, missing, train)
            reasons = do(folder, engine, tasks, jobs, settings, progress or for_this_terminal(), warnings)
            parts = gather(folder, names)
        reasons |= {name: f"Its result is broken: {why}." for name, why in parts.broken.items()}
        made = tuple(cell.name for cell in missing if cell.name in parts)
        failed = {cell.name: reasons[cell.name] for cell in missing if cell.name not in parts}
        if parts.marks:
            rows = parts.of(names)
            warnings += _images_missing(rows)
            write_results(folder, experiment.name, rows)
    result = SweepResult(
        folder.results if parts.marks else None,
        made,
        before,
        failed,
        time.monotonic() - start,
        tuple(warnings),
    )
    if failed:
        raise _failed_cells(folder, listed, result)
    return result


def _own_code(experiment: Experiment) -> tuple[set[str], list[Note]]:
    """The compressors about which nothing is known without running a Python file of the experiment, and a warning.

    These are the compressors that are such files, or all compressors if the dataset is one.
    """
    names = {experiment.dataset.name, experiment.vision.objective, *experiment.compressors}
    if not (files := sorted(name for name in names if is_own_file(name))):
        return set(), []
    dataset = is_own_file(experiment.dataset.name) and experiment.finetune is None
    own = {name for name in experiment.compressors if dataset or is_own_file(name)}
    unknown = "; FLOPs and allowed token counts that depend on them are unknown" if own else ""
    sentence = (
        f"The plug-in files of the experiment are not run before the sweep ({', '.join(files)}){unknown}."
    )
    return own, [("own_code_not_run", sentence)]


def _needs(experiment: Experiment, cell: Cell, train: ModuleType) -> dict[str, float]:
    """The needs of a cell, if the trainer predicts them: memory_gb of each GPU, hours."""
    tell = getattr(train, "cell_needs", None)
    return tell(experiment, cell.llm, cell.compressor, cell.visual_tokens) if tell else {}


def _check_ours(folder: SweepFolder) -> None:
    """Raises InputError `not_ours` where the folder has an experiment.yaml or cells.json that no sweep wrote there."""
    files = [path for path in (folder.experiment, folder.manifest) if path.is_file()]
    if not files or folder.cells.is_dir():
        return
    try:
        stated_cells(folder)
    except InputError as error:
        raise InputError(
            f"{files[0]} was not written by a sweep, and would be overwritten.",
            code="not_ours",
            hint="Give another folder with --out.",
        ) from error


def _write_state(folder: SweepFolder, experiment: Experiment, listed: list[Cell]) -> None:
    """Write the experiment and its list of cells; an older table is removed."""
    folder.results.unlink(missing_ok=True)
    text = yaml.safe_dump(_anywhere(experiment).model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_text(folder.experiment, text)
    names = [cell.name for cell in listed]
    write_text(folder.manifest, dumps({"experiment": experiment.name, "cells": names}))


def _tidy(folder: SweepFolder) -> None:
    """Remove partial results and checkpoints of processes that died while writing."""
    for leftover in (*folder.cells.glob(".*.part"), *folder.saved("").parent.glob(".*.part")):
        if not is_held(folder.lock_of(leftover.name[1:].partition(".")[0])):
            leftover.unlink(missing_ok=True)


def _anywhere(experiment: Experiment) -> Experiment:
    """The experiment with absolute paths, since a cell may run in another folder than its runner."""

    def plugin(name: str) -> str:
        return str(Path(name).resolve()) if is_own_file(name) else name

    def there(path: str) -> str:
        return str(Path(path).resolve()) if Path(path).exists() else path

    finetune = experiment.finetune
    if finetune is not None:
        stages = [s.model_copy(update={"files": [there(f) for f in s.files]}) for s in finetune.stages]
        questions = [
            q.model_copy(update={"file": there(q.file), "answers": [there(f) for f in q.answer_files]})
            for q in finetune.questions
        ]
        places = {"tower": there(finetune.tower), "images": there(finetune.images)}
        finetune = finetune.model_copy(update={**places, "stages": stages, "questions": questions})
    return experiment.model_copy(
        update={
            "finetune": finetune,
            "llms": [str(Path(llm).resolve()) if Path(llm).is_dir() else llm for llm in experiment.llms],
            "compressors": [plugin(name) for name in experiment.compressors],
            "dataset": experiment.dataset.model_copy(update={"name": plugin(experiment.dataset.name)}),
            "vision": experiment.vision.model_copy(update={"objective": plugin(experiment.vision.objective)}),
        }
    )


def _special(folder: SweepFolder) -> list[Note]:
    """Set aside what stands in the place of a file or a folder of the sweep and is none."""
    files = (folder.experiment, folder.manifest, folder.results, folder.gathered)
    warnings = [warning for path in files for warning in set_aside_special(path)]
    for place in (folder.root / name for name in ("failed", "locks", "logs", "saved")):
        if place.is_dir():
            with os.scandir(place) as entries:
                names = [e.name for e in entries if not e.is_file() and e.name != "slurm"]
            warnings += [warning for name in names for warning in set_aside_special(place / name)]
    for place in folder.stages.iterdir() if folder.stages.is_dir() else ():
        if not place.is_dir():
            sentence = (
                f"{place} is a stage's place, and no folder: it is set aside as {set_aside(place).name}."
            )
            warnings.append(("special_file", sentence))
    return warnings


def _part_warnings(folder: SweepFolder, parts: Gathered) -> list[Note]:
    broken = [
        ("broken_part", f"{folder.cell(name)} is set aside and made again: {why}.")
        for name, why in parts.broken.items()
    ]
    return [*parts.warnings, *broken]


def _left_out(folder: SweepFolder, listed: list[Cell]) -> list[Note]:
    others = {path.stem for path in folder.cells.glob("*.parquet")} - {cell.name for cell in listed}
    if not others:
        return []
    sentence = (
        f"{len(others)} finished cell(s) in {folder.cells} do not belong to this experiment. They are kept, but not "
        "used."
    )
    return [("cells_left_out", sentence)]


def _images_missing(rows: pa.Table) -> list[Note]:
    """A warning about records that training and scoring left out, from the table."""
    most = {name: pc.max(rows[name]).as_py() or 0 for name in ("missing_records", "skipped_examples")}
    if not any(most.values()):
        return []
    cells = rows.filter(
        pc.or_kleene(pc.greater(rows["missing_records"], 0), pc.greater(rows["skipped_examples"], 0))
    )
    sentence = (
        f"{pc.count_distinct(cells['cell']).as_py()} cell(s) were trained or scored without up to "
        f"{most['missing_records']} training records and {most['skipped_examples']} examples of a benchmark. See the "
        "columns missing_records and skipped_examples."
    )
    return [("images_missing", sentence)]


def _too_large(planned: tuple[dict[str, Any], ...], cluster: dict[str, float] | None) -> list[Note]:
    """A warning about cells that need more memory than the GPU of the plan has."""
    room = cluster["memory_gb"] if cluster else math.inf
    wide = [cell for cell in planned if cell.get("memory_gb", 0) > room]
    if not wide:
        return []
    most = max(wide, key=lambda cell: float(cell["memory_gb"]))
    sentence = (
        f"{len(wide)} cell(s) need more than the {room:g} GB of a GPU; {most['label']} needs {most['memory_gb']:.3g} "
        "GB. Lower finetune.micro_batch, use more GPUs with finetune.parallel=fully_shard, or use larger GPUs."
    )
    return [("does_not_fit", sentence)]


def _failed_cells(folder: SweepFolder, listed: list[Cell], result: SweepResult) -> FailedCells:
    first = next(cell for cell in listed if cell.name in result.failed)
    return FailedCells(
        f"{len(result.failed)} of {len(listed)} cells failed; the first, {first.label}: {result.failed[first.name]}",
        code="failed_cells",
        hint=f"The reasons are in {folder.root / 'failed'}. Run the sweep again to retry these cells.",
        best={**result.to_dict(), "warnings": [{"code": c, "message": m} for c, m in result.warnings]},
    )


@contextmanager
def _a_sentence_for(folder: SweepFolder) -> Iterator[None]:
    """Turn errors of the file system, such as a full disk, into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"The sweep's folder {folder.root} cannot be used: {error}.",
            code="cannot_write",
            hint="Finished cells are kept. Free disk space or fix the folder, then run the sweep again.",
        ) from error


@contextmanager
def _ended_like_interrupted() -> Iterator[None]:
    """Let SIGTERM end the sweep as Ctrl-C does; only in the main thread, which receives signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
