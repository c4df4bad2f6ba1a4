"""Run tasks as Slurm job arrays, submitted with submitit; works with and without an accounting database.

Settings: those of submitit's Slurm executor (partition, account, qos, constraint, setup, ...), `poll_s`, `silence_s`
(seconds without a heartbeat after which a running job counts as lost) and `grace_s` (see `local`).
The needs of a task are the request of its job. `minutes` limit a task; a job that reaches its limit saves a checkpoint,
requeues itself and continues. Jobs outlive a runner that is killed, and the next runner takes them over; an interrupt
cancels them. The sweep folder must be on a file system that every node shares.
"""

from __future__ import annotations

import importlib
import io
import math
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from types import ModuleType
from typing import Any

from scalelaw.errors import InputError, MissingDependency
from scalelaw.executors._slurm_queue import CLUSTER, Batch, Queue
from scalelaw.files.paths import write_text
from scalelaw.jobs.task import Finished, Line, Needs, Task, Tries, checked, facts_of
from scalelaw.results.envelope import dumps

SETTINGS = {"poll_s": 2.0, "silence_s": 45.0, "grace_s": 30.0}
COMMANDS = ("setup", "teardown")  # settings that are lines of shell
KINDS: dict[str, Any] = {
    **dict.fromkeys((*COMMANDS, "srun_args"), list),
    "additional_parameters": Mapping,
    "signal_delay_s": int,
}
"""Types of the settings that are not passed to sbatch unchanged."""
CHOICES = ("SLURM_CONF", "SLURM_CLUSTERS")
"""Variables with which a user selects a Slurm cluster; all other SLURM_ variables belong to an outer job."""
TAKEN = re.compile(r"(?:Submitted batch job )?(\d+)(?:;| on cluster )?([\w.-]+)?")
"""Answers of sbatch: "Submitted batch job 123", "... on cluster NAME", "123", "123;NAME"."""
LARGEST_ARRAY = 1000  # the default of MaxArraySize
AT_ONCE = 256


def jobs_for(settings: Mapping[str, Any] | None = None) -> int:
    """The default number of jobs of an array that run at once."""
    return AT_ONCE


def asks(
    tasks: Sequence[Task], *, jobs: int, settings: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The arrays to submit, with the options of their sbatch files. Raises as `run`."""
    submitit, options = _submitit(), _settings(settings)
    requests = []
    for needs in dict.fromkeys(task.needs for task in tasks):
        group = [task for task in tasks if task.needs == needs]
        count = math.ceil(len(group) / needs.cells_per_job)
        parameters = _parameters(needs, needs.cells_per_job, jobs, options)
        text = submitit.slurm.slurm._make_sbatch_string("", "logs", map_count=count, **parameters)
        lines = [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH")]
        requests.append({"jobs": count, "tasks": len(group), "sbatch": lines})
    return requests


def run(
    tasks: Sequence[Task], *, jobs: int = AT_ONCE, settings: Mapping[str, Any] | None = None
) -> Iterator[Finished]:
    """Run `tasks` as jobs, at most `jobs` of an array at once.

    Raises MissingDependency without submitit, and InputError without Slurm or if it rejects a job.
    """
    options = _settings(settings)
    if not tasks:
        return
    cluster = _Cluster(tasks, jobs, options)
    cluster.take_over()
    tries, line = Tries(), Line([task for task in tasks if task.name not in cluster.running])
    began = dict.fromkeys(cluster.running, time.monotonic())
    try:
        while line or cluster.running:
            for task in line.blocked():
                yield Finished(task, None)
            parts = line.parts()
            cluster.submit(parts)
            began |= dict.fromkeys((task.name for part in parts for task in part), time.monotonic())
            if not cluster.running:
                continue
            time.sleep(options["poll_s"])
            for end in cluster.ends():
                if tries.again(end):
                    line.ready.append(end.task)
                else:
                    line.end(end.task.name)
                    seconds = end.seconds or time.monotonic() - began[end.task.name]
                    yield Finished(end.task, end.code, seconds, end.reason)
    finally:
        cluster.cancel()


class _Cluster:
    """The jobs of the tasks. running: task name -> (batch, index)."""

    def __init__(self, tasks: Sequence[Task], jobs: int, settings: dict[str, Any]) -> None:
        self.tasks = {task.name: task for task in tasks}
        self.running: dict[str, tuple[Batch, int]] = {}
        self._jobs, self._settings = jobs, settings
        self._folder = (tasks[0].output.parent / "slurm").absolute()
        self._queue = Queue(settings["silence_s"])
        self._cluster = ""
        self._submitit = _submitit()
        for tool in ("sbatch", "squeue", "scancel"):
            if shutil.which(tool) is None:
                raise InputError(
                    f"The command '{tool}' of Slurm is not installed or not on PATH.", code="no_slurm"
                )

    def take_over(self) -> None:
        """Take over the tasks in jobs of an earlier runner."""
        batches = [batch for path in sorted(self._folder.glob("*/job")) if (batch := Batch.read(path.parent))]
        for batch in batches:
            for place in self._queue.alive(batch):
                for name in batch.names[place]:
                    if name in self.tasks and not self.tasks[name].result.exists():
                        self.running[name] = (batch, place)

    def submit(self, parts: Sequence[tuple[Task, ...]]) -> None:
        """Submit jobs: one array for equal needs, several if there are more than LARGEST_ARRAY."""
        for needs in dict.fromkeys(part[0].needs for part in parts):
            group = [part for part in parts if part[0].needs == needs]
            for start in range(0, len(group), LARGEST_ARRAY):
                self._submit(needs, group[start : start + LARGEST_ARRAY])

    def _submit(self, needs: Needs, parts: list[tuple[Task, ...]]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=self._folder))
        orders = {
            "jobs": [[facts_of(task) for task in part] for part in parts],
            "nodes": needs.nodes,
            "grace_s": self._settings["grace_s"],
        }
        write_text(place / "orders.json", dumps(orders))
        executor = self._submitit.SlurmExecutor(place)
        executor.update_parameters(**_parameters(needs, max(map(len, parts)), self._jobs, self._settings))
        executor.parameters["map_count"] = len(parts)
        executor._get_job_id_from_submission_command = self._read_answer
        command = [sys.executable, "-u", "-P", "-m", "scalelaw.executors._slurm_job", str(place)]
        try:
            with (
                _outside_of_any_job(),
                redirect_stderr(io.StringIO()),
            ):  # submitit also prints what it raises
                job = executor._submit_command(shlex.join(command)).job_id
        except (
            self._submitit.core.utils.FailedJobError,
            self._submitit.core.utils.FailedSubmissionError,
        ) as error:
            *before, last = str(error).strip().splitlines() or ["no reason was reported"]
            raise InputError(
                f"Slurm rejected the job: {last}", code="job_refused", hint="\n  ".join(before)
            ) from error
        write_text(place / "job", f"{job};{self._cluster}" if self._cluster else job)
        batch = Batch(place, job, [[task.name for task in part] for part in parts], self._cluster)
        for number, part in enumerate(parts):
            self.running |= dict.fromkeys((task.name for task in part), (batch, number))

    def _read_answer(self, answer: bytes | str) -> str:
        """Read the number of the submitted job, and its cluster: from the answer of sbatch, else from the settings."""
        lines = (answer.decode(errors="replace") if isinstance(answer, bytes) else answer).splitlines()
        matches = [match for line in lines if (match := TAKEN.fullmatch(line.strip()))]
        if not matches:
            raise self._submitit.core.utils.FailedSubmissionError(
                f"sbatch answered {' '.join(lines)[:200]!r}, which contains no job number; look for the job with squeue"
            )
        self._cluster = matches[-1][2] or _chosen_cluster(self._settings)
        return str(matches[-1][1])

    def ends(self) -> Iterator[Finished]:
        """Tasks that have ended: by their result file, by the report of their job, or by the state of their job."""
        there = _there([self.tasks[name].result for name in self.running])
        done = {name: job for name, job in self.running.items() if self.tasks[name].result in there}
        reports = {job: job[0].ends(job[1]) for job in set(done.values())}
        for name, job in done.items():
            del self.running[name]
            yield Finished(self.tasks[name], 0, reports[job].get(name, {}).get("seconds", 0.0))
        jobs = set(self.running.values())
        lost = self._queue.lost(jobs)
        reports = {job: job[0].ends(job[1]) for job in jobs}
        for name, job in list(self.running.items()):
            report, state = reports[job].get(name), lost.get(job)
            end = (
                Finished(self.tasks[name], report["code"], report["seconds"], report["reason"])
                if report
                else None
            )
            if end and state is None and end.ended_from_outside:
                continue  # its job continues with it
            if end is None and state is not None:
                end = Finished(self.tasks[name], *_ended_by_slurm(state))
            if end and not self.tasks[name].result.exists():  # else the next poll finds the result
                del self.running[name]
                yield end

    def cancel(self) -> None:
        """Cancel every job that still has one of the tasks."""
        self._queue.cancel({batch for batch, _ in self.running.values()})


def _chosen_cluster(settings: Mapping[str, Any]) -> str:
    """The cluster to submit to, from the settings or the environment; empty for the default one."""
    more = settings.get("additional_parameters") or {}
    by_environment = os.environ.get("SBATCH_CLUSTERS") or os.environ.get("SLURM_CLUSTERS")
    cluster = str(more.get("clusters") or more.get("M") or by_environment or "")
    return cluster if CLUSTER.fullmatch(cluster) else ""


@contextmanager
def _outside_of_any_job() -> Iterator[None]:
    """Hide the SLURM_ variables of a job that the runner itself may run in from the jobs that it submits."""
    theirs = {
        key: os.environ.pop(key)
        for key in list(os.environ)
        if key.startswith("SLURM_") and key not in CHOICES
    }
    try:
        yield
    finally:
        os.environ.update(theirs)


def _ended_by_slurm(state: str) -> tuple[int, float, str]:
    reason = f"Slurm ended its job: {state}."
    return (1 if state.startswith("CANCELLED") else -signal.SIGKILL), 0.0, reason


def _there(results: list[Path]) -> set[Path]:
    """The files that exist, with one listing per folder, since there may be thousands."""
    files = set[Path]()
    for parent in {path.parent for path in results}:
        if parent.is_dir():
            files |= set(parent.iterdir())
    return files.intersection(results)


def _parameters(needs: Needs, cells: int, jobs: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters for submitit: the needs of the tasks, overridden by the settings."""
    parameters: dict[str, Any] = {
        "job_name": "scalelaw",
        "time": math.ceil(needs.minutes * cells) or None,
        "nodes": needs.nodes,
        "ntasks_per_node": 1,
        "cpus_per_task": needs.cpus,
        "array_parallelism": jobs,
        "stderr_to_stdout": True,
        "srun_args": ["--cpus-per-task", str(needs.cpus)],
        "wckey": None,
    }
    if needs.gpus:
        parameters["gpus_per_node"] = math.ceil(needs.gpus)
    if needs.memory_gb:
        parameters["mem"] = f"{math.ceil(needs.memory_gb * 1024)}MB"
    parameters |= {key: value for key, value in settings.items() if key not in SETTINGS}
    return parameters | {
        "additional_parameters": {"requeue": True, **parameters.get("additional_parameters", {})}
    }


def _settings(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    theirs = dict.fromkeys(_submitit().SlurmExecutor._valid_parameters())
    options = checked("slurm", settings, {**theirs, **SETTINGS})
    for name, value in (settings or {}).items():
        if name not in COMMANDS and not _one_line(value):
            raise InputError(
                f"settings.slurm.{name} contains a line break, which would end its line in the sbatch file.",
                code="bad_value",
                hint=f"Put commands into {' or '.join(COMMANDS)}.",
            )
        if not isinstance(value, KINDS.get(name, object)):
            raise InputError(
                f"settings.slurm.{name} cannot be {value!r}.",
                code="bad_value",
                hint="A list of lines of shell." if name in COMMANDS else "",
            )
    return {key: value for key, value in options.items() if key in SETTINGS or key in (settings or {})}


def _one_line(value: Any) -> bool:
    """Whether a setting has no line break, after which the shell would read a command."""
    if isinstance(value, Mapping):
        return all(_one_line(key) and _one_line(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_one_line, value))
    return not isinstance(value, str) or len(value.splitlines()) <= 1


def _submitit() -> ModuleType:
    try:
        return importlib.import_module("submitit")
    except ImportError as error:
        raise MissingDependency(
            "The executor 'slurm' needs submitit.",
            code="missing_submitit",
            hint="pip install 'scalelaw[slurm]'",
        ) from error
