"""Queries that share a device: in a closed loop, or arriving at a rate. All times in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST = 4096.0
"""Queries in flight at most; no engine serves more at once by default."""


@dataclass(frozen=True)
class Loop:
    """wait: before the own prefill; per_token: between tokens; in_flight: queries served at once."""

    wait: Any
    per_token: Any
    in_flight: Any


def closed_loop(step_of: Callable[[Any], Any], work: Any, generate: float, batch: Any) -> Loop:
    """`batch` queries are always in flight: where one ends the next begins. work: image and prefill of one query."""
    tokens = max(generate, 1.0)
    step = step_of(batch) if generate else 0.0 * work
    per_token = step + (batch - 1) / tokens * work
    busy = np.minimum((batch - 1) / tokens * work / np.maximum(per_token, 1e-12), 1.0)
    return Loop(_wait(step, work, busy, batch), per_token, batch)


def open_loop(step_of: Callable[[Any], Any], work: Any, generate: float, rate: float) -> Loop:
    """Queries arrive at random at `rate` a second; infinite where they come faster than they are served.

    The number in flight solves Little's law, n = rate x latency(n), by bisection.
    """
    work = np.asarray(work, dtype=float)
    busy = rate * work
    spare = np.maximum(1 - busy, 1e-9)

    def excess(batch: Any) -> Any:
        return rate * (work + generate * step_of(batch) / spare) - batch

    low, high = np.zeros_like(work + step_of(1.0)) + 1e-3, 0.0 * (work + step_of(1.0)) + MOST
    for _ in range(40):
        middle = np.sqrt(low * high)
        above = excess(middle) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    stable = (busy < 1) & (excess(np.full_like(high, MOST)) <= 0)
    batch = np.maximum(high, 1.0)
    step = step_of(batch) if generate else 0.0 * work
    wait = _wait(step, work, np.minimum(busy, 1 - 1e-9), np.inf)
    return Loop(*(np.where(stable, value, np.inf) for value in (wait, step / spare, batch)))


def _wait(step: Any, work: Any, busy: Any, batch: Any) -> Any:
    """Half of the step that is running, and the queue of M/D/1; never more than the work of all others."""
    queue = busy / (2 * np.maximum(1 - busy, 1e-9)) * work
    return step / 2 + np.minimum(queue, (batch - 1) / 2 * work)
