"""Random numbers that belong to an index: the same on every machine, in any order, a thousand at a time.

splitmix64 (Steele, Lea, Flood, OOPSLA 2014) as a hash of (stream, index, slot).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return np.asarray(x ^ (x >> np.uint64(31)))


def uniform(stream: Sequence[int], indices: np.ndarray, slots: int) -> np.ndarray:
    """Numbers in [0, 1), float64 [len(indices), slots]; `stream` names the sequence (e.g. seed, split, purpose)."""
    state = np.zeros(1, np.uint64)
    for word in stream:
        state = _mix(state + np.array([word], np.uint64) * _FIRST + _GOLDEN)
    rows = _mix(state + np.asarray(indices).astype(np.uint64) * _GOLDEN)
    numbers = _mix(rows[:, None] + (np.arange(slots, dtype=np.uint64) + np.uint64(1)) * _GOLDEN)
    return (numbers >> np.uint64(11)).astype(np.float64) * 2.0**-53
