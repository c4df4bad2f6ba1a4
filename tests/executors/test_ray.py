"""The executor `ray`, on a real Ray of this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scalelaw.errors import InputError
from scalelaw.executors import ray as executor
from scalelaw.jobs.task import Needs, Task

MODULE = """
import os, pathlib, time

def main(arguments):
    kind, result = arguments[0], pathlib.Path(arguments[1])
    with result.with_suffix(".begun").open("a") as file:
        file.write(f"{os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')}\\n")
    if kind == "sleeps" or (kind == "sleeps once" and len(result.with_suffix(".begun").read_text().split("\\n")) < 3):
        time.sleep(600)
    result.write_text("done")
    return 0
"""

Make = Callable[..., Task]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One Ray with four CPUs and two GPUs that are none, for all tests; its workers find the tasks' module."""
    ray = pytest.importorskip("ray", reason="needs ray: pip install 'scalelaw[ray]'")
    folder = tmp_path_factory.mktemp("work")
    (folder / "work_on_ray.py").write_text(MODULE)
    others = os.environ.get("PYTHONPATH", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder) + os.pathsep + others)
        asked_to_end = signal.getsignal(signal.SIGTERM)
        executor._begin(ray, {**executor.SETTINGS, "cpus": 4, "gpus": 2})
        assert signal.getsignal(signal.SIGTERM) is asked_to_end, (
            "Ray's way to end would take the runner's place"
        )
        yield folder
        ray.shutdown()


@pytest.fixture
def task(work: Path, tmp_path: Path) -> Make:
    """A task of some kind."""

    def make(name: str, kind: str = "works", after: tuple[Task, ...] = (), **needs: Any) -> Task:
        result = tmp_path / name
        inputs = (kind, str(result))
        return Task(
            name, "work_on_ray", inputs, result, tmp_path / f"{name}.out", after, needs=Needs(**needs)
        )

    return make


def _begun(task: Task) -> list[list[str]]:
    path = task.result.with_suffix(".begun")
    return [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []


def _until(happened: Callable[[], Any]) -> None:
    ends = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < ends, "it did not happen within a minute"
        time.sleep(0.05)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_gpus_are_shared_and_small_tasks_share_a_worker(task: Make) -> None:
    halves = [task(f"half{n}", gpus=0.5) for n in range(3)]
    small = [task(f"small{n}", cells_per_job=3) for n in range(3)]
    assert {end.code for end in executor.run([*halves, *small], jobs=8)} == {0}
    assert {_begun(t)[0][1] for t in halves} <= {"0", "1"}
    assert len({_begun(t)[0][0] for t in small}) == 3


def test_a_worker_that_is_killed_takes_its_task_along_and_both_begin_again(task: Make) -> None:
    once, never = task("once", "sleeps once"), task("never", "sleeps", retries=0)

    def kill() -> None:
        for path in (once, never):
            _until(lambda path=path: _begun(path))
            nest = _parent(int(_begun(path)[0][0]))
            os.kill(_parent(nest), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    ends = {end.task.name: end for end in executor.run([once, never], jobs=8)}
    thread.join()
    assert {name: end.code for name, end in ends.items()} == {"once": 0, "never": -signal.SIGKILL}
    assert ends["never"].reason.startswith("Its Ray worker ended: ")
    _until(lambda: not Path(f"/proc/{_begun(never)[0][0]}").exists())


def test_an_end_of_the_runner_ends_its_tasks(task: Make) -> None:
    long, short = task("long", "sleeps"), task("short")
    with closing(executor.run([long, short], jobs=8)) as ends:
        assert next(ends).task.name == "short"
        _until(lambda: _begun(long))
    _until(lambda: not Path(f"/proc/{_begun(long)[0][0]}").exists())


RUNNER = """
import json, sys
from scalelaw.executors import ray
from scalelaw.jobs.task import task_from
list(ray.run([task_from(json.loads(sys.argv[1]))]))
"""


def test_the_death_of_the_runner_ends_a_ray_that_it_started(task: Make, work: Path) -> None:
    from scalelaw.jobs.task import facts_of
    from scalelaw.results.envelope import dumps

    long = task("long", "sleeps")
    path = str(work) + os.pathsep + os.environ.get("PYTHONPATH", "")
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER, dumps(facts_of(long))], env={**os.environ, "PYTHONPATH": path}
    )
    try:
        _until(lambda: _begun(long))
    finally:
        runner.kill()
        runner.wait()
    _until(lambda: not Path(f"/proc/{_begun(long)[0][0]}").exists())


@pytest.mark.parametrize(("late", "address", "begun"), [(2, "", 3), (9, "", executor.BEGINS), (9, "auto", 1)])
def test_a_ray_that_is_late_is_started_again(
    late: int, address: str, begun: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a busy machine it may not come up in the half minute that it gives itself; one that is there is asked once."""
    tried: list[dict[str, Any]] = []

    def init(**options: Any) -> None:
        tried.append(options)
        if len(tried) <= late:
            raise Exception("The current node timed out during startup.")

    ray: Any = SimpleNamespace(init=init, shutdown=lambda: None)
    settings = {**executor.SETTINGS, "address": address}
    if late < executor.BEGINS:
        executor._begin(ray, settings)
    else:
        with pytest.raises(InputError, match="timed out during startup") as caught:
            executor._begin(ray, settings)
        assert caught.value.code == "no_ray"
    assert len(tried) == begun
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("Starting Ray") == (0 if address else 1)


def test_an_address_where_nobody_listens_is_said_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, and not listening
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(InputError, match=f"does not answer at '{address}'") as caught:
            executor._begin(SimpleNamespace(), {**executor.SETTINGS, "address": address})  # type: ignore[arg-type]
    assert caught.value.code == "no_ray"


def test_what_ray_cannot_give_is_a_sentence(task: Make) -> None:
    for needs, settings, code in (
        ({"nodes": 2}, {}, "too_much_asked"),
        ({}, {"adress": "auto"}, "unknown_setting_of_ray"),
    ):
        with pytest.raises(InputError) as caught:
            executor.asks([task("a", **needs)], jobs=1, settings=settings)
        assert caught.value.code == code
    (ask,) = executor.asks([task("a", gpus=0.5, memory_gb=2)], jobs=1)
    assert (ask["num_gpus"], ask["memory"], ask["tasks"]) == (0.5, 2_000_000_000, 1)


@pytest.mark.parametrize(
    "needs", [{"gpus": 3}, {"memory_gb": 4e6}, {"cpus": 64}, {"cpus": 4, "memory_gb": 4e6}]
)
def test_what_no_node_has_is_refused_here_and_said_of_a_cluster(
    needs: dict[str, Any], task: Make, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray

    with pytest.raises(InputError) as caught:
        executor._check_room(ray, [task("a"), task("b", **needs)], grows=False)
    assert caught.value.code == "too_much_asked"
    executor._check_room(ray, [task("a"), task("b", **needs)], grows=True)
    assert capsys.readouterr().err.count("They wait until a larger node joins") == 1
    executor._check_room(ray, [task("a"), task("c", gpus=0.5, cpus=4)], grows=False)
    assert capsys.readouterr().err == ""


def test_what_one_node_lacks_is_not_made_up_by_others(task: Make) -> None:
    """Two nodes of 2 CPUs have no room for a task of 4, whatever their sum is."""
    node = {"Alive": True, "Resources": {"CPU": 2.0, "memory": 1e9}}
    ray: Any = SimpleNamespace(
        nodes=lambda: [node, node, {**node, "Alive": False, "Resources": {"CPU": 9.0}}]
    )
    with pytest.raises(InputError):
        executor._check_room(ray, [task("a", cpus=4)], grows=False)
    executor._check_room(ray, [task("a", cpus=2)], grows=False)


@pytest.mark.parametrize(
    ("variable", "setting", "used"),
    [
        ("", "", ""),
        ("10.1.2.3:6379", "", "10.1.2.3:6379"),
        ("10.1.2.3:6379", "auto", "auto"),
        ("local", "", ""),
    ],
)
def test_the_address_of_the_environment_is_used_where_settings_name_none(
    variable: str, setting: str, used: str, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scalelaw.cli import doctor

    monkeypatch.setenv("RAY_ADDRESS", variable)
    tried: list[dict[str, Any]] = []
    monkeypatch.setattr(executor, "_knock", lambda address: None)
    ray: Any = SimpleNamespace(init=lambda **options: tried.append(options), shutdown=lambda: None)
    settings = {**executor.SETTINGS, "address": setting}
    executor._begin(ray, settings)
    assert tried[0]["address"] == (used or "local")
    (ask,) = executor.asks([task("a")], jobs=1, settings={"address": setting})
    assert ask["address"] == (used or "started here")
    if not setting:
        monkeypatch.setattr(doctor, "_devices", list)
        assert doctor.examine()["schedulers"]["ray"] == used


def test_sigterm_while_ray_starts_is_an_interrupt() -> None:
    def init(**options: Any) -> None:
        raise SystemExit(15)  # as Ray's own handler does

    ray: Any = SimpleNamespace(init=init, shutdown=lambda: None)
    with pytest.raises(KeyboardInterrupt):
        executor._begin(ray, dict(executor.SETTINGS))
