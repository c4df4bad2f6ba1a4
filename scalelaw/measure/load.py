"""Load on a server: a closed loop of a number of requests at once, or arrivals of a Poisson process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np

from scalelaw.measure.client import ChatClient
from scalelaw.measure.questions import Question
from scalelaw.measure.stream import Reply
from scalelaw.measure.summary import LEAST_REPLIES, spreads

MOST_ROUNDS = 8
"""Rounds of a cell, after which it is refused."""
MOST_FAILURES = 3
"""Failed requests without a single success after which a cell ends."""
MOST_IN_FLIGHT = 512
"""Requests in flight at which an arrival rate is more than the server serves."""


@dataclass
class Limits:
    """What the whole run may still use: requests, and the clock's time at which it ends."""

    requests: int
    ends_s: float
    sent: int = 0

    def take(self) -> bool:
        """Count one request; False where none is left."""
        if self.sent >= self.requests or time.perf_counter() >= self.ends_s:
            return False
        self.sent += 1
        return True

    @property
    def reason(self) -> str:
        """Which limit ended the run."""
        if self.sent >= self.requests:
            return f"The limit of {self.requests} requests is reached."
        return "The limit of time is reached."


@dataclass
class CellRun:
    """What a cell gave: its counted replies in the order in which they ended, the seconds that they took, and whether
    a limit of the run, or a queue that only grows, ended it."""

    replies: list[Reply] = field(default_factory=list)
    seconds: float = 0.0
    rounds: int = 0
    hit_limit: bool = False
    overloaded: bool = False

    @property
    def good(self) -> list[Reply]:
        """The whole replies."""
        return [reply for reply in self.replies if reply.is_timed]

    def is_hopeless(self) -> bool:
        """Whether requests fail, and none succeeds."""
        return not self.good and len(self.replies) >= MOST_FAILURES

    def is_stable(self, limit: float) -> bool:
        """Whether every median of the replies is known within the limit."""
        by_time = spreads(self.good)
        return bool(by_time) and max(by_time.values()) <= limit


Make = Callable[[], Question]


async def closed_loop(
    client: ChatClient, make: Make, concurrency: int, per_round: int, limits: Limits, spread: float
) -> CellRun:
    """Keep `concurrency` requests in flight until the medians are known within `spread`.

    The first request of each of the workers is a warm-up: all of them begin at once, which a steady load never does.
    Requests in flight at the end are awaited and not counted.
    """
    run, done = CellRun(), asyncio.Event()
    counted = max(per_round, LEAST_REPLIES)
    begun: list[float] = []

    async def worker() -> None:
        is_warm = False
        upcoming = asyncio.create_task(asyncio.to_thread(make))
        try:
            while not done.is_set():
                question = await upcoming
                if not limits.take():
                    run.hit_limit = True
                    done.set()
                    return
                upcoming = asyncio.create_task(asyncio.to_thread(make))
                reply = await client.ask(question)
                if done.is_set():
                    return
                if reply.status == "limit":
                    run.hit_limit = True
                    done.set()
                    return
                if is_warm or not reply.is_timed:
                    begun.append(time.perf_counter())
                    run.replies.append(reply)
                    _look(run, begun, counted, spread, done)
                is_warm = True
        finally:
            upcoming.cancel()

    await _together([worker() for _ in range(concurrency)])
    return run


async def poisson(
    client: ChatClient,
    make: Make,
    rate: float,
    per_round: int,
    limits: Limits,
    spread: float,
    seed: int | None,
) -> CellRun:
    """Send requests at random times, `rate` a second on average, until the medians are known within `spread`."""
    run, done = CellRun(), asyncio.Event()
    counted = max(per_round, LEAST_REPLIES)
    begun: list[float] = []
    gaps = np.random.default_rng(seed)
    in_flight: set[asyncio.Task[None]] = set()
    is_warm = False

    async def send(question: Question, counts: bool) -> None:
        reply = await client.ask(question)
        if reply.status == "limit":
            run.hit_limit = True
            done.set()
        elif not done.is_set() and (counts or not reply.is_timed):
            begun.append(time.perf_counter())
            run.replies.append(reply)
            _look(run, begun, counted, spread, done)

    at = time.perf_counter()
    upcoming = asyncio.create_task(asyncio.to_thread(make))
    while not done.is_set():
        at += float(gaps.exponential(1 / rate))
        question = await upcoming
        upcoming = asyncio.create_task(asyncio.to_thread(make))
        wait = min(at, limits.ends_s) - time.perf_counter()
        if wait > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), wait)
        if done.is_set():
            break
        if len(in_flight) >= MOST_IN_FLIGHT:
            run.overloaded = True
            done.set()
        elif not limits.take():
            run.hit_limit = True
            done.set()
        else:
            task = asyncio.create_task(send(question, is_warm))
            in_flight.add(task)
            task.add_done_callback(in_flight.discard)
            is_warm = True
    upcoming.cancel()
    if in_flight:
        await asyncio.gather(*in_flight)
    return run


def _look(run: CellRun, ended: list[float], counted: int, spread: float, done: asyncio.Event) -> None:
    """At the end of a round, decide whether the cell is finished."""
    run.seconds = ended[-1] - ended[0]
    if run.is_hopeless():
        done.set()
    if len(run.replies) % counted:
        return
    run.rounds += 1
    if run.is_stable(spread) or run.rounds >= MOST_ROUNDS:
        done.set()


async def _together(tasks: list[Awaitable[None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for task in tasks:
            group.create_task(task)  # type: ignore[arg-type]
