"""Jobs of a Slurm cluster, submitted as arrays by submitit; works with and without an accounting database.

Settings: what submitit's Slurm executor takes (partition, account, qos, constraint, setup, ...), `poll_s`, `silence_s`
(a running job that gives no sign of life for so long is lost) and `grace_s` (see `local`).
What a task needs is what its job asks for; `minutes` are those of a task, and a job that runs out of them saves, goes
back into the queue and goes on. Jobs outlive the death of their runner, and the next runner takes them over; they end
with one that is interrupted. The folder of the sweep must lie where every node sees it.
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
COMMANDS = ("setup", "teardown")  # lines of shell, by what they are for: the user's own
KINDS: dict[str, Any] = {
    **dict.fromkeys((*COMMANDS, "srun_args"), list),
    "additional_parameters": Mapping,
    "signal_delay_s": int,
}
"""Of what kind settings must be that sbatch does not see as they are."""
CHOICES = ("SLURM_CONF", "SLURM_CLUSTERS")
"""Variables that are a user's choice of a Slurm, not traces of the job that the runner may be in."""
TAKEN = re.compile(r"(?:Submitted batch job )?(\d+)(?:;| on cluster )?([\w.-]+)?")
"""What sbatch answers: "Submitted batch job 123", "... on cluster NAME", "123", "123;NAME"."""
LARGEST_ARRAY = 1000  # what MaxArraySize allows where nobody changed it
AT_ONCE = 256


def jobs_for(settings: Mapping[str, Any] | None = None) -> int:
    """Jobs of an array that run at once, where nobody says."""
    return AT_ONCE


def asks(
    tasks: Sequence[Task], *, jobs: int, settings: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The arrays that would be submitted, with the lines of their sbatch files. Raises as `run`."""
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

    Raises MissingDependency without submitit, InputError where there is no Slurm or it refuses a job.
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
    """What of the tasks runs, in which jobs. running: by name."""

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
                raise InputError(f"There is no Slurm here: '{tool}' is not found.", code="no_slurm")

    def take_over(self) -> None:
        """See to the tasks that jobs of an earlier runner still have."""
        batches = [batch for path in sorted(self._folder.glob("*/job")) if (batch := Batch.read(path.parent))]
        for batch in batches:
            for place in self._queue.alive(batch):
                for name in batch.names[place]:
                    if name in self.tasks and not self.tasks[name].result.exists():
                        self.running[name] = (batch, place)

    def submit(self, parts: Sequence[tuple[Task, ...]]) -> None:
        """Submit jobs, those that need the same as one array; many as several."""
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
            ):  # submitit prints what is raised as well
                job = executor._submit_command(shlex.join(command)).job_id
        except (
            self._submitit.core.utils.FailedJobError,
            self._submitit.core.utils.FailedSubmissionError,
        ) as error:
            *before, last = str(error).strip().splitlines() or ["it does not say why"]
            raise InputError(
                f"Slurm does not take the job: {last}", code="job_refused", hint="\n  ".join(before)
            ) from error
        write_text(place / "job", f"{job};{self._cluster}" if self._cluster else job)
        batch = Batch(place, job, [[task.name for task in part] for part in parts], self._cluster)
        for number, part in enumerate(parts):
            self.running |= dict.fromkeys((task.name for task in part), (batch, number))

    def _read_answer(self, answer: bytes | str) -> str:
        """The number of the job that sbatch took, and its cluster: as it says, else as it was chosen."""
        lines = (answer.decode(errors="replace") if isinstance(answer, bytes) else answer).splitlines()
        matches = [match for line in lines if (match := TAKEN.fullmatch(line.strip()))]
        if not matches:
            raise self._submitit.core.utils.FailedSubmissionError(
                f"sbatch answered {' '.join(lines)[:200]!r}, which names no job; look for it with squeue"
            )
        self._cluster = matches[-1][2] or _chosen_cluster(self._settings)
        return str(matches[-1][1])

    def ends(self) -> Iterator[Finished]:
        """What has ended since: what has its result; what its job says has ended; what has no job any more."""
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
                continue  # it goes on with its job
            if end is None and state is not None:
                end = Finished(self.tasks[name], *_ended_by_slurm(state))
            if end and not self.tasks[name].result.exists():  # else the next look finds it
                del self.running[name]
                yield end

    def cancel(self) -> None:
        """End every job that still has a task of ours."""
        self._queue.cancel({batch for batch, _ in self.running.values()})


def _chosen_cluster(settings: Mapping[str, Any]) -> str:
    """The cluster that sbatch is asked for: by the settings, else by the environment; empty for the default one."""
    more = settings.get("additional_parameters") or {}
    by_environment = os.environ.get("SBATCH_CLUSTERS") or os.environ.get("SLURM_CLUSTERS")
    cluster = str(more.get("clusters") or more.get("M") or by_environment or "")
    return cluster if CLUSTER.fullmatch(cluster) else ""


@contextmanager
def _outside_of_any_job() -> Iterator[None]:
    """Where the runner is a job itself: what Slurm told it of that job must not reach those that it submits."""
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
    """Those of the files that exist: by folder, as there may be thousands."""
    files = set[Path]()
    for parent in {path.parent for path in results}:
        if parent.is_dir():
            files |= set(parent.iterdir())
    return files.intersection(results)


def _parameters(needs: Needs, cells: int, jobs: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What submitit is told: what the tasks need, overridden by the settings."""
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
                f"settings.slurm.{name} holds a line break: it would end its line of the sbatch file.",
                code="bad_value",
                hint=f"Commands belong into {' or '.join(COMMANDS)}.",
            )
        if not isinstance(value, KINDS.get(name, object)):
            raise InputError(
                f"settings.slurm.{name} cannot be {value!r}.",
                code="bad_value",
                hint="A list of lines of shell." if name in COMMANDS else "",
            )
    return {key: value for key, value in options.items() if key in SETTINGS or key in (settings or {})}


def _one_line(value: Any) -> bool:
    """Whether nothing in a setting begins a new line, where the shell would read what follows as a command."""
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
