"""Tasks for executors: a module to run in a process, and the file that exists once the task is done."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError, Preempted, unknown


@dataclass(frozen=True)
class Needs:
    """The resources of a task, per node. gpus: less than 1 is a fraction of one. memory_gb, minutes: 0 sets no limit.
    retries: restarts after a signal or the loss of a node. cells_per_job: number of such tasks that one job runs one
    after the other.
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
    """A task: `python -m MODULE ARGUMENTS`, or `MODULE.main(ARGUMENTS) -> exit code` in this process.

    result: the file that exists exactly when the task is done. output: the file for its stdout and stderr.
    after: the tasks whose results it needs. imports: modules that it imports; an executor may import them once for many
    tasks. saved: its checkpoint file.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    result: Path
    output: Path
    after: tuple[Task, ...] = ()
    imports: tuple[str, ...] = ()
    needs: Needs = Needs()
    saved: Path | None = None

    @property
    def blocked(self) -> bool:
        """Whether a task that this one needs has ended without a result."""
        return not all(task.result.exists() for task in self.after)

    def call(self) -> int:
        """Run the task in this process. Returns its exit code."""
        return int(importlib.import_module(self.module).main(list(self.arguments)))


def task_from(facts: Mapping[str, Any]) -> Task:
    """A task from the plain data of `facts_of`, without its predecessors."""
    return Task(
        facts["name"],
        facts["module"],
        tuple(facts["arguments"]),
        Path(facts["result"]),
        Path(facts["output"]),
        imports=tuple(facts["imports"]),
        needs=Needs(**facts["needs"]),
        saved=Path(facts["saved"]) if facts["saved"] else None,
    )


def facts_of(task: Task) -> dict[str, Any]:
    """A task as plain data for JSON, with absolute paths and without its predecessors."""
    paths = {
        key: str(path.absolute()) if path else ""
        for key, path in (("result", task.result), ("output", task.output), ("saved", task.saved))
    }
    rest = {"name": task.name, "module": task.module, "arguments": task.arguments, "imports": task.imports}
    return {**rest, **paths, "needs": vars(task.needs)}


@dataclass(frozen=True)
class Finished:
    """The end of a task. code: its exit code, minus the signal that ended it, or None if it was never started because
    a predecessor left no result. seconds: its run time by the clock of the executor. reason: a sentence, if the
    executor knows more than the code.
    """

    task: Task
    code: int | None
    seconds: float = 0.0
    reason: str = ""

    @property
    def ended_from_outside(self) -> bool:
        """Whether a signal or a preemption ended the task."""
        return self.code is not None and (self.code < 0 or self.code == Preempted.exit_code)


class Tries:
    """Counts the restarts of tasks, which their needs limit."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def again(self, end: Finished) -> bool:
        """Whether to restart a task: it was ended from outside, has no result, and has retries left."""
        if not end.ended_from_outside or end.task.result.exists():
            return False
        self._begun[end.task.name] += 1
        return self._begun[end.task.name] <= end.task.needs.retries


class Line:
    """Pending tasks; `ready` lists, in order, those whose predecessors have ended."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        tasks = list(tasks)
        self._ended: set[str] = set()
        self._awaited = {before.name for task in tasks for before in task.after}
        self.ready = [task for task in tasks if not task.after]
        self._held = [task for task in tasks if task.after]

    def __bool__(self) -> bool:
        return bool(self.ready or self._held)

    def end(self, name: str) -> None:
        """Record the end of a task; tasks that waited for it may become ready."""
        self._ended.add(name)
        if name in self._awaited:
            free = [t for t in self._held if all(before.name in self._ended for before in t.after)]
            self.ready += free
            names = {task.name for task in free}
            self._held = [task for task in self._held if task.name not in names]

    def blocked(self) -> list[Task]:
        """Remove and return ready tasks that cannot run because a predecessor left no result."""
        tasks = [task for task in self.ready if task.after and task.blocked]
        if tasks:
            self.ready = [task for task in self.ready if task not in tasks]
            for task in tasks:
                self.end(task.name)
        return tasks

    def parts(self, most: int | None = None) -> list[tuple[Task, ...]]:
        """Remove and return the tasks of at most `most` jobs: tasks with equal needs, up to `cells_per_job` per job."""
        groups: dict[Needs, list[Task]] = {}
        for task in self.ready:
            groups.setdefault(task.needs, []).append(task)
        parts = [
            tuple(group[start : start + needs.cells_per_job])
            for needs, group in groups.items()
            for start in range(0, len(group), needs.cells_per_job)
        ]
        self.ready = [task for part in parts[most:] for task in part] if most is not None else []
        return parts[:most]


def next_ready(
    waiting: Iterable[Task], ended: set[str], fit: Callable[[Task], bool] = lambda task: True
) -> Task | None:
    """The first waiting task whose predecessors have all ended and for which `fit` is true."""
    return next((t for t in waiting if all(before.name in ended for before in t.after) and fit(t)), None)


def checked(executor: str, settings: Mapping[str, Any] | None, allowed: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an executor with its defaults. Raises InputError for an unknown name or a wrong type."""
    for name, value in (settings or {}).items():
        if name not in allowed:
            raise unknown(f"setting of {executor}", name, allowed)
        default = allowed[name]
        many = isinstance(default, list | tuple)
        kind: Any = (
            list | tuple if many else int | float if isinstance(default, int | float) else type(default)
        )
        if default is not None and not isinstance(value, kind):
            raise InputError(f"settings.{executor}.{name} cannot be {value!r}.", code="bad_value")
    return {**allowed, **(settings or {})}
