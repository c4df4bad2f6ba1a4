"""Run tasks on Ray: on an existing cluster, or on a Ray that is started here and stopped after the sweep.

Settings: `address` ("auto" or HOST:PORT), by default RAY_ADDRESS. Without either, or with "local", Ray is started here
with `cpus` and `gpus`. Requests that no node can meet are an error on a Ray that is started here; on a cluster, which
may grow, they wait, with a message on stderr.
Each task is a Ray core task with its own worker process (`max_calls=1`); `gpus` may be a fraction, and a task without
`gpus` sees no GPU. The sweep folder must be on a file system that every node shares. A task whose worker or node dies
is restarted up to `retries` times.
"""

from __future__ import annotations

import atexit
import importlib
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

from scalelaw.errors import InputError, MissingDependency
from scalelaw.files.safe_text import say
from scalelaw.jobs.task import Finished, Line, Needs, Task, Tries, checked, facts_of, task_from
from scalelaw.jobs.waiting import Waits

SETTINGS = {"address": "", "cpus": 0, "gpus": 0}
AT_ONCE = 1000
LOOK = 10.0  # seconds without an event after which the result files are checked
BEGINS = 5  # attempts to start Ray
NOT_BEGUN = "No task has started yet: Ray has no free resources, or is starting its workers."
STORE = 100 * 2**20  # bytes of Ray's object store; only small objects use it


def jobs_for(settings: Mapping[str, Any] | None = None) -> int:
    """The default number of tasks submitted at once; Ray runs as many as its resources allow."""
    return AT_ONCE


def asks(
    tasks: Sequence[Task], *, jobs: int, settings: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The requests to Ray. Raises InputError for requests that it cannot meet."""
    options = checked("ray", settings, SETTINGS)
    groups: dict[Needs, int] = {}
    for task in tasks:
        groups[task.needs] = groups.get(task.needs, 0) + 1
    return [
        {
            "address": address_of(options) or "started here",
            "tasks": count,
            "cells_per_job": needs.cells_per_job,
            **_options(needs),
        }
        for needs, count in groups.items()
    ]


def run(
    tasks: Sequence[Task], *, jobs: int = AT_ONCE, settings: Mapping[str, Any] | None = None
) -> Iterator[Finished]:
    """Run `tasks`, at most `jobs` submitted at once.

    Raises MissingDependency without ray, and InputError for an address that does not answer and for requests that Ray
    cannot meet.
    """
    asks(tasks, jobs=jobs, settings=settings)
    if not tasks:
        return
    ray = _ray()
    ours = not ray.is_initialized()
    here = ours and not address_of(options := checked("ray", settings, SETTINGS))
    if ours:
        _begin(ray, options)
    try:
        _check_room(ray, tasks, grows=not here)
    except InputError:
        if ours:
            ray.shutdown()
        raise
    remote = ray.remote(max_calls=1, max_retries=0)(run_in_worker)
    tries, line = Tries(), Line(tasks)
    running: dict[Any, tuple[Task, ...]] = {}
    waits, began = Waits(), False
    try:
        while line or running:
            for task in line.blocked():
                yield Finished(task, None)
            if line.ready and len(running) <= jobs * 3 // 4:
                for part in line.parts(jobs - len(running)):
                    facts = [facts_of(task) for task in part]
                    running[remote.options(**_options(part[0].needs)).remote(facts, os.getcwd())] = part
            if not running:
                continue
            over, _ = ray.wait(list(running), num_returns=1, timeout=LOOK)
            began = began or bool(over)
            waits.reasons(*([] if began or _any_began(running) else [NOT_BEGUN]))
            for reference in over or [
                r for r, part in running.items() if all(t.result.exists() for t in part)
            ]:
                for end in _ends(ray, reference, running.pop(reference)):
                    if tries.again(end):
                        line.ready.append(end.task)
                    else:
                        line.end(end.task.name)
                        yield end
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        if ours:
            ray.shutdown()


def run_in_worker(facts: list[dict[str, Any]], place: str = "") -> list[tuple[int | None, float, str]]:
    """Run tasks in a worker, one after the other, each in its own process. Returns (code, seconds, reason) of each.

    place: the working directory of the runner, which is used if it exists on the worker.
    """
    from scalelaw.executors import local

    if os.path.isdir(place):
        os.chdir(place)
    tasks = [task_from(task_facts) for task_facts in facts]
    once = [replace(task, needs=replace(task.needs, retries=0)) for task in tasks if not task.result.exists()]
    ends = {end.task.name: (end.code, end.seconds, end.reason) for end in local.run(once, jobs=1)}
    return [ends.get(task.name, (0, 0.0, "")) for task in tasks]


def _any_began(running: Mapping[Any, tuple[Task, ...]]) -> bool:
    return any(task.output.exists() for part in running.values() for task in part)


def _ends(ray: ModuleType, reference: Any, part: tuple[Task, ...]) -> list[Finished]:
    try:
        return [
            Finished(task, *end) for task, end in zip(part, ray.get(reference, timeout=LOOK), strict=True)
        ]
    except ray.exceptions.RayError as error:
        last = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        reason = f"Its Ray worker ended: {type(error).__name__}: {last}"
        return [Finished(task, 0 if task.result.exists() else -signal.SIGKILL, 0.0, reason) for task in part]


def _options(needs: Needs) -> dict[str, Any]:
    if needs.nodes > 1:
        raise InputError("A task on Ray runs on one node; a rule needs more.", code="too_much_asked")
    memory = {"memory": int(needs.memory_gb * 1e9)} if needs.memory_gb else {}
    return {"num_cpus": needs.cpus, "num_gpus": needs.gpus, **memory}


def address_of(settings: Mapping[str, Any] | None = None) -> str:
    """The address of Ray, from the settings or RAY_ADDRESS; empty if Ray is started here."""
    address = str((settings or {}).get("address") or os.environ.get("RAY_ADDRESS", ""))
    return "" if address == "local" else address


def _check_room(ray: ModuleType, tasks: Sequence[Task], *, grows: bool) -> None:
    """Compare the needs of tasks with the resources of single nodes.

    Raises InputError if no node is large enough; on a cluster that may grow, a message is printed instead.
    """
    nodes = [node.get("Resources", {}) for node in ray.nodes() if node.get("Alive")]
    for needs in dict.fromkeys(task.needs for task in tasks):
        options = _options(needs)
        request = {"CPU": options["num_cpus"], "GPU": options["num_gpus"], "memory": options.get("memory", 0)}
        if any(all(node.get(key, 0) >= count - 1e-9 for key, count in request.items()) for node in nodes):
            continue
        most = {key: max((node.get(key, 0) for node in nodes), default=0) for key in request}
        sentence = (
            f"No Ray node is large enough for {sum(task.needs == needs for task in tasks)} task(s) that need "
            f"{_in_words(request)}. The largest amounts on a node: {_in_words(most)}."
        )
        hint = "Lower the rules of `resources`, or use a larger cluster (settings.ray.address)."
        if not grows:
            raise InputError(sentence, code="too_much_asked", hint=hint)
        say(f"{sentence} They wait until a larger node joins the cluster.", sys.stderr)


def _in_words(resources: Mapping[str, float]) -> str:
    return f"{resources['CPU']:g} CPUs, {resources['GPU']:g} GPUs, {resources['memory'] / 1e9:.3g} GB"


def _begin(ray: ModuleType, settings: Mapping[str, Any]) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address := address_of(settings):
        _knock(address)
        path = {"PYTHONPATH": python_path} if (python_path := os.environ.get("PYTHONPATH")) else {}
        where: dict[str, Any] = {"address": address, "runtime_env": {"env_vars": path}}
    else:
        cpus = settings["cpus"] or len(os.sched_getaffinity(0))
        where = {"address": "local", "num_cpus": cpus, "num_gpus": settings["gpus"] or None}
        where |= {"include_dashboard": False, "object_store_memory": STORE}
        say("Starting Ray; this takes up to a minute.", sys.stderr)
    for left in reversed(range(1 if address else BEGINS)):
        try:
            with _keep_sigterm(), _in_an_empty_folder():
                ray.init(**where, log_to_driver=False, logging_level="ERROR")
            return
        except Exception as error:  # Ray raises a plain Exception if it does not start in time
            if left:  # Ray's own limit of 30 s is too short on a busy machine
                ray.shutdown()
                continue
            reason = (str(error) or repr(error)).splitlines()[0]
            raise InputError(
                f"Ray does not answer at '{address or 'local'}': {reason}", code="no_ray"
            ) from error


def _knock(address: str) -> None:
    """Raise InputError if nothing listens at HOST:PORT; Ray itself would retry for minutes."""
    if place := re.fullmatch(r"([^:/]+):(\d{1,5})", address):
        try:
            socket.create_connection((place[1], int(place[2])), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise InputError(f"Ray does not answer at '{address}': {error}.", code="no_ray") from error


@contextmanager
def _in_an_empty_folder() -> Iterator[None]:
    """Start Ray in an empty folder: it puts the working directory first on the path of every worker."""
    before, empty = os.getcwd(), tempfile.mkdtemp(prefix="scalelaw-ray-")
    atexit.register(shutil.rmtree, empty, ignore_errors=True)
    os.chdir(empty)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _keep_sigterm() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray replaces by one that exits at once.

    Raises KeyboardInterrupt where SIGTERM arrives while Ray's handler is in place.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _ray() -> ModuleType:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingDependency(
            "The executor 'ray' needs ray.", code="missing_ray", hint="pip install 'scalelaw[ray]'"
        ) from error
