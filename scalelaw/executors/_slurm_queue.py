"""The states of Slurm jobs: from one `squeue` for all of them, then from `sacct` where there is accounting."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalelaw.files.safe_text import say
from scalelaw.jobs.waiting import Waits

OVER = {"CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "OUT_OF_MEMORY", "TIMEOUT"}  # ended by the job itself
OVER |= {
    "BOOT_FAIL",
    "NODE_FAIL",
    "PREEMPTED",
    "REVOKED",
    "UNKNOWN",
}  # ended by Slurm, or unknown
NEVER = ("launch failed requeued held", "launch_failed_requeued_held", "BadConstraints", "JobHeldAdmin")
"""Reasons with which a job waits forever."""
ITS_TURN = {"None", "Priority", "Resources", "BeginTime", "JobArrayTaskLimit", "Cleaning", "Prolog"}
"""Reasons that resolve by themselves; any other is printed, because it may need action."""
CLUSTER = re.compile(r"[\w.,-]*")
BEGINS = 180.0  # seconds that a job may need to start: slow disks, containers
NO_ANSWER = "squeue does not answer; waiting for Slurm."
UNREACHABLE = 30.0  # seconds after which jobs of an earlier runner are given up
SETTLED = 2  # polls in a row that must see a job ended: its result may appear later than its end


@dataclass(frozen=True)
class Batch:
    """An array of jobs. folder: of its `orders.json`. job: its number. names: of its tasks, job by job. cluster: its
    cluster, where Slurm has several; empty for the default one.
    """

    folder: Path
    job: str
    names: list[list[str]] = field(compare=False, repr=False)
    cluster: str = ""

    @staticmethod
    def read(folder: Path) -> Batch | None:
        """The batch in a folder, or None if it cannot be read."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            orders = json.loads((folder / "orders.json").read_text(encoding="utf-8"))
            job, _, cluster = (folder / "job").read_text(encoding="utf-8").strip().partition(";")
            if job.isdigit() and CLUSTER.fullmatch(cluster):
                names = [[str(task["name"]) for task in part] for part in orders["jobs"]]
                return Batch(folder, job, names, cluster)
        return None

    def ends(self, place: int) -> dict[str, dict[str, Any]]:
        """The ends of tasks as one job reports them: name -> {code, seconds, reason}; the last report counts."""
        with contextlib.suppress(OSError, ValueError):
            lines = (self.folder / f"ends-{place}.jsonl").read_text(encoding="utf-8").splitlines()
            return {end["name"]: end for end in map(json.loads, lines)}
        return {}


Job = tuple[Batch, int]


class Queue:
    """Watches jobs. silence: seconds without a heartbeat after which a running job counts as lost."""

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._over: dict[Job, int] = {}
        self._signs: dict[Job, tuple[str, float]] = {}
        self._said: set[str] = set()
        self._waits = Waits()

    def alive(self, batch: Batch) -> list[int]:
        """The indices of a batch that are pending or running. Slurm reuses job numbers, so the folder must match."""
        waits = Waits()
        while (states := _states([batch.job], batch.cluster, str(batch.folder))) is None:
            waits.reasons(NO_ANSWER)
            if waits.longest() > UNREACHABLE:
                return []
            time.sleep(1.0)
        places = range(len(batch.names))
        return [place for place in places if _state(states, batch.job, place).partition(" ")[0] not in OVER]

    def lost(self, jobs: set[Job]) -> dict[Job, str]:
        """The jobs that have ended and their states in Slurm; none if Slurm does not answer."""
        known: dict[Job, str] = {}
        reasons = []
        for cluster in sorted({batch.cluster for batch, _ in jobs}):
            here = [job for job in jobs if job[0].cluster == cluster]
            states = _states(sorted({batch.job for batch, _ in here}), cluster)
            if states is None:
                reasons.append(NO_ANSWER)
                continue
            known |= {job: _state(states, job[0].job, job[1]) for job in here}
        waiting = Counter(
            state.partition(" ")[2].strip("()") for state in known.values() if state[:4] == "PEND"
        )
        running = any(state.startswith("RUNNING") for state in known.values())
        if waiting and not running:
            counts = ", ".join(f"{count} for {reason}" for reason, count in sorted(waiting.items()))
            reasons.append(f"No job is running yet. Pending in the queue of Slurm: {counts}.")
        self._waits.reasons(*reasons)
        ended: dict[Job, str] = {}
        for job, state in known.items():
            self._say_why(state)
            if state.partition(" ")[0] in OVER:
                self._over[job] = self._over.get(job, 0) + 1
                if self._over[job] >= SETTLED:
                    ended[job] = state
                    if state.endswith(")"):  # it would wait forever
                        _scancel([f"{job[0].job}_{job[1]}"], job[0].cluster)
            elif state.startswith("RUNNING") and self._is_silent(job):
                ended[job] = f"no heartbeat for {self._silence:g} s; its node may be lost"
                _scancel([f"{job[0].job}_{job[1]}"], job[0].cluster)
            else:
                self._over.pop(job, None)
        unknown = [job for job, state in ended.items() if state == "UNKNOWN"]
        for cluster in sorted({batch.cluster for batch, _ in unknown}):
            here = [job for job in unknown if job[0].cluster == cluster]
            final = last_states(sorted({batch.job for batch, _ in here}), cluster)
            ended |= {job: _state(final, job[0].job, job[1]) for job in here}
            # a job that neither knows may still start: no submission is left without a runner
            if jobs_unknown := [f"{job[0].job}_{job[1]}" for job in here if ended[job] == "UNKNOWN"]:
                _scancel(jobs_unknown, cluster)
        return ended

    def _say_why(self, state: str) -> None:
        """Print a reason that does not resolve by itself, once."""
        word, _, reason = state.partition(" ")
        reason = reason.strip("()")
        if word == "PENDING" and reason not in ITS_TURN | self._said:
            self._said.add(reason)
            say(f"A job is pending in Slurm. Reason: {reason}.", sys.stderr)

    def _is_silent(self, job: Job) -> bool:
        """Whether the heartbeat has not changed for too long, by the clock of this machine."""
        try:
            sign = (job[0].folder / f"alive-{job[1]}").read_text(encoding="utf-8")
        except OSError:
            sign = ""
        known, since = self._signs.get(job, ("none", 0.0))
        if sign != known:
            self._signs[job] = (sign, time.monotonic())
            return False
        patience = self._silence if sign else max(self._silence, BEGINS)
        return time.monotonic() - since > patience

    def cancel(self, batches: Iterable[Batch]) -> None:
        """Cancel jobs."""
        listed = list(batches)
        for cluster in sorted({batch.cluster for batch in listed}):
            _scancel([batch.job for batch in listed if batch.cluster == cluster], cluster)


def _on(cluster: str) -> list[str]:
    """The option that selects another cluster than the default one."""
    return ["-M", cluster] if cluster else []


def _states(jobs: list[str], cluster: str = "", folder: str = "") -> dict[str, str] | None:
    """States of jobs by `JOB_INDEX`, for scripts in `folder`. None if the controller does not answer."""
    command = ["squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%r|%o", "-j", ",".join(jobs), *_on(cluster)]
    answer = _answer(command)
    if answer is None or (answer.returncode and "Invalid job id" not in answer.stderr):
        return None
    states = {}
    for line in answer.stdout.splitlines():
        if line.count("|") < 3:  # a header with the name of a cluster
            continue
        number, state, reason, script = line.split("|", 3)
        if folder in script:
            if state == "PENDING":
                state = f"{'FAILED' if reason in NEVER else state} ({reason})"
            states[number] = state
    return states


def last_states(jobs: Iterable[str], cluster: str = "") -> dict[str, str]:
    """States of jobs in the accounting database, by `JOB_INDEX`; empty where there is none."""
    answer = _answer(["sacct", "-X", "-n", "-P", "-o", "JobID,State", "-j", ",".join(jobs), *_on(cluster)])
    if answer is None or answer.returncode:
        return {}
    return dict(line.split("|", 1) for line in answer.stdout.splitlines() if "|" in line)


def _state(states: dict[str, str], job: str, place: int) -> str:
    return states.get(f"{job}_{place}", "UNKNOWN")


def _answer(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _scancel(jobs: list[str], cluster: str = "") -> None:
    _answer(["scancel", *_on(cluster), *jobs])
