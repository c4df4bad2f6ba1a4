"""File locks, released when the process that holds them ends."""

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
    """Hold the lock at `path`, waiting while another process holds it; a long wait is reported on stderr.

    Raises InputError if the folder of the lock cannot be written.
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
    """Hold the lock of the runner of a sweep. Raises InputError `sweep_running` if another runner holds it."""
    handle = _acquire(path, wait=False)
    if handle is None:
        raise InputError(
            f"A sweep is running in {path.parent} ({holder(path)}).",
            code="sweep_running",
            hint="Wait until it ends, or use another folder with --out.",
        )
    try:
        _sign(handle)
        yield
    finally:
        _release(path, handle)


def holder(path: Path) -> str:
    """The holder of the lock at `path`, as written into it."""
    try:
        handle = os.open(path, os.O_RDONLY | NO_WAIT)
    except OSError:
        return "another process"
    try:
        return os.read(handle, 200).decode(errors="replace").strip() or "another process"
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock at `path`; does not take or create it."""
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
                hint="Use an existing folder with write permission.",
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
            waits.reasons(f"Waiting for {path.stem}, which {holder(path)} is making (lock {path}).")
            time.sleep(pause)
            pause = min(2 * pause, 0.5)


def _sign(handle: int) -> None:
    """Write the holder into a lock."""
    with suppress(OSError):  # a full disk does not release a lock
        os.truncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())


def _is_still(path: Path, handle: int) -> bool:
    """Whether the locked file is still the one at `path`: its last holder may have removed it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(handle), path.stat())
    return False


def _release(path: Path, handle: int) -> None:
    with suppress(FileNotFoundError):
        path.unlink()  # before the release, so that a waiting process notices that the file is gone
    os.close(handle)
