"""Preemption: a process that gets SIGTERM, SIGUSR1 or SIGUSR2 can save a checkpoint before it ends.

Code that can save runs inside `listening`, polls `requested`, saves and raises Preempted. Outside of `listening`, the
signal raises Preempted at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from scalelaw.errors import Preempted

USER = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals with which schedulers announce the end of a job."""
SIGNALS = (signal.SIGTERM, *USER)

_requested = threading.Event()
_listeners: list[object] = []
_ignored: set[int] = set()
"""Signals that are ignored after the first."""


@contextmanager
def heard() -> Iterator[None]:
    """Handle the signals for which the process has no other handler, in its main thread; restore them afterwards."""
    main = threading.current_thread() is threading.main_thread()
    ours = [n for n in SIGNALS if main and (signal.getsignal(n) is signal.SIG_DFL or n in _ignored)]
    if ours:
        _requested.clear()
    for number in ours:
        signal.signal(number, _hear)
    try:
        yield
    finally:
        for number in ours:
            if number in USER and _requested.is_set():
                # schedulers send a signal twice; the second must not change the exit code
                _ignored.add(number)
                signal.signal(number, signal.SIG_IGN)
            else:
                signal.signal(number, signal.SIG_DFL)


@contextmanager
def listening() -> Iterator[None]:
    """Signals raise nothing inside this context: the caller polls `requested` and saves."""
    me = object()
    _listeners.append(me)
    try:
        yield
    finally:
        _listeners.remove(me)


def requested() -> bool:
    """Whether a preemption signal has arrived."""
    return _requested.is_set()


def preempted() -> Preempted:
    """The exception to raise after the checkpoint is saved."""
    return Preempted(
        "The process was preempted.", code="preempted", hint="Run it again to continue from its checkpoint."
    )


def _hear(number: int, frame: FrameType | None) -> None:
    first = not _requested.is_set()
    _requested.set()
    if first and not _listeners:
        raise preempted()
