"""The executor `slurm`, on a real Slurm: what becomes of jobs is seen as what it is, with and without accounting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scalelaw.errors import InputError
from scalelaw.executors import _slurm_queue as queue
from scalelaw.executors import slurm as executor
from scalelaw.jobs.task import Finished, Needs, Task

MODULE = """
import os, pathlib, signal, sys, time
from scalelaw.jobs import preemption

def main(arguments):
    kind, result = arguments[0], pathlib.Path(arguments[1])
    with result.with_suffix(".begun").open("a") as file:
        file.write(f"{os.getpid()} {os.environ.get('SLURM_JOB_ID')} {os.environ.get('CUDA_VISIBLE_DEVICES')}\\n")
    if kind == "fails":
        return 3
    if kind == "sleeps once" and len(result.with_suffix(".begun").read_text().splitlines()) > 1:
        kind = "works"
    if kind in ("sleeps", "sleeps once"):
        time.sleep(600)
    if kind == "hears nothing":
        for number in (signal.SIGTERM, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(600)
    if kind == "counts":
        state = result.with_suffix(".state")
        done = int(state.read_text()) if state.exists() else 0
        with preemption.heard(), preemption.listening():
            while done < 30:
                time.sleep(0.1)
                done += 1
                if preemption.requested():
                    state.write_text(str(done))
                    return 75
    if kind == "ranks":
        me = result.with_suffix("." + os.environ["RANK"])
        me.write_text(" ".join(os.environ[k] for k in ("WORLD_SIZE", "LOCAL_RANK", "GROUP_RANK")))
        if os.environ["RANK"] != "0":
            return 0
    result.write_text("done")
    return 0

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""

Make = Callable[..., Task]
FAST = {"poll_s": 0.2}


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A task of some kind, whose module jobs find."""
    (tmp_path / "work_on_slurm.py").write_text(MODULE)
    others = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path) + (os.pathsep + others if others else ""))

    def make(name: str, kind: str = "works", after: tuple[Task, ...] = (), **needs: Any) -> Task:
        result = tmp_path / "results" / name
        result.parent.mkdir(exist_ok=True)
        output, saved = tmp_path / "logs" / f"{name}.out", result.with_suffix(".state")
        inputs = (kind, str(result))
        return Task(name, "work_on_slurm", inputs, result, output, after, needs=Needs(**needs), saved=saved)

    return make


def _begun(task: Task) -> list[list[str]]:
    """Process, job and GPUs of each time that the task began."""
    path = task.result.with_suffix(".begun")
    return [line.split(" ") for line in path.read_text().splitlines()] if path.exists() else []


def _until(happened: Callable[[], Any], patience: float = 60) -> None:
    ends = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < ends, f"it did not happen within {patience} s"
        time.sleep(0.05)


def _ask(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _meanwhile(tasks: list[Task], harm: Callable[[], None], **settings: Any) -> dict[str, Finished]:
    """Run tasks and do something once the first has begun."""
    thread = threading.Thread(target=lambda: (_until(lambda: _begun(tasks[0])), harm()))
    thread.start()
    ends = {end.task.name: end for end in executor.run(tasks, jobs=8, settings={**FAST, **settings})}
    thread.join()
    return ends


def test_small_tasks_share_a_job_and_gpus_are_given(slurm: Path, task: Make) -> None:
    tasks = [task(name, cells_per_job=3) for name in "abcd"] + [task("gpus", gpus=2)]
    assert {end.code for end in executor.run(tasks, jobs=8, settings=FAST)} == {0}
    jobs = [_begun(t)[0][1] for t in tasks]
    assert jobs[0] == jobs[1] == jobs[2] != jobs[3]
    assert _begun(tasks[4])[0][2] == "0,1"


def test_a_task_that_fails_takes_none_of_its_job_along_and_is_not_tried_again(
    slurm: Path, task: Make
) -> None:
    tasks = [task("bad", "fails", cells_per_job=2), task("good", cells_per_job=2)]
    ends = {end.task.name: end for end in executor.run(tasks, jobs=8, settings=FAST)}
    assert {name: end.code for name, end in ends.items()} == {"bad": 3, "good": 0}
    assert len(_begun(tasks[0])) == 1


def test_a_job_that_is_cancelled_is_seen_as_cancelled(slurm: Path, task: Make) -> None:
    long = task("long", "sleeps")
    ends = _meanwhile([long], lambda: subprocess.run(["scancel", _begun(long)[0][1]], check=True))
    assert ends["long"].reason == "Slurm ended its job: CANCELLED."
    assert len(_begun(long)) == 1


def test_a_task_that_is_killed_is_begun_again(slurm: Path, task: Make) -> None:
    once, never = task("once", "sleeps once"), task("never", "sleeps", retries=0)
    ends = _meanwhile(
        [once, never],
        lambda: (
            _until(lambda: _begun(never)),
            [os.kill(int(_begun(t)[0][0]), signal.SIGKILL) for t in (once, never)],
        ),
    )
    assert {name: end.code for name, end in ends.items()} == {"once": 0, "never": -signal.SIGKILL}
    assert len(_begun(once)) == 2


def test_a_job_whose_own_process_is_killed_is_begun_again(slurm: Path, task: Make) -> None:
    once = task("once", "sleeps once")

    def kill() -> None:
        nest = int(Path(f"/proc/{_begun(once)[0][0]}/stat").read_text().rpartition(")")[2].split()[1])
        job = int(Path(f"/proc/{nest}/stat").read_text().rpartition(")")[2].split()[1])
        assert b"_slurm_job" in Path(f"/proc/{job}/cmdline").read_bytes()
        os.kill(job, signal.SIGKILL)

    assert _meanwhile([once], kill)["once"].code == 0
    assert len({job for _, job, _ in _begun(once)}) == 2


@pytest.mark.parametrize("accounting", [0, 1])
def test_a_lost_node_is_seen_and_its_work_goes_elsewhere(
    slurm_like: Callable[..., Any], task: Make, tmp_path: Path, accounting: int
) -> None:
    """The node's daemon and all its processes end at once, and nobody tells the controller."""
    with slurm_like(NODES=2, CPUS=2, ACCOUNTING=accounting):
        once, other = task("once", "sleeps once"), task("other")

        def lose() -> None:
            job = _begun(once)[0][1]
            node = _ask("squeue", "-h", "-j", job, "-o", "%N").strip()
            daemon = int((tmp_path / "slurm" / f"slurmd_{node}.pid").read_text())
            steps = [pid for pid in _processes() if f"slurmstepd: [{job}." in _command(pid)]
            assert steps
            for pid in (daemon, *steps):
                os.kill(pid, signal.SIGKILL)
            for pid in _processes():
                if "_slurm_job" in _command(pid) or "_fork_server" in _command(pid):
                    _kill_if_of(pid, job)

        ends = _meanwhile([once, other], lose, silence_s=6.0)
        assert {name: end.code for name, end in ends.items()} == {"once": 0, "other": 0}
        assert len({job for _, job, _ in _begun(once)}) == 2


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _kill_if_of(pid: int, job: str) -> None:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        if f"SLURM_JOB_ID={job}".encode() in environment:
            os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


def test_a_job_whose_time_is_nearly_up_saves_and_goes_on_from_there(slurm: Path, task: Make) -> None:
    """SIGUSR2 is what Slurm sends then."""
    slow = task("slow", "counts", retries=0)
    ends = _meanwhile(
        [slow],
        lambda: (
            time.sleep(1),
            subprocess.run(["scancel", "--signal=USR2", _begun(slow)[0][1]], check=True),
        ),
    )
    assert ends["slow"].code == 0
    assert 5 <= int(slow.saved.read_text()) < 30
    assert len(_begun(slow)) == 2
    assert len({job for _, job, _ in _begun(slow)}) == 1


def test_a_job_whose_time_is_up_and_that_saved_nothing_is_said_to(slurm: Path, task: Make) -> None:
    long = task("long", "sleeps", retries=0)
    ends = _meanwhile(
        [long], lambda: subprocess.run(["scancel", "--signal=USR2", _begun(long)[0][1]], check=True)
    )
    assert "saved no checkpoint" in ends["long"].reason
    assert ends["long"].code is not None
    assert ends["long"].code < 0


def test_a_job_that_runs_out_of_its_time_is_seen_as_that(slurm: Path, task: Make) -> None:
    """Slurm counts in minutes, and looks twice in one."""
    deaf = task("deaf", "hears nothing", minutes=1, retries=0)
    (end,) = executor.run([deaf], jobs=8, settings={**FAST, "grace_s": 600})
    assert (end.code, end.reason) == (-signal.SIGKILL, "Slurm ended its job: TIMEOUT.")
    assert 60 <= end.seconds < 150
    assert len(_begun(deaf)) == 1


def test_a_job_that_is_preempted_saves_and_goes_on_from_there(slurm: Path, task: Make) -> None:
    slow = task("slow", "counts", cpus=8, retries=0)
    urgent = ["sbatch", "-p", "urgent", "-c", "8", "-o", os.devnull, "--parsable", "--wrap", "sleep 1"]
    ends = _meanwhile([slow], lambda: (time.sleep(1), _ask(*urgent)))
    assert ends["slow"].code == 0
    assert len(_begun(slow)) == 2
    assert 5 <= int(slow.saved.read_text()) < 30


def test_a_job_that_somebody_requeues_is_waited_for(slurm: Path, task: Make) -> None:
    once = task("once", "sleeps once", retries=0)
    ends = _meanwhile([once], lambda: subprocess.run(["scontrol", "requeue", _begun(once)[0][1]], check=True))
    assert ends["once"].code == 0
    assert len({job for _, job, _ in _begun(once)}) == 1
    assert len(_begun(once)) == 2


def test_an_end_of_the_runner_ends_its_jobs(slurm: Path, task: Make) -> None:
    long, short = task("long", "sleeps"), task("short")
    with closing(executor.run([long, short], jobs=8, settings=FAST)) as ends:
        assert next(ends).task.name == "short"
        _until(lambda: _begun(long))
        job = _begun(long)[0][1]
    _until(lambda: not _ask("squeue", "-h", "-o", "%A", "-t", "PD,R,CG").split().count(job))


RUNNER = """
import json, sys
from scalelaw.executors import slurm
from scalelaw.jobs.task import task_from
list(slurm.run([task_from(json.loads(sys.argv[1]))], settings={"poll_s": 0.2}))
"""


def test_jobs_of_a_runner_that_was_killed_are_taken_over(slurm: Path, task: Make) -> None:
    from scalelaw.jobs.task import facts_of
    from scalelaw.results.envelope import dumps

    slow = task("slow", "counts")
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, dumps(facts_of(slow))])
    try:
        _until(lambda: _begun(slow))
    finally:
        runner.kill()
        runner.wait()
    assert [end.code for end in executor.run([slow], jobs=8, settings=FAST)] == [0]
    assert len(_begun(slow)) == 1


@pytest.mark.parametrize("accounting", [0, 1])
def test_several_nodes_run_one_task_by_torchrun(
    slurm_like: Callable[..., Any], task: Make, accounting: int
) -> None:
    with slurm_like(NODES=2, CPUS=2, ACCOUNTING=accounting):
        wide = task("wide", "ranks", nodes=2, gpus=2)
        ends = list(executor.run([wide], jobs=8, settings=FAST))
        assert [end.code for end in ends] == [0], wide.output.read_text()
    ranks = {rank: wide.result.with_suffix(f".{rank}").read_text() for rank in range(4)}
    assert ranks == {0: "4 0 0", 1: "4 1 0", 2: "4 0 1", 3: "4 1 1"}


def test_a_task_on_several_nodes_that_fails_is_a_failure(slurm_like: Callable[..., Any], task: Make) -> None:
    with slurm_like(NODES=2, CPUS=2):
        ends = list(executor.run([task("wide", "fails", nodes=2)], jobs=8, settings=FAST))
        assert [end.code for end in ends] == [3]


def test_the_predicted_request_is_the_one_that_sbatch_receives(task: Make) -> None:
    if not executor.shutil.which("srun"):
        pytest.skip("needs Slurm's commands: apt-get install slurm-client")
    tasks = [task(f"t{n}", cells_per_job=2, gpus=1, cpus=4, minutes=45, memory_gb=1.5) for n in range(5)]
    (ask,) = executor.asks(tasks, jobs=2, settings={"partition": "gpu", "signal_delay_s": 300})
    assert (ask["jobs"], ask["tasks"]) == (3, 5)
    expected = {
        "--array=0-2%2", "--cpus-per-task=4", "--gpus-per-node=1", "--mem=1536MB", "--nodes=1", "--partition=gpu",
        "--requeue", "--signal=USR2@300", "--time=90",
    }  # fmt: skip
    assert expected <= set(ask["sbatch"])


def test_what_slurm_refuses_is_a_sentence(slurm: Path, task: Make) -> None:
    for settings, code in (
        ({"partition": "nowhere"}, "job_refused"),
        ({"partitoin": "x"}, "unknown_setting_of_slurm"),
        ({"setup": "module load x"}, "bad_value"),
        ({"additional_parameters": "x"}, "bad_value"),
        ({"signal_delay_s": "x"}, "bad_value"),
    ):
        with pytest.raises(InputError) as caught:
            list(executor.run([task("a")], jobs=1, settings={**FAST, **settings}))
        assert caught.value.code == code


def test_what_a_job_waits_for_beside_its_turn_is_said_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A partition that is down keeps a job waiting for days; that its turn has not come is no news."""
    batch = queue.Batch(tmp_path, "7", [["a"], ["b"], ["c"]])
    rows = [f"7_0|PENDING|PartitionDown|{tmp_path}", f"7_1|PENDING|Priority|{tmp_path}"]
    output = "\n".join([*rows, f"7_2|PENDING|BadConstraints|{tmp_path}"])
    answer = subprocess.CompletedProcess([], 0, output, "")
    monkeypatch.setattr(queue, "_answer", lambda command: answer)
    looks = queue.Queue(45.0)
    jobs = {(batch, place) for place in range(3)}
    assert looks.lost(jobs) == {}
    assert looks.lost(jobs) == {(batch, 2): "FAILED (BadConstraints)"}
    assert looks.alive(batch) == [0, 1]
    assert capsys.readouterr().err == "A job is pending in Slurm. Reason: PartitionDown.\n"


def test_what_sbatch_says_without_a_controller_is_in_the_sentence(
    task: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for tool in ("sbatch", "squeue", "scancel"):
        script = "; ".join(f"echo sbatch: error: {word} >&2" for word in ("first", "second", "third"))
        (tmp_path / tool).write_text(f"#!/bin/sh\n{script}\nexit 1\n")
        (tmp_path / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(InputError, match="rejected the job: sbatch: error: third") as caught:
        list(executor.run([task("a")], jobs=1, settings=FAST))
    assert caught.value.hint == "sbatch: error: first\n  sbatch: error: second"
    assert capfd.readouterr().err == ""


def test_without_slurm_there_is_a_sentence(
    task: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="of Slurm is not installed"):
        list(executor.run([task("a")], jobs=1))
