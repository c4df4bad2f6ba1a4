"""One process a task on this machine, `jobs` at a time, one thread each; with a list of GPUs, each on its own.

They are forked from a process that has loaded what they import: to load torch and transformers takes longer than to
train a small cell. Settings: `gpus`, a list of devices that tasks are spread over (a task that says nothing gets one);
`grace_s`, seconds that a task has to save what it knows when it is asked to end. A task that ran longer than its
`minutes`, or that a signal ended, is begun again `retries` times. SIGUSR1 and SIGUSR2 ask all tasks to make room.
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
    """Tasks at once where nobody says: as many as there are GPUs, or cores."""
    return len(checked("local", settings, SETTINGS)["gpus"]) or len(os.sched_getaffinity(0))


def asks(
    tasks: Sequence[Task], *, jobs: int, settings: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """What would be asked of this machine. Raises InputError for what it cannot give."""
    slots = _Slots(tasks, settings)
    return [{"processes": min(jobs, len(tasks)), "gpus": list(slots.free)}] if tasks else []


def run(
    tasks: Sequence[Task], *, jobs: int = 1, settings: Mapping[str, Any] | None = None
) -> Iterator[Finished]:
    """Run `tasks`, each in a process that leads a group of its own; what they print goes to their output files.

    Raises InputError for settings and needs that this machine cannot serve; Preempted where SIGUSR1 or SIGUSR2 asked
    for room and work is left.
    """
    slots, tries = _Slots(tasks, settings), Tries()
    waiting = list(tasks)
    ended: set[str] = set()
    running: dict[str, tuple[Task, float]] = {}  # and when it started, by the monotonic clock
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
                if ends is None:  # it was killed, and all that it ran with it
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
    """Pass SIGUSR1 and SIGUSR2 on to the tasks as SIGUSR2 (in the main thread, the only one that receives signals).
    Yields the signals received."""
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
    """The GPUs of this machine, and who has them. Raises InputError for tasks that they can never serve."""

    def __init__(self, tasks: Sequence[Task], settings: Mapping[str, Any] | None) -> None:
        options = checked("local", settings, SETTINGS)
        self.grace = float(options["grace_s"])
        self.free = {str(gpu): 1.0 for gpu in options["gpus"]}
        self._taken: dict[str, dict[str, float]] = {}
        for task in tasks:
            if task.needs.nodes > 1:
                raise InputError("This machine is one node; a task asks for more.", code="too_much_asked")
            if self.free and task.needs.gpus > len(self.free):
                raise InputError(
                    f"A task asks for {task.needs.gpus:g} GPUs; settings.local.gpus names {len(self.free)}.",
                    code="too_much_asked",
                )

    def fit(self, task: Task) -> bool:
        """Whether there is room for a task now."""
        return not self.free or self._choice(task) is not None

    def take(self, task: Task) -> dict[str, str]:
        """Give a task its GPUs. Returns what its process is told of them."""
        if not self.free:
            return {}
        choice = self._choice(task)
        assert choice is not None
        self._taken[task.name] = choice
        for gpu, share in choice.items():
            self.free[gpu] -= share
        return {"CUDA_VISIBLE_DEVICES": ",".join(choice)}

    def give(self, task: Task) -> None:
        """Take back what a task had."""
        for gpu, share in self._taken.pop(task.name, {}).items():
            self.free[gpu] += share

    def _choice(self, task: Task) -> dict[str, float] | None:
        needed = task.needs.gpus or 1.0
        share, count = (needed, 1) if needed < 1 else (1.0, int(-(-needed // 1)))
        open_ = [gpu for gpu, left in self.free.items() if left >= share - 1e-9]
        return dict.fromkeys(open_[:count], share) if len(open_) >= count else None


class _ForkServer:
    """The process that the tasks are forked from (see `_nest`)."""

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
        """Begin anew after it was killed."""
        self.close()
        self._begin()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def start(self, task: Task, environment: dict[str, str]) -> None:
        """Have it start a task."""
        task.output.parent.mkdir(parents=True, exist_ok=True)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it was killed: `wait` says so
            self._process.stdin.write(json.dumps(order_of(task, environment)).encode() + b"\n")
            self._process.stdin.flush()

    def wait(self) -> list[dict[str, Any]] | None:
        """Wait for the end of a task. Returns what the nest says of it, or None where it is no more."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return [json.loads(line)] if line.endswith(b"\n") else None

    def close(self) -> None:
        """End it and all that it started; it needs at most its grace."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it was killed before it had read everything
            self._process.stdin.close()
        self._process.stdout.read()
        self._process.wait()
        self._process.stdout.close()
