"""Run tasks on this machine: one process and one thread per task, `jobs` at a time.

Tasks are forked from a process that has already imported their modules, because importing torch and transformers takes
longer than training a small cell. Settings: `gpus`, a list of devices to distribute tasks over (one per task by
default); `grace_s`, seconds between SIGTERM and SIGKILL, in which a task can save a checkpoint. A task that exceeds its
`minutes`, or that a signal ended, is restarted up to `retries` times. SIGUSR1 and SIGUSR2 stop all tasks after a
checkpoint.
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
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from scalelaw.errors import InputError
from scalelaw.executors._launch import SAFE_TO_FORK, environment, order_of
from scalelaw.jobs.preemption import USER, preempted
from scalelaw.jobs.task import Finished, Task, Tries, checked, next_ready

SETTINGS = {"gpus": (), "grace_s": 30.0}


def jobs_for(settings: Mapping[str, Any] | None = None) -> int:
    """The default number of parallel tasks: the number of GPUs in the settings, or of CPU cores."""
    return len(checked("local", settings, SETTINGS)["gpus"]) or len(os.sched_getaffinity(0))


def asks(
    tasks: Sequence[Task], *, jobs: int, settings: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The processes and GPUs that would be used. Raises InputError for requests that this machine cannot meet."""
    slots = _Slots(tasks, settings)
    return [{"processes": min(jobs, len(tasks)), "gpus": list(slots.free)}] if tasks else []


def run(
    tasks: Sequence[Task], *, jobs: int = 1, settings: Mapping[str, Any] | None = None
) -> Iterator[Finished]:
    """Run each of `tasks` in a new process group; their output is written to their output files.

    Raises InputError for settings and needs that this machine cannot meet, and Preempted if SIGUSR1 or SIGUSR2 arrived
    and tasks are left.
    """
    slots, tries = _Slots(tasks, settings), Tries()
    waiting = list(tasks)
    ended: set[str] = set()
    running: dict[str, tuple[Task, float]] = {}  # with the start time, monotonic seconds
    server = _ForkServer(tasks, slots.grace)
    with _passed_on(server) as signals:
        try:
            while True:
                while not signals and len(running) < jobs and (task := next_ready(waiting, ended, slots.fit)):
                    waiting.remove(task)
                    if task.blocked:
                        ended.add(task.name)
                        yield Finished(task, None)
                    else:
                        running[task.name] = (task, time.monotonic())
                        server.start(task, slots.take(task))
                if not running:
                    if signals and waiting:
                        raise preempted()
                    return
                ends = server.wait()
                if ends is None:  # the server was killed, and its tasks with it
                    server.restart()
                    ends = [{"name": name, "code": -signal.SIGKILL, "late": False} for name in running]
                for message in ends:
                    task, start = running.pop(message["name"])
                    slots.give(task)
                    end = Finished(task, message["code"], time.monotonic() - start, _reason(task, message))
                    if not signals and tries.again(end):
                        waiting.insert(0, task)
                    elif signals and end.ended_from_outside and not task.result.exists():
                        waiting.append(task)
                    else:
                        ended.add(task.name)
                        yield end
        finally:
            server.close()


def _reason(task: Task, message: Mapping[str, Any]) -> str:
    return f"It was ended after {task.needs.minutes:g} minutes, its limit." if message["late"] else ""


@contextlib.contextmanager
def _passed_on(server: _ForkServer) -> Iterator[list[int]]:
    """Forward SIGUSR1 and SIGUSR2 to the tasks as SIGUSR2. Yields the list of signals received.

    Signals are handled in the main thread only.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def hear(number: int, frame: FrameType | None) -> None:
        received.append(number)
        server.signal(signal.SIGUSR2)
        if callable(handler := before[signal.Signals(number)]):
            handler(number, frame)

    before = {number: signal.signal(number, hear) for number in USER}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Slots:
    """The GPUs of this machine and the tasks that use them. Raises InputError for tasks that need more."""

    def __init__(self, tasks: Sequence[Task], settings: Mapping[str, Any] | None) -> None:
        options = checked("local", settings, SETTINGS)
        self.grace = float(options["grace_s"])
        self.free = {str(gpu): 1.0 for gpu in options["gpus"]}
        self._taken: dict[str, dict[str, float]] = {}
        for task in tasks:
            if task.needs.nodes > 1:
                raise InputError(
                    "The executor 'local' runs on one node; a task needs more.", code="too_much_asked"
                )
            if self.free and task.needs.gpus > len(self.free):
                raise InputError(
                    f"A task needs {task.needs.gpus:g} GPUs; settings.local.gpus lists {len(self.free)}.",
                    code="too_much_asked",
                )

    def fit(self, task: Task) -> bool:
        """Whether enough GPUs are free for a task."""
        return not self.free or self._choice(task) is not None

    def take(self, task: Task) -> dict[str, str]:
        """Assign GPUs to a task. Returns the environment variables that select them."""
        if not self.free:
            return {}
        choice = self._choice(task)
        assert choice is not None
        self._taken[task.name] = choice
        for gpu, share in choice.items():
            self.free[gpu] -= share
        return {"CUDA_VISIBLE_DEVICES": ",".join(choice)}

    def give(self, task: Task) -> None:
        """Release the GPUs of a task."""
        for gpu, share in self._taken.pop(task.name, {}).items():
            self.free[gpu] += share

    def _choice(self, task: Task) -> dict[str, float] | None:
        needed = task.needs.gpus or 1.0
        share, count = (needed, 1) if needed < 1 else (1.0, int(-(-needed // 1)))
        open_ = [gpu for gpu, left in self.free.items() if left >= share - 1e-9]
        return dict.fromkeys(open_[:count], share) if len(open_) >= count else None


class _ForkServer:
    """The process that the tasks are forked from (see `_fork_server`)."""

    def __init__(self, tasks: Sequence[Task], grace: float) -> None:
        modules = dict.fromkeys(name for task in tasks for name in (task.module, *task.imports))
        self._command = [sys.executable, "-P", "-m", "scalelaw.executors._fork_server", str(grace), *modules]
        self._begin()

    def _begin(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment(), **SAFE_TO_FORK},
            start_new_session=True,
        )

    def restart(self) -> None:
        """Start a new process after the old one was killed."""
        self.close()
        self._begin()

    def signal(self, number: int) -> None:
        """Send a signal to the server."""
        self._process.send_signal(number)

    def start(self, task: Task, environment: dict[str, str]) -> None:
        """Start a task."""
        task.output.parent.mkdir(parents=True, exist_ok=True)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the server was killed: `wait` returns None
            self._process.stdin.write(json.dumps(order_of(task, environment)).encode() + b"\n")
            self._process.stdin.flush()

    def wait(self) -> list[dict[str, Any]] | None:
        """Wait for the end of a task. Returns the message of the server, or None if the server has ended."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return [json.loads(line)] if line.endswith(b"\n") else None

    def close(self) -> None:
        """End the server and all its tasks, within the grace period."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # the server was killed before it had read everything
            self._process.stdin.close()
        self._process.stdout.read()
        self._process.wait()
        self._process.stdout.close()
