"""What Slurm knows of jobs: asked of `squeue` for all of them at once, then of `sacct` where there is accounting."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalelaw.safe_text import say

OVER = {"CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "OUT_OF_MEMORY", "TIMEOUT"}  # by what it did
OVER |= {
    "BOOT_FAIL",
    "NODE_FAIL",
    "PREEMPTED",
    "REVOKED",
    "UNKNOWN",
}  # by what was done to it; or nobody knows it
NEVER = ("launch failed requeued held", "launch_failed_requeued_held", "BadConstraints", "JobHeldAdmin")
"""Reasons for which a job would wait for ever."""
ITS_TURN = {"None", "Priority", "Resources", "BeginTime", "JobArrayTaskLimit", "Cleaning", "Prolog"}
"""Reasons that pass by themselves; of any other, a person is told: it may need one."""
BEGINS = 180.0  # seconds that a job may need to begin: a slow disk, a container
SETTLED = 2  # looks in a row that must find a job over: its result may be seen later than its end


@dataclass(frozen=True)
class Batch:
    """An array of jobs. folder: where its orders lie. job: its number. names: of its tasks, job by job."""

    folder: Path
    job: str
    names: list[list[str]] = field(compare=False, repr=False)

    @staticmethod
    def read(folder: Path) -> Batch | None:
        """The batch that lies in a folder, None where it cannot be read."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            orders = json.loads((folder / "orders.json").read_text(encoding="utf-8"))
            job = (folder / "job").read_text(encoding="utf-8").strip()
            if job.isdigit():
                return Batch(folder, job, [[str(task["name"]) for task in part] for part in orders["jobs"]])
        return None

    def ends(self, place: int) -> dict[str, dict[str, Any]]:
        """How tasks of one job ended, as the job says: name -> {code, seconds, reason}; the last word counts."""
        with contextlib.suppress(OSError, ValueError):
            lines = (self.folder / f"ends-{place}.jsonl").read_text(encoding="utf-8").splitlines()
            return {held["name"]: held for held in map(json.loads, lines)}
        return {}


Job = tuple[Batch, int]


class Queue:
    """Looks at jobs. silence: seconds without a sign of life after which a running job is lost."""

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._over: dict[Job, int] = {}
        self._signs: dict[Job, tuple[str, float]] = {}
        self._said: set[str] = set()

    def alive(self, batch: Batch) -> list[int]:
        """The jobs of a batch that wait or run. Numbers are used again: it must be of this batch."""
        states = _states([batch.job], str(batch.folder)) or {}
        found = range(len(batch.names))
        return [place for place in found if _state(states, batch.job, place).partition(" ")[0] not in OVER]

    def lost(self, jobs: set[Job]) -> dict[Job, str]:
        """Those of the jobs that are over, and the state that Slurm gives; none where it does not answer."""
        states = _states(sorted({batch.job for batch, _ in jobs}))
        if states is None:
            return {}
        found: dict[Job, str] = {}
        for job in jobs:
            state = _state(states, job[0].job, job[1])
            self._say_why(state)
            if state.partition(" ")[0] in OVER:
                self._over[job] = self._over.get(job, 0) + 1
                if self._over[job] >= SETTLED:
                    found[job] = state
                    if state.endswith(")"):  # it waits for ever
                        _scancel([f"{job[0].job}_{job[1]}"])
            elif state.startswith("RUNNING") and self._is_silent(job):
                found[job] = f"no sign of life for {self._silence:g} s, its node may be lost"
                _scancel([f"{job[0].job}_{job[1]}"])
            else:
                self._over.pop(job, None)
        if unknown := {batch.job for (batch, _), state in found.items() if state == "UNKNOWN"}:
            told = last_states(unknown)
            found = {
                job: _state(told, job[0].job, job[1]) if state == "UNKNOWN" else state
                for job, state in found.items()
            }
        return found

    def _say_why(self, state: str) -> None:
        """Tell, once, a reason for which a job waits that is more than its turn."""
        word, _, reason = state.partition(" ")
        reason = reason.strip("()")
        if word == "PENDING" and reason not in ITS_TURN | self._said:
            self._said.add(reason)
            say(f"A job waits, says Slurm, for this: {reason}.", sys.stderr)

    def _is_silent(self, job: Job) -> bool:
        """Whether its sign has not changed for long, by this machine's clock (theirs may differ)."""
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
        """End jobs."""
        if jobs := [batch.job for batch in batches]:
            _scancel(jobs)


def _states(jobs: list[str], folder: str = "") -> dict[str, str] | None:
    """States of the jobs that the controller remembers, by `JOB_PLACE`; only of those whose script lies in `folder`.
    None where it does not answer."""
    command = ["squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%r|%o", "-j", ",".join(jobs)]
    asked = _answer(command)
    if asked is None or (asked.returncode and "Invalid job id" not in asked.stderr):
        return None
    found = {}
    for line in asked.stdout.splitlines():
        number, state, reason, script = line.split("|", 3)
        if folder in script:
            if state == "PENDING":
                state = f"{'FAILED' if reason in NEVER else state} ({reason})"
            found[number] = state
    return found


def last_states(jobs: Iterable[str]) -> dict[str, str]:
    """What the accounting says of jobs, by `JOB_PLACE`; nothing where there is none."""
    asked = _answer(["sacct", "-X", "-n", "-P", "-o", "JobID,State", "-j", ",".join(jobs)])
    if asked is None or asked.returncode:
        return {}
    return dict(line.split("|", 1) for line in asked.stdout.splitlines() if "|" in line)


def _state(states: dict[str, str], job: str, place: int) -> str:
    return states.get(f"{job}_{place}", "UNKNOWN")


def _answer(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _scancel(jobs: list[str]) -> None:
    _answer(["scancel", *jobs])
