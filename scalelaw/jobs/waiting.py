"""Messages about waiting, printed once if a wait lasts longer than a few seconds."""

from __future__ import annotations

import sys
import time

from scalelaw.files.safe_text import say

AFTER = 5.0
"""Seconds."""


class Waits:
    """Prints each reason on stderr once, after it has lasted `AFTER` seconds without interruption."""

    def __init__(self, after: float | None = None) -> None:
        self._after = AFTER if after is None else after
        self._since: dict[str, float] = {}
        self._printed: set[str] = set()

    def reasons(self, *reasons: str) -> None:
        """Set the present reasons for waiting; earlier ones end."""
        now = time.monotonic()
        self._since = {reason: self._since.get(reason, now) for reason in reasons}
        for reason, since in self._since.items():
            if now - since >= self._after and reason not in self._printed:
                self._printed.add(reason)
                say(reason, sys.stderr)

    def longest(self) -> float:
        """Seconds since the oldest present reason began."""
        return time.monotonic() - min(self._since.values(), default=time.monotonic())
