"""Tasks of a Ray cluster: an existing one by its address, or one that is started here and ends with the sweep.

Settings: `address` ("auto" or HOST:PORT), else that of RAY_ADDRESS, as Ray itself has it; without either, and with
"local", one is started here, with `cpus` and `gpus`. What no node has is refused by a Ray that is started here; a
cluster may grow, so there it is waited for, with a sentence on stderr.
Core tasks, one worker process each (`max_calls=1`); `gpus` may be a share of one; a task that says no `gpus` sees
none. The folder of the sweep must lie where every node sees it. What dies with its worker or node is begun again
`retries` times.
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
from scalelaw.jobs.task import Finished, Line, Needs, Task, Tries, checked, facts_of, task_from
from scalelaw.jobs.waiting import Waits

SETTINGS = {"address": "", "cpus": 0, "gpus": 0}
AT_ONCE = 1000
LOOK = 10.0  # seconds without news after which the result files are looked at: they are what counts
BEGINS = 3  # times that a Ray of one's own is started, before one gives up
NOT_BEGUN = "No task has begun yet: Ray has no room for one, or is starting its workers."
STORE = 100 * 2**20  # bytes of Ray's object store: nothing large goes through it


def jobs_for(settings: Mapping[str, Any] | None = None) -> int:
    """Tasks handed to Ray at once, where nobody says; Ray runs as many as there is room for."""
    return AT_ONCE


def asks(
    tasks: Sequence[Task], *, jobs: int, settings: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """What Ray would be asked for. Raises InputError for what it cannot give."""
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
    """Run `tasks`, at most `jobs` handed over at once. Raises MissingDependency without ray, InputError for an address
    that does not answer and for what Ray cannot give."""
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
    """Run tasks in a worker, one after the other, each in its own process. Returns code, seconds, reason of each.

    place: the runner's working directory, in which they run where there is one of that name.
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
        raise InputError("A task on Ray runs on one node; a rule asks for more.", code="too_much_asked")
    memory = {"memory": int(needs.memory_gb * 1e9)} if needs.memory_gb else {}
    return {"num_cpus": needs.cpus, "num_gpus": needs.gpus, **memory}


def address_of(settings: Mapping[str, Any] | None = None) -> str:
    """Where Ray is: by the settings, else by RAY_ADDRESS; empty where one is started here."""
    address = str((settings or {}).get("address") or os.environ.get("RAY_ADDRESS", ""))
    return "" if address == "local" else address


def _check_room(ray: ModuleType, tasks: Sequence[Task], *, grows: bool) -> None:
    """Hold what tasks ask for against what single nodes have. Raises InputError where no node has it and none can come;
    of a cluster that may grow it is printed."""
    nodes = [node.get("Resources", {}) for node in ray.nodes() if node.get("Alive")]
    for needs in dict.fromkeys(task.needs for task in tasks):
        options = _options(needs)
        request = {"CPU": options["num_cpus"], "GPU": options["num_gpus"], "memory": options.get("memory", 0)}
        if any(all(node.get(key, 0) >= count - 1e-9 for key, count in request.items()) for node in nodes):
            continue
        most = {key: max((node.get(key, 0) for node in nodes), default=0) for key in request}
        sentence = (
            f"No node of Ray has what {sum(task.needs == needs for task in tasks)} task(s) ask for together: "
            f"{_in_words(request)}. The most that nodes have: {_in_words(most)}."
        )
        hint = "Lower the rules of `resources`, or use a cluster with such a node (settings.ray.address)."
        if not grows:
            raise InputError(sentence, code="too_much_asked", hint=hint)
        print(f"{sentence} They wait until such a node joins the cluster.", file=sys.stderr, flush=True)


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
        print("Ray is being started, which takes up to a minute.", file=sys.stderr, flush=True)
    for left in reversed(range(1 if address else BEGINS)):
        try:
            with _keep_sigterm(), _in_an_empty_folder():
                ray.init(**where, log_to_driver=False, logging_level="ERROR")
            return
        except Exception as error:  # where it does not start in time, Ray raises no more than that
            if left:  # it gives itself half a minute, which a busy machine may not have
                ray.shutdown()
                continue
            reason = (str(error) or repr(error)).splitlines()[0]
            raise InputError(
                f"Ray does not answer at '{address or 'local'}': {reason}", code="no_ray"
            ) from error


def _knock(address: str) -> None:
    """Raise InputError where nobody listens at HOST:PORT: Ray itself would try for minutes, and say so all the time."""
    if place := re.fullmatch(r"([^:/]+):(\d{1,5})", address):
        try:
            socket.create_connection((place[1], int(place[2])), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise InputError(f"Ray does not answer at '{address}': {error}.", code="no_ray") from error


@contextmanager
def _in_an_empty_folder() -> Iterator[None]:
    """Ray puts the driver's working directory first on the path of every worker: there lies nothing to import."""
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
