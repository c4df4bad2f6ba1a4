"""The executor `slurm` where Slurm has several clusters: all its commands speak of the same one. The commands are fakes
that write down how they were called."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalelaw.errors import InputError
from scalelaw.executors import _slurm_queue as queue
from scalelaw.executors import slurm as executor
from scalelaw.jobs.task import Task

pytest.importorskip("submitit", reason="needs submitit: pip install 'scalelaw[slurm]'")

FAKE = """#!/bin/bash
echo "$(basename $0) [$SLURM_CLUSTERS] $*" >> "$FAKE_LOG"
case $(basename $0) in
  sbatch) printf "$FAKE_ANSWER" ;;
  squeue) [ -n "$FAKE_DOWN" ] && { echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; }
          [ "$FAKE_STATE" = gone ] && { echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1; }
          echo "CLUSTER: slaking"; echo "123_0|$FAKE_STATE|Priority|x" ;;
  sacct) echo "123_0|TIMEOUT" ;;
esac
"""

Calls = Callable[[str], list[str]]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What a command was called with, each call as "[SLURM_CLUSTERS] arguments"."""
    (tmp_path / "bin").mkdir()
    for name in ("sbatch", "squeue", "scancel", "sacct", "scontrol", "srun"):
        (tmp_path / "bin" / name).write_text(FAKE)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("FAKE_ANSWER", "Submitted batch job 123\n")
    monkeypatch.setenv("FAKE_STATE", "gone")
    for name in ("SLURM_CLUSTERS", "SBATCH_CLUSTERS", "FAKE_DOWN"):
        monkeypatch.delenv(name, raising=False)

    def of(name: str) -> list[str]:
        lines = (tmp_path / "log").read_text().splitlines() if (tmp_path / "log").exists() else []
        return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]

    return of


def task(tmp_path: Path) -> Task:
    (tmp_path / "results").mkdir(exist_ok=True)
    return Task("a", "m", (), tmp_path / "results" / "a", tmp_path / "logs" / "a.out")


def swept(tmp_path: Path, **settings: Any) -> list[Any]:
    return list(executor.run([task(tmp_path)], jobs=1, settings={"poll_s": 0.05, **settings}))


@pytest.mark.parametrize(
    ("answer", "cluster"),
    [
        ("Submitted batch job 123 on cluster slaking\n", "slaking"),
        ("123\n", ""),
        ("123;slaking\n", "slaking"),
        ("Welcome to the cluster\nSubmitted batch job 123\n", ""),
        ("Submitted batch job 123\n", ""),
    ],
)
def test_the_answer_of_sbatch_names_the_job_and_its_cluster(
    answer: str, cluster: str, calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ANSWER", answer)
    (end, *_) = swept(tmp_path)
    assert end.reason == "Slurm ended its job: TIMEOUT."
    for command in ("squeue", "sacct"):
        assert calls(command)
        assert all(("-M" in call) == bool(cluster) for call in calls(command))
        assert all(f"-M {cluster}" in call for call in calls(command) if cluster)


@pytest.mark.parametrize("answer", ["123\n", "Submitted batch job 123 on cluster slaking\n"])
def test_the_cluster_that_the_environment_names_is_everybodys(
    answer: str, calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CLUSTERS", "slaking")
    monkeypatch.setenv("SLURM_JOB_ID", "7")  # of the job that the runner is in: no business of sbatch
    monkeypatch.setenv("FAKE_ANSWER", answer)
    swept(tmp_path)
    every = [call for name in ("sbatch", "squeue", "sacct") for call in calls(name)]
    assert len(calls("sbatch")) == 2  # its retry
    assert all(call.startswith("[slaking]") for call in every)
    assert all("-M slaking" in call for name in ("squeue", "sacct") for call in calls(name))


def test_the_cluster_of_the_settings_is_asked_with_its_name(calls: Calls, tmp_path: Path) -> None:
    swept(tmp_path, additional_parameters={"clusters": "other"})
    assert all("-M other" in call for name in ("squeue", "sacct") for call in calls(name))
    assert calls("squeue")


def test_jobs_are_cancelled_on_their_cluster_and_taken_over_from_it(
    calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ANSWER", "123;slaking")
    monkeypatch.setenv("FAKE_STATE", "PENDING")
    monkeypatch.setattr(queue, "_state", lambda *_: "PENDING (Priority)")
    tasks = [task(tmp_path)]
    cluster = executor._Cluster(tasks, 1, executor._settings({"poll_s": 0.05}))
    cluster.submit([(tasks[0],)])
    (batch, _), *_ = cluster.running.values()
    assert queue.Batch.read(batch.folder) == batch
    assert (batch.job, batch.cluster) == ("123", "slaking")
    later = executor._Cluster(tasks, 1, executor._settings({}))
    later.take_over()
    assert later.running == {"a": (batch, 0)}
    later.cancel()
    assert calls("scancel") == ["[] -M slaking 123"]


def test_an_answer_without_a_job_is_a_sentence(
    calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ANSWER", "what?")
    with pytest.raises(InputError) as caught:
        swept(tmp_path)
    assert caught.value.code == "job_refused"


@pytest.mark.parametrize("down", [True, False])
def test_a_wait_is_said_once(
    down: bool,
    calls: Calls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A scheduler that does not answer, and a queue that is long."""
    monkeypatch.setattr("scalelaw.jobs.waiting.AFTER", 0.0)
    monkeypatch.setenv("FAKE_STATE", "PENDING")
    if down:
        monkeypatch.setenv("FAKE_DOWN", "1")
    looks = queue.Queue(45.0)
    batch = queue.Batch(tmp_path, "123", [["a"]])
    for _ in range(4):
        assert looks.lost({(batch, 0)}) == {}
    words = capsys.readouterr().err
    assert words.count(queue.NO_ANSWER) == int(down)
    assert words.count("No job is running yet") == int(not down)


def test_a_job_that_slurm_does_not_know_is_cancelled(
    calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may still start, and no runner would watch it."""
    monkeypatch.setenv("FAKE_ANSWER", "Submitted batch job 999 on cluster slaking\n")
    ends = swept(tmp_path)
    assert ends[-1].reason == "Slurm ended its job: UNKNOWN."
    assert calls("scancel") == ["[] -M slaking 999_0"] * len(calls("sbatch"))
