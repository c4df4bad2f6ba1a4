"""The program of a Slurm job: it runs tasks one after the other, with torchrun if the job has several nodes.

    srun python -m scalelaw.executors._slurm_job BATCH

BATCH is a folder that `slurm` wrote; its `orders.json` lists the tasks by array index. The job appends the end of each
task to `ends-INDEX.jsonl` and touches `alive-INDEX` every few seconds. On SIGUSR2, which Slurm sends before the time
limit, its tasks save checkpoints and the job requeues itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType

from scalelaw.errors import Preempted
from scalelaw.executors import local
from scalelaw.executors._launch import environment, launched
from scalelaw.executors._slurm_queue import Batch
from scalelaw.files.paths import reopened
from scalelaw.jobs import preemption
from scalelaw.jobs.task import Finished, Task, task_from
from scalelaw.results.envelope import dumps

UNSAVED = "Its job was preempted or near its time limit, and the task had saved no checkpoint."
BEAT = 5.0  # seconds between two heartbeats


def main(arguments: list[str]) -> int:
    """Run the tasks of this job that have no result yet."""
    batch, place = Path(arguments[0]), os.environ["SLURM_ARRAY_TASK_ID"]
    orders = json.loads((batch / "orders.json").read_text(encoding="utf-8"))
    earlier = Batch(batch, "", []).ends(int(place))  # before the job was requeued
    failed = {
        name
        for name, report in earlier.items()
        if report["code"] > 0 and report["code"] != Preempted.exit_code
    }
    tasks = [task for task in map(task_from, orders["jobs"][int(place)]) if not task.result.exists()]
    tasks = [task for task in tasks if task.name not in failed]
    before = _got(tasks)
    first = os.environ.get("SLURM_PROCID", "0") == "0"
    with (
        _alive(batch / f"alive-{place}" if first else None),
        _received_signals() as signals,
        contextlib.suppress(Preempted),
    ):
        several = orders["nodes"] > 1
        for end in _several_nodes(tasks, signals) if several else _one_node(tasks, orders["grace_s"]):
            if end.code == -signal.SIGUSR2 and not end.reason:  # Slurm's signal arrived before it could save
                end = replace(end, reason=UNSAVED)
            if first:
                _report(batch / f"ends-{place}.jsonl", end)
    if first and _goes_back(tasks, before, signals):
        me = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{place}"
        subprocess.run(["scontrol", "requeue", me], check=False)
    elif first and signals and signal.SIGTERM not in signals:
        for task in tasks:
            if not task.result.exists() and task.name not in Batch(batch, "", []).ends(int(place)):
                _report(batch / f"ends-{place}.jsonl", Finished(task, -signal.SIGUSR2, 0.0, UNSAVED))
    return 0


def _goes_back(tasks: list[Task], before: list[float], signals: list[int]) -> bool:
    """Whether the job requeues itself.

    It does if it was preempted (not cancelled), tasks are left, and there was progress or restarts are left.
    """
    if (
        not signals
        or all(task.result.exists() for task in tasks)
        or (signal.SIGTERM in signals and not _runs_on())
    ):
        return False
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", 0))
    return _got(tasks) != before or restarts < max(task.needs.retries for task in tasks)


def _runs_on() -> bool:
    """Whether Slurm still lists this job as running: true in the grace period of a preemption, false after a
    cancellation or where Slurm requeues the job itself."""
    command = ["squeue", "-h", "-o", "%T", "-j", os.environ["SLURM_JOB_ID"]]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "RUNNING"


def _got(tasks: list[Task]) -> list[float]:
    """The progress of tasks: when each last wrote its result or its checkpoint."""
    paths = [path for task in tasks for path in (task.result, task.saved) if path]
    return [path.stat().st_mtime if path.exists() else 0.0 for path in paths]


def _one_node(tasks: list[Task], grace: float) -> Iterator[Finished]:
    """Run tasks with the executor `local`, which forwards signals; the runner decides about restarts."""
    once = [replace(task, needs=replace(task.needs, retries=0)) for task in tasks]
    return local.run(once, jobs=1, settings={"grace_s": grace})


def _several_nodes(tasks: list[Task], signals: list[int]) -> Iterator[Finished]:
    """Run tasks with torchrun on each node; the first node is the rendezvous."""
    rank, job = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_JOB_ID"])
    port = 20000 + job % 20000
    for task in tasks:
        if signals:
            return
        module, arguments = launched(task.module, task.arguments, task.needs, rank, _first_node(), port)
        output = task.output if rank == 0 else task.output.with_suffix(f".node{rank}.out")
        start = time.monotonic()
        with open(reopened(output), "w", encoding="utf-8") as file:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment(),
                start_new_session=True,
            )
            code = _wait(process, task.needs.minutes * 60 or float("inf"), signals)
        yield Finished(task, code, time.monotonic() - start)


def _wait(process: subprocess.Popen[bytes], limit: float, signals: list[int]) -> int:
    """Wait for the launcher; send it SIGTERM once when the job is preempted or the time limit is reached."""
    ends_at, signaled = time.monotonic() + limit, False
    while process.poll() is None:
        if not signaled and (signals or time.monotonic() > ends_at):
            signaled = True
            process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # processes that it left behind
    return Preempted.exit_code if signaled and process.returncode > 0 else process.returncode


def _first_node() -> str:
    if address := os.environ.get("SLURM_LAUNCH_NODE_IPADDR"):
        return address
    command = ["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]


@contextlib.contextmanager
def _received_signals() -> Iterator[list[int]]:
    """Collect the signals of this job: SIGTERM (cancellation or preemption), SIGUSR2 (time limit ahead)."""
    received: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGTERM:
            os.kill(os.getpid(), signal.SIGUSR2)  # which `local` forwards to the tasks

    for number in preemption.SIGNALS:
        signal.signal(number, hear)
    yield received


@contextlib.contextmanager
def _alive(path: Path | None) -> Iterator[None]:
    """Touch `path` every few seconds."""
    over = threading.Event()

    def beat() -> None:
        while path is not None:
            with contextlib.suppress(OSError):  # a full disk does not end the job
                path.write_text(str(time.monotonic()), encoding="utf-8")
            if over.wait(BEAT):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join()


def _report(path: Path, end: Finished) -> None:
    with (
        contextlib.suppress(OSError),
        path.open("a", encoding="utf-8") as file,
    ):  # only the result file matters
        file.write(
            dumps({"name": end.task.name, "code": end.code, "seconds": end.seconds, "reason": end.reason})
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
