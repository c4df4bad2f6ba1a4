"""Running targets: an input at a time in this process, watched; and three ways to make the choices.

seeded      a generator's seeds: fast, and any input can be made again by its number
hypothesis  the same choices made by hypothesis, which shrinks what fails
atheris     the same choices read from bytes that a coverage-guided fuzzer breeds, where atheris is installed
"""

from __future__ import annotations

import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st
from targets import Target

from scalelaw.errors import ScalelawError

SECONDS, MEMORY = 5.0, 2**30
"""What an input may take: seconds of this process, and bytes of all of it."""
QUICK = 0.005
"""Seconds in which no input can fill the memory."""


class Hang(BaseException):
    """An input took too long."""


@dataclass
class Report:
    """What a target met. answers, refusals: inputs that gave a result, or a ScalelawError. seconds: of this process,
    for all of them; slowest: for one. memory: bytes of the process at its largest. faults: what and where -> the
    sentence, and the input.
    """

    target: str
    answers: int = 0
    refusals: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    memory: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    repeated: int = 0

    @property
    def inputs(self) -> int:
        """How many were run."""
        return self.answers + self.refusals + len(self.faults) + self.repeated

    def __str__(self) -> str:
        line = f"{self.inputs:9,} inputs {self.answers:9,} answers {self.refusals:9,} refusals"
        line += f" {len(self.faults):3} faults"
        took = f"{self.seconds:8.1f} s, slowest {self.slowest:.2f} s, {self.memory >> 20} MiB"
        lines = [f"{self.target:26} {line} {took}"]
        return "\n".join([*lines, *(f"  FAULT {name}: {message}" for name, message in self.faults.items())])


class _Watch:
    """The input that is being run. since: this process's time at its start. unraisable: an exception that Python could
    only print."""

    since = 0.0
    unraisable: BaseException | None = None


@contextmanager
def watched(seconds: float = SECONDS) -> Iterator[None]:
    """While inside, raise Hang in an input that takes more than so many seconds of this process: others may be at
    work on this machine."""

    def ring(number: int, frame: FrameType | None) -> None:
        if time.process_time() - _Watch.since > seconds:
            raise Hang(f"more than {seconds:g} s")

    def keep(raised: Any) -> None:
        _Watch.unraisable = raised.exc_value

    hook, sys.unraisablehook = sys.unraisablehook, keep
    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds / 10, seconds / 10)
    _Watch.since = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        sys.unraisablehook = hook


def memory() -> int:
    """Bytes that this process held at its largest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def tried(target: Target, made: Any, folder: Path, report: Report) -> bool:
    """Run one input, inside of `watched`, and say in the report what came of it. Returns whether it was right."""
    before = report.memory or memory()
    start = _Watch.since = time.process_time()
    fault: BaseException | None = None
    _Watch.unraisable = None
    try:
        target.run(made, folder)
        report.answers += 1
    except ScalelawError as error:
        if error.code == "unexpected":
            fault = error
        else:
            report.refusals += 1
    except (Exception, Hang) as error:  # noqa: BLE001 - that is what is looked for
        fault = error
    fault = fault or _Watch.unraisable
    _Watch.since = time.process_time()
    report.slowest = max(report.slowest, _Watch.since - start)
    if _Watch.since - start > QUICK or report.inputs % 256 == 0:  # to ask costs more than a small input
        report.memory = memory()
    if fault is None and report.memory > MEMORY and report.memory - before > MEMORY // 16:
        fault = MemoryError(f"{report.memory >> 20} MiB, {(report.memory - before) >> 20} more than before")
    if fault is not None:
        _note(report, made, fault)
    return fault is None


def _note(report: Report, made: Any, fault: BaseException) -> None:
    frames = [f for f in traceback.extract_tb(fault.__traceback__) if "/fuzz/" not in f.filename]
    ours = [f for f in frames if "scalelaw" in f.filename] or frames
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "its own check"
    key = f"{type(fault).__name__} at {place}"
    if key in report.faults:
        report.repeated += 1
    else:
        report.faults[key] = f"{str(fault)[:300]}\n    input: {made!r}"[:3000]


def seeded(target: Target, count: int, seed: int, folder: Path) -> Report:
    """So many inputs by seeds: number i has the seed `TARGET/SEED/i`, so that it can be made again alone."""
    report, start = Report(target.name), time.process_time()
    chance = random.Random()
    with watched():
        for number in range(count):
            chance.seed(f"{target.name}/{seed}/{number}")
            tried(target, target.make(chance), folder, report)
    report.seconds = time.process_time() - start
    return report


def by_hypothesis(target: Target, count: int, seed: int, folder: Path) -> Report:
    """So many examples of hypothesis; a fault ends it, shrunk."""
    report, start = Report(target.name), time.process_time()

    @with_seed(seed)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def example(chance: random.Random) -> None:
        assert tried(target, target.make(chance), folder, report)

    try:
        with watched():
            example()
    except AssertionError:
        assert report.faults
    report.seconds = time.process_time() - start
    return report


class Bred(random.Random):
    """Choices read from bytes, zeros after their end."""

    def __init__(self, content: bytes) -> None:
        super().__init__(0)
        self._held, self._at = content, 0

    def getrandbits(self, k: int) -> int:
        """The next bits."""
        size = (k + 7) // 8
        read = self._held[self._at : self._at + size].ljust(size, b"\0")
        self._at += size
        return int.from_bytes(read, "little") >> (8 * size - k)

    def random(self) -> float:
        """The next number from 0 to 1."""
        return self.getrandbits(24) / (1 << 24)


def by_atheris(target: Target, count: int, seed: int, folder: Path) -> Report:
    """So many inputs that atheris breeds for the code they reach. It ends this process: what it met is printed."""
    import atheris

    report, start = Report(target.name), time.process_time()

    def one(content: bytes) -> None:
        with watched():
            tried(target, target.make(Bred(content)), folder, report)
        if report.inputs >= count:
            report.seconds = time.process_time() - start
            print(report, flush=True)
            import os

            os._exit(1 if report.faults else 0)

    arguments = [
        f"-runs={2 * count}",
        f"-seed={seed + 1}",
        "-max_len=512",
        "-timeout=30",
        "-rss_limit_mb=2048",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()
    return report


ENGINES = {"seeded": seeded, "hypothesis": by_hypothesis, "atheris": by_atheris}
