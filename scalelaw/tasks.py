"""Work as an executor sees it: a task is a module to run in a process, and the file that proves it was done."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Task:
    """One piece of work: `python -m MODULE ARGUMENTS`, or `MODULE.main(ARGUMENTS) -> exit code` in this process.

    result: the file that exists exactly when the work is done. output: where what it prints goes.
    after: the tasks whose results it needs. imports: modules that it will load; an executor may do so for many at once.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    result: Path
    output: Path
    after: tuple[Task, ...] = ()
    imports: tuple[str, ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether a task before it ended without its result: there is no sense in starting this one."""
        return not all(task.result.exists() for task in self.after)

    def call(self) -> int:
        """Do the work in this process. Returns its exit code."""
        return int(importlib.import_module(self.module).main(list(self.arguments)))


@dataclass(frozen=True)
class Finished:
    """A task ended. code: its exit code, minus the signal that ended it, or None where it was never started
    (a task before it left no result). seconds: how long it ran, by the executor's clock.
    """

    task: Task
    code: int | None
    seconds: float = 0.0


def next_ready(waiting: Iterable[Task], ended: set[str]) -> Task | None:
    """The first waiting task whose predecessors have all ended, well or not."""
    return next((t for t in waiting if all(before.name in ended for before in t.after)), None)
