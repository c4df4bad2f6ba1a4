"""Whose turn it is: locks that a process holds while it lives, and that its death gives back."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scalelaw.errors import InputError
from scalelaw.files.paths import NO_LINK, NO_WAIT
from scalelaw.jobs.waiting import Waits


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock at `path`, waiting for it as long as another process holds it; a long wait is said on stderr.

    Raises InputError where the lock's folder cannot be written.
    """
    handle = _acquire(path, wait=True)
    assert handle is not None
    try:
        _sign(handle)
        yield
    finally:
        _release(path, handle)


@contextmanager
def only_runner(path: Path) -> Iterator[None]:
    """Hold the lock of a sweep's runner. Raises InputError `sweep_running` where another runner holds it."""
    handle = _acquire(path, wait=False)
    if handle is None:
        raise InputError(
            f"A sweep is running in {path.parent} ({holder(path)}).",
            code="sweep_running",
            hint="Wait until it ends, or give another folder with --out.",
        )
    try:
        _sign(handle)
        yield
    finally:
        _release(path, handle)


def holder(path: Path) -> str:
    """Who holds the lock at `path`, as it says itself."""
    try:
        handle = os.open(path, os.O_RDONLY | NO_WAIT)
    except OSError:
        return "another process"
    try:
        return os.read(handle, 200).decode(errors="replace").strip() or "another process"
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock at `path`; takes nothing and makes nothing."""
    try:
        handle = os.open(path, os.O_RDWR | NO_WAIT)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(handle)


def _acquire(path: Path, *, wait: bool) -> int | None:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
        except OSError as error:
            raise InputError(
                f"Cannot write {path}: {error.strerror}.",
                code="cannot_write",
                hint="Choose a folder that exists and that you may write to.",
            ) from error
        try:
            if wait:
                _wait_for(path, handle)
            else:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, handle):
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _wait_for(path: Path, handle: int) -> None:
    waits, pause = Waits(), 0.01
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            waits.reasons(f"{path.stem} is being made by {holder(path)}: waiting for it (lock {path}).")
            time.sleep(pause)
            pause = min(2 * pause, 0.5)


def _sign(handle: int) -> None:
    """Write into a lock who holds it."""
    with suppress(OSError):  # a full disk does not undo a lock
        os.truncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())


def _is_still(path: Path, handle: int) -> bool:
    """Whether the file that was locked is the one at `path`: its last holder may have removed it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _release(path: Path, handle: int) -> None:
    with suppress(FileNotFoundError):
        path.unlink()  # while it is held, so that nobody waits for a file that is gone without noticing
    os.close(handle)
