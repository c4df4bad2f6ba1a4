"""Work as an executor sees it: a task is a module to run in a process, and the file that proves it was done."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scalelaw.errors import Preempted


@dataclass(frozen=True)
class Needs:
    """What a task asks for, of each of its nodes. gpus: less than 1 is a share of one. memory_gb, minutes: 0 says
    nothing. retries: how often it is begun again where something else than itself ended it. cells_per_job: how many
    such tasks may share one job, one after the other.
    """

    gpus: float = 0
    cpus: int = 1
    memory_gb: float = 0
    minutes: float = 0
    nodes: int = 1
    retries: int = 1
    cells_per_job: int = 1


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
    needs: Needs = Needs()

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
    (a task before it left no result). seconds: how long it ran, by the executor's clock. reason: a sentence, where
    the executor knows more of its end than the code says.
    """

    task: Task
    code: int | None
    seconds: float = 0.0
    reason: str = ""

    @property
    def ended_from_outside(self) -> bool:
        """Whether it was not the task that ended itself: a signal did, or it was asked to make room."""
        return self.code is not None and (self.code < 0 or self.code == Preempted.exit_code)


def next_ready(waiting: Iterable[Task], ended: set[str]) -> Task | None:
    """The first waiting task whose predecessors have all ended, well or not."""
    return next((t for t in waiting if all(before.name in ended for before in t.after)), None)
