"""A checkpoint as a file: written whole, checked before it is believed, read without running what lies in it."""

from __future__ import annotations

import errno
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from scalelaw.errors import InputError, ScalelawError
from scalelaw.files.paths import atomic
from scalelaw.jobs import preemption


def write(path: Path, state: dict[str, Any]) -> None:
    """Write plain data and tensors atomically. Raises InputError if the disk is full."""
    with atomic(path) as part:
        try:
            torch.save(state, part)
        except RuntimeError as error:  # what torch makes of a full disk
            raise OSError(f"the checkpoint does not fit ({str(error).splitlines()[0]})") from error


def read(path: Path | None) -> dict[str, Any] | None:
    """Read a checkpoint to the CPU; None if there is none.

    Every byte is verified against its checksum, which `torch.load` does not do. A damaged file is renamed, and its work
    restarts from the beginning. Raises Preempted, after reading, if a preemption signal arrived meanwhile, MemoryError
    if it does not fit into memory, and InputError if the file cannot be read.
    """
    if path is None or not path.is_file():
        return None
    with preemption.listening():
        state = _read(path)
    if preemption.requested():
        raise preemption.preempted()
    return state


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            whole = archive.testzip() is None
        if whole:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            return state
    except (ScalelawError, MemoryError):
        raise
    except FileNotFoundError:
        return None  # another process of the same work set it aside
    except Exception as error:  # a reader of damaged archives raises whatever it stumbles over
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # that is a place that no file has
            raise InputError(f"Cannot read {path}: {error.strerror or error}.", code="cannot_read") from error
        if "can't allocate memory" in str(error):  # torch's own words
            raise MemoryError(str(error)) from error
    with suppress(FileNotFoundError):  # as above
        path.replace(path.with_name(f"{path.name}.set-aside"))
    return None


def random_states() -> dict[str, Any]:
    """The states of torch's random generators."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_states(states: dict[str, Any]) -> None:
    """Go on with random numbers from there; on fewer devices than there were, with those of the first."""
    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available() and states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"][: torch.cuda.device_count()])
