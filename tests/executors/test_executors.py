"""Every executor keeps its contract; a new file in the package is tested without a change here."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scalelaw import plugins
from scalelaw.errors import InputError, Preempted
from scalelaw.jobs.task import Needs, Task

MODULE = """
import os, pathlib, signal, subprocess, sys, time
from scalelaw.jobs import preemption

def main(arguments):
    kind, result = arguments
    print("hello from", kind, flush=True)
    if kind == "fails":
        return 3
    if kind == "starts a process and sleeps":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path(result + ".pids").write_text(f"{os.getpid()} {child.pid}")
        time.sleep(600)
    if kind == "is killed once":
        begun = pathlib.Path(result + ".begun")
        if not begun.exists():
            begun.write_text("")
            os.kill(os.getpid(), 9)
    if kind == "sleeps":
        time.sleep(600)
    if kind == "does not listen":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path(result + ".begun").write_text("")
        time.sleep(600)
    if kind == "holds its GPU":
        pathlib.Path(result).write_text(os.environ["CUDA_VISIBLE_DEVICES"])
        time.sleep(0.3)
        return 0
    if kind == "saves when asked":
        state = pathlib.Path(result + ".state")
        if not state.exists():
            with preemption.heard(), preemption.listening():
                pathlib.Path(result + ".begun").write_text("")
                while not preemption.requested():
                    time.sleep(0.01)
            state.write_text("what it knows")
            return 75
        pathlib.Path(result).write_text(state.read_text())
        return 0
    if kind == "leaves a process behind":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path(result + ".pids").write_text(str(child.pid))
    threads = {key: os.environ.get(key) for key in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY")}
    pathlib.Path(result).write_text(f"{threads} {time.monotonic()}")
    return 0
"""

Make = Callable[..., Task]
WHERE = {"slurm": "slurm", "ray": "ray_here"}  # what an executor needs around it: a fixture
SETTINGS = {"slurm": {"poll_s": 0.2}}


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A task of some kind, whose module this process and its children find."""
    (tmp_path / "piece_of_work.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "piece_of_work", raising=False)
    others = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path) + (os.pathsep + others if others else ""))

    def make(name: str, kind: str = "works", after: tuple[Task, ...] = (), **needs: Any) -> Task:
        result = tmp_path / name
        arguments, output = (kind, str(result)), tmp_path / f"{name}.out"
        return Task(name, "piece_of_work", arguments, result, output, after, needs=Needs(**needs))

    return make


@pytest.fixture(params=plugins.names("executors"))
def run(request: pytest.FixtureRequest) -> Callable:
    """Every executor there is."""
    if request.param in WHERE:
        request.getfixturevalue(WHERE[request.param])
    module = plugins.load("executors", request.param)
    return partial(module.run, settings=SETTINGS[request.param]) if request.param in SETTINGS else module.run


def test_every_task_ends_once_and_has_its_result_and_output(run: Callable, task: Make) -> None:
    tasks = [task(name) for name in "abc"]
    ends = list(run(tasks, jobs=2))
    assert sorted(end.task.name for end in ends) == ["a", "b", "c"]
    assert {end.code for end in ends} == {0}
    assert all(t.result.exists() for t in tasks)
    assert [t.output.read_text() for t in tasks] == ["hello from works\n"] * 3
    assert all(end.seconds >= 0 for end in ends)


def test_no_task_is_no_work(run: Callable) -> None:
    assert list(run([], jobs=2)) == []


def test_a_task_waits_for_those_before_it(run: Callable, task: Make) -> None:
    first = task("first")
    second = task("second", after=(first,))
    third = task("third", after=(first, second))
    ends = [end.task.name for end in run([third, second, first], jobs=3)]
    assert ends == ["first", "second", "third"]
    moments = [float(t.result.read_text().split()[-1]) for t in (first, second, third)]
    assert moments == sorted(moments)


def test_a_task_whose_predecessor_left_no_result_is_not_started(run: Callable, task: Make) -> None:
    bad = task("bad", "fails")
    never = task("never", after=(bad,))
    codes = {end.task.name: end.code for end in run([bad, never, task("other")], jobs=2)}
    assert codes == {"bad": 3, "never": None, "other": 0}
    assert not never.output.exists()


def _is_alive(pid: int) -> bool:
    try:
        return b" Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False


def _until(happened: Callable[[], bool]) -> None:
    patience = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < patience, "it did not happen within half a minute"
        time.sleep(0.02)


def test_local_runs_as_many_at_once_as_asked_and_with_one_thread_each(task: Make) -> None:
    from scalelaw.executors import local

    done = task("done")
    list(local.run([done], jobs=1))
    assert done.result.read_text().startswith("{'OMP_NUM_THREADS': '1', 'OMP_WAIT_POLICY': 'PASSIVE'}")


def test_local_closed_ends_what_its_tasks_started(task: Make) -> None:
    from scalelaw.executors import local

    long = task("long", "starts a process and sleeps")
    pids = long.result.with_name("long.pids")
    with closing(local.run([long, task("short")], jobs=2)) as ends:
        assert next(ends).task.name == "short"
        _until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        started = [int(pid) for pid in pids.read_text().split()]
        assert all(map(_is_alive, started))
    _until(lambda: not any(map(_is_alive, started)))
    assert not long.result.exists()


def test_local_ends_what_a_task_leaves_behind(task: Make) -> None:
    from scalelaw.executors import local

    careless = task("careless", "leaves a process behind")
    assert [end.code for end in local.run([careless], jobs=1)] == [0]
    left = int(careless.result.with_name("careless.pids").read_text())
    _until(lambda: not _is_alive(left))


def test_local_goes_on_when_the_process_that_it_forks_from_is_killed(task: Make) -> None:
    from scalelaw.executors import local

    long = task("long", "starts a process and sleeps", retries=0)
    pids = long.result.with_name("long.pids")
    with closing(
        local.run([long, task("short"), task("later", after=(long,)), task("other")], jobs=2)
    ) as ends:
        assert {next(ends).task.name, next(ends).task.name} == {"short", "other"}
        _until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        started = [int(pid) for pid in pids.read_text().split()]
        nest = int(Path(f"/proc/{started[0]}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(nest, signal.SIGKILL)
        assert {end.task.name: end.code for end in ends} == {"long": -signal.SIGKILL, "later": None}
    _until(lambda: not any(map(_is_alive, started)))


def test_local_begins_again_what_was_killed_as_often_as_its_retries_allow(task: Make) -> None:
    from scalelaw.executors import local

    tasks = [task("once", "is killed once"), task("never", "is killed once", retries=0)]
    codes = {end.task.name: end.code for end in local.run(tasks, jobs=1)}
    assert codes == {"once": 0, "never": -signal.SIGKILL}


def test_local_ends_what_takes_too_long_even_where_it_does_not_listen(task: Make) -> None:
    from scalelaw.executors import local

    limit = 0.5 / 60
    tasks = [
        task("asleep", "sleeps", minutes=limit),
        task("deaf", "does not listen", minutes=limit, retries=0),
    ]
    ends = {end.task.name: end for end in local.run(tasks, jobs=2, settings={"grace_s": 0.2})}
    assert {name: end.code for name, end in ends.items()} == {
        "asleep": -signal.SIGTERM,
        "deaf": -signal.SIGKILL,
    }
    assert ends["deaf"].reason == "It was ended after 0.00833333 minutes, its limit."


def test_local_spreads_tasks_over_gpus_and_shares_one(task: Make) -> None:
    from scalelaw.executors import local

    whole = [task(name, "holds its GPU") for name in "abc"]
    list(local.run(whole, jobs=3, settings={"gpus": [4, 7]}))
    assert sorted({t.result.read_text() for t in whole}) == ["4", "7"]
    slots = local._Slots([], {"gpus": [4, 7]})
    first, second, third = (task(f"half{n}", gpus=0.5) for n in range(3))
    assert [slots.take(t)["CUDA_VISIBLE_DEVICES"] for t in (first, second, third)] == ["4", "4", "7"]
    both = task("both", gpus=2)
    assert not slots.fit(both)
    for values in (first, second, third):
        slots.give(values)
    assert slots.take(both)["CUDA_VISIBLE_DEVICES"] == "4,7"
    assert local.jobs_for({"gpus": [4, 7]}) == 2


def test_local_refuses_what_it_can_never_give(task: Make) -> None:
    from scalelaw.executors import local

    for needs, settings, code in (
        ({"gpus": 3}, {"gpus": [0, 1]}, "too_much_asked"),
        ({"nodes": 2}, {}, "too_much_asked"),
        ({}, {"gpu": [0]}, "unknown_setting_of_local"),
        ({}, {"gpus": 2}, "bad_value"),
    ):
        with pytest.raises(InputError) as caught:
            local.asks([task("a", **needs)], jobs=1, settings=settings)
        assert caught.value.code == code
    with pytest.raises(InputError, match="gpus cannot be 2"):  # asked before anything else
        local.jobs_for({"gpus": 2})


def test_local_asked_to_make_room_asks_its_tasks_and_goes_on_from_what_they_saved(task: Make) -> None:
    from scalelaw.executors import local

    saver, other = task("saver", "saves when asked"), task("other")
    begun = saver.result.with_name("saver.begun")
    threading.Thread(target=lambda: (_until(begun.exists), os.kill(os.getpid(), signal.SIGUSR2))).start()
    with pytest.raises(Preempted):
        list(local.run([saver, other], jobs=1))
    assert not saver.result.exists()
    assert not other.result.exists()
    assert [end.code for end in local.run([saver, other], jobs=1)] == [0, 0]
    assert saver.result.read_text() == "what it knows"
