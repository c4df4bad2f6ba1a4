"""A checkpoint as a file: written whole, checked before it is believed, read without running what lies in it."""

from __future__ import annotations

import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from scalelaw.files import atomic


def write(path: Path, held: dict[str, Any]) -> None:
    """Write plain data and tensors beside the name, then move it. Raises InputError where there is no room."""
    with atomic(path) as part:
        try:
            torch.save(held, part)
        except RuntimeError as error:  # what torch makes of a full disk
            raise OSError(f"the checkpoint does not fit ({str(error).splitlines()[0]})") from error


def read(path: Path | None, *, checked: bool = True) -> dict[str, Any] | None:
    """What a checkpoint holds, on the CPU; None where there is none. One that is not whole is set aside, never
    believed: its work begins anew.

    checked: every byte is held to its checksum, which `torch.load` does not do; else its tensors are only mapped.
    """
    if path is None or not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if checked and archive.testzip() is not None:
                raise zipfile.BadZipFile
        held: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=not checked)
        return held
    except Exception:  # noqa: BLE001 - a reader of damaged archives raises whatever it stumbles over
        with suppress(FileNotFoundError):  # another process of the same work was there first
            path.replace(path.with_name(f"{path.name}.set-aside"))
        return None


def random_states() -> dict[str, Any]:
    """The states of torch's random generators."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_states(states: dict[str, Any]) -> None:
    """Go on with random numbers from there."""
    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available() and states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
