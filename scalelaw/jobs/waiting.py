"""What a process waits for, printed once where that lasts longer than a few seconds."""

from __future__ import annotations

import sys
import time

AFTER = 5.0
"""Seconds."""


class Waits:
    """Prints each reason once on stderr, after it has lasted `AFTER` seconds without a break."""

    def __init__(self, after: float | None = None) -> None:
        self._after = AFTER if after is None else after
        self._since: dict[str, float] = {}
        self._printed: set[str] = set()

    def reasons(self, *reasons: str) -> None:
        """These are the reasons to wait now; the others are over."""
        now = time.monotonic()
        self._since = {reason: self._since.get(reason, now) for reason in reasons}
        for reason, since in self._since.items():
            if now - since >= self._after and reason not in self._printed:
                self._printed.add(reason)
                print(reason, file=sys.stderr, flush=True)

    def longest(self) -> float:
        """Seconds that the oldest of the present reasons has lasted."""
        return time.monotonic() - min(self._since.values(), default=time.monotonic())
