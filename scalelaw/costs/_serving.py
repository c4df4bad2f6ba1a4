"""Queries that share a device in a closed loop. All times in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Loop:
    """wait: before the own prefill; per_token: between tokens."""

    wait: Any
    per_token: Any


def closed_loop(step_of: Callable[[Any], Any], work: Any, generate: float, batch: Any) -> Loop:
    """`batch` queries are always in flight: where one ends the next begins. work: image and prefill of one query."""
    tokens = max(generate, 1.0)
    step = step_of(batch) if generate else 0.0 * work
    per_token = step + (batch - 1) / tokens * work
    busy = np.minimum((batch - 1) / tokens * work / np.maximum(per_token, 1e-12), 1.0)
    return Loop(_wait(step, work, busy, batch), per_token)


def _wait(step: Any, work: Any, busy: Any, batch: Any) -> Any:
    """Half of the step that is running, and the queue of M/D/1; never more than the work of all others."""
    queue = busy / (2 * np.maximum(1 - busy, 1e-9)) * work
    return step / 2 + np.minimum(queue, (batch - 1) / 2 * work)
