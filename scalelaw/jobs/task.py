"""Work as an executor sees it: a task is a module to run in a process, and the file that proves it was done."""

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
    saved: a file that changes when it saves what it knows, so that it can go on from there.
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
        """Whether a task before it ended without its result: there is no sense in starting this one."""
        return not all(task.result.exists() for task in self.after)

    def call(self) -> int:
        """Do the work in this process. Returns its exit code."""
        return int(importlib.import_module(self.module).main(list(self.arguments)))


def task_from(facts: Mapping[str, Any]) -> Task:
    """A task from plain data, as `facts_of` gave it, without those before it."""
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
    """A task as plain data for JSON, its paths absolute, without those before it."""
    paths = {
        key: str(path.absolute()) if path else ""
        for key, path in (("result", task.result), ("output", task.output), ("saved", task.saved))
    }
    rest = {"name": task.name, "module": task.module, "arguments": task.arguments, "imports": task.imports}
    return {**rest, **paths, "needs": vars(task.needs)}


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


class Tries:
    """How often tasks were begun: each may be again as often as its needs allow."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def again(self, end: Finished) -> bool:
        """Whether a task that ended so is to be begun again: something else ended it, it has no result, and its
        retries are not used up."""
        if not end.ended_from_outside or end.task.result.exists():
            return False
        self._begun[end.task.name] += 1
        return self._begun[end.task.name] <= end.task.needs.retries


class Line:
    """Tasks that wait for their turn: `ready` in order, once those before them have ended, well or not."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        tasks = list(tasks)
        self._ended: set[str] = set()
        self._awaited = {before.name for task in tasks for before in task.after}
        self.ready = [task for task in tasks if not task.after]
        self._held = [task for task in tasks if task.after]

    def __bool__(self) -> bool:
        return bool(self.ready or self._held)

    def end(self, name: str) -> None:
        """A task has ended: others may be ready now."""
        self._ended.add(name)
        if name in self._awaited:
            free = [t for t in self._held if all(before.name in self._ended for before in t.after)]
            self.ready += free
            names = {task.name for task in free}
            self._held = [task for task in self._held if task.name not in names]

    def blocked(self) -> list[Task]:
        """Take out those that are ready but cannot be done: a task before them left no result."""
        tasks = [task for task in self.ready if task.after and task.blocked]
        if tasks:
            self.ready = [task for task in self.ready if task not in tasks]
            for task in tasks:
                self.end(task.name)
        return tasks

    def parts(self, most: int | None = None) -> list[tuple[Task, ...]]:
        """Take out what may share a job, at most so many jobs: tasks of the same needs, `cells_per_job` of each."""
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
    """The first waiting task whose predecessors have all ended, well or not, and for which there is room."""
    return next((t for t in waiting if all(before.name in ended for before in t.after) and fit(t)), None)


def checked(executor: str, settings: Mapping[str, Any] | None, allowed: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an executor, its defaults with what was given. Raises InputError for a name it does not know and
    for a value of another kind."""
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
