"""One subprocess a task on this machine, `jobs` at a time, one thread each."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from scalelaw.tasks import Finished, Task, next_ready

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
GRACE = 5.0  # seconds between asking a process to end and making it
PAUSE = 0.02  # seconds between two looks at the processes

_Running = tuple[Task, subprocess.Popen[bytes], float]  # and when it started, by the monotonic clock


def run(tasks: Sequence[Task], *, jobs: int = 1) -> Iterator[Finished]:
    """Run `tasks` in subprocesses, each leading a process group of its own; what they print goes to their output."""
    waiting = list(tasks)
    ended: set[str] = set()
    running: dict[str, _Running] = {}
    lifeline, held = os.pipe()
    try:
        while True:
            while len(running) < jobs and (task := next_ready(waiting, ended)):
                waiting.remove(task)
                if task.blocked:
                    ended.add(task.name)
                    yield Finished(task, None)
                else:
                    running[task.name] = (task, _start(task, lifeline), time.monotonic())
            if not running:
                return
            for task, process, start in _await_any(list(running.values())):
                _end_group(process, signal.SIGKILL)  # whatever it left behind
                del running[task.name]
                ended.add(task.name)
                yield Finished(task, process.wait(), time.monotonic() - start)
    finally:
        _end([process for _, process, _ in running.values()])
        os.close(held)
        os.close(lifeline)


def _start(task: Task, lifeline: int) -> subprocess.Popen[bytes]:
    task.output.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "scalelaw.executors._child", str(lifeline), task.module, *task.arguments]
    with task.output.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ONE_THREAD},
            pass_fds=(lifeline,),
            start_new_session=True,
        )


def _await_any(running: list[_Running]) -> list[_Running]:
    while not (ended := [entry for entry in running if _has_ended(entry[1])]):
        time.sleep(PAUSE)
    return ended


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended; it stays a zombie, so that its number still names its group and nobody else's."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        _end_group(process, signal.SIGTERM)
    patience = time.monotonic() + GRACE
    while time.monotonic() < patience and not all(map(_has_ended, processes)):
        time.sleep(PAUSE)
    for process in processes:
        _end_group(process, signal.SIGKILL)
        process.wait()


def _end_group(process: subprocess.Popen[bytes], with_signal: int) -> None:
    """Signal the group of a process that was not yet waited for."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, with_signal)
