"""One process a task on this machine, `jobs` at a time, one thread each.

They are forked from a process that has loaded what they import: to load torch and transformers takes longer than to
train a small cell.
"""

from __future__ import annotations

import contextlib
import json
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
SAFE_TO_FORK = {
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # Arrow's allocator would start a thread
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # to ask for a CUDA device must not take hold of it
}


def run(tasks: Sequence[Task], *, jobs: int = 1) -> Iterator[Finished]:
    """Run `tasks`, each in a process that leads a group of its own; what they print goes to their output files."""
    waiting = list(tasks)
    ended: set[str] = set()
    running: dict[str, tuple[Task, float]] = {}  # and when it started, by the monotonic clock
    nest = _Nest(tasks)
    try:
        while True:
            while len(running) < jobs and (task := next_ready(waiting, ended)):
                waiting.remove(task)
                if task.blocked:
                    ended.add(task.name)
                    yield Finished(task, None)
                else:
                    running[task.name] = (task, time.monotonic())
                    nest.start(task)
            if not running:
                return
            ends = nest.wait()
            if ends is None:  # it was killed, and all that it ran with it
                nest.close()
                nest, ends = _Nest(tasks), (dict.fromkeys(running, -signal.SIGKILL))
            for name, code in ends.items():
                task, start = running.pop(name)
                ended.add(name)
                yield Finished(task, code, time.monotonic() - start)
    finally:
        nest.close()


class _Nest:
    """The process that the tasks are forked from (see `_nest`)."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        modules = dict.fromkeys(name for task in tasks for name in (task.module, *task.imports))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scalelaw.executors._nest", *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD, **SAFE_TO_FORK},
            start_new_session=True,
        )

    def start(self, task: Task) -> None:
        """Have it start a task."""
        task.output.parent.mkdir(parents=True, exist_ok=True)
        order = {
            "name": task.name,
            "module": task.module,
            "arguments": task.arguments,
            "output": str(task.output),
        }
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it was killed: `wait` says so
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def wait(self) -> dict[str, int] | None:
        """Wait for the end of a task. Returns {name: exit code}, or None where the nest is no more."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            return None
        end = json.loads(line)
        return {end["name"]: end["code"]}

    def close(self) -> None:
        """End it and all that it started; it needs at most its grace."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it was killed before it had read everything
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
