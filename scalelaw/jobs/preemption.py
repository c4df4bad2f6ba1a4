"""Making room: a process that is asked to end (SIGTERM, SIGUSR1, SIGUSR2) may save what it knows first.

What can save says so (`listening`), looks whether it was `requested`, saves and raises Preempted. Where nothing can, the
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
"""By which schedulers announce the end of a job."""
SIGNALS = (signal.SIGTERM, *USER)

_requested = threading.Event()
_listeners: list[object] = []
_ignored: set[int] = set()
"""Signals that are ignored since they were heard."""


@contextmanager
def heard() -> Iterator[None]:
    """Hear the signals that the process does not handle otherwise, in its main thread; then as before."""
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
                _ignored.add(
                    number
                )  # schedulers tell twice, and it must not end who is leaving with its own code
                signal.signal(number, signal.SIG_IGN)
            else:
                signal.signal(number, signal.SIG_DFL)


@contextmanager
def listening() -> Iterator[None]:
    """While this holds, signals raise nothing: whoever holds it looks at `requested` often, and saves."""
    me = object()
    _listeners.append(me)
    try:
        yield
    finally:
        _listeners.remove(me)


def requested() -> bool:
    """Whether this process was asked to make room."""
    return _requested.is_set()


def preempted() -> Preempted:
    """What to raise once everything is saved."""
    return Preempted(
        "It was asked to make room.", code="preempted", hint="Running it again goes on from there."
    )


def _hear(number: int, frame: FrameType | None) -> None:
    first = not _requested.is_set()
    _requested.set()
    if first and not _listeners:
        raise preempted()
