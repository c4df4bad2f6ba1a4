"""Run tasks in the present process, one after the other: for debugging, and where processes cannot be started."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

from scalelaw.files.paths import reopened
from scalelaw.jobs.task import Finished, Task, next_ready


def run(tasks: Sequence[Task], *, jobs: int = 1) -> Iterator[Finished]:
    """Run `tasks` in this process; `jobs` is not used. The output of a task is written to its output file."""
    waiting = list(tasks)
    ended: set[str] = set()
    while task := next_ready(waiting, ended):
        waiting.remove(task)
        start = time.monotonic()
        code = None if task.blocked else _call(task)
        ended.add(task.name)
        yield Finished(task, code, time.monotonic() - start)


def _call(task: Task) -> int:
    task.output.parent.mkdir(parents=True, exist_ok=True)
    with (
        open(reopened(task.output), "w", encoding="utf-8") as output,
        contextlib.redirect_stdout(output),
    ):
        return task.call()
