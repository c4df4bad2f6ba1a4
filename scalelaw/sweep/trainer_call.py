"""Calls of the trainer: with the path of a checkpoint, and a second time with smaller batches if memory runs out.

A function of a trainer may take `saved: Path`, its checkpoint: it continues from an existing one, and if
`jobs.preemption.requested` is true, it saves and raises Preempted. It may also take `splits: int`, by which it divides
the micro-batch and multiplies the gradient accumulation, which gives the same result in less memory.
"""

from __future__ import annotations

import gc
import inspect
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from scalelaw.errors import Preempted, ScalelawError
from scalelaw.files.paths import write_text


def call(function: Callable[..., Any], *arguments: Any, saved: Path, log: Any, **choices: Any) -> Any:
    """Call a function of the trainer; if memory runs out, call it again with `splits=2` if it takes that.

    Raises ScalelawError `out_of_memory` if that fails too, Preempted if torchrun has to restart its processes with
    `splits=2`, and whatever the function raises.
    """
    takes = inspect.signature(function).parameters
    if "saved" in takes:
        saved.parent.mkdir(parents=True, exist_ok=True)
        choices["saved"] = saved
    if "splits" in takes and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return _together(partial(function, *arguments, **choices), halves_note(saved))
    reason = ""
    for splits in (1, 2) if "splits" in takes else (1,):
        if splits > 1:
            log(event="out of memory", splits=splits)
            choices["splits"] = splits
            _free()
        try:
            return function(*arguments, **choices)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = _first_line(error)
    raise _no_memory(reason, halves="splits" in takes)


def halves_note(saved: Path) -> Path:
    """The file in which processes of torchrun record that one of them ran out of memory."""
    return saved.with_suffix(".halves")


def _together(function: Callable[..., Any], note: Path) -> Any:
    """Call a function in one of several processes: if one runs out of memory, all are restarted with `splits=2`."""
    splits = 2 if note.exists() else 1
    try:
        return function(splits=splits)
    except Preempted:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            write_text(note, f"{splits} {_first_line(error)}")
        tried, _, reason = note.read_text(encoding="utf-8").partition(" ") if note.exists() else ("", "", "")
        if tried == "2":
            raise _no_memory(reason, halves=True) from error
        if tried and splits == 1:  # in this process, or in another one that this process noticed
            raise Preempted(
                f"It ran out of memory: {reason}",
                code="out_of_memory",
                hint="It is restarted with half the micro-batch.",
            ) from error
        raise


def _no_memory(reason: str, *, halves: bool) -> ScalelawError:
    tried = ", also with half the micro-batch" if halves else ""
    return ScalelawError(
        f"It ran out of memory{tried}: {reason}",
        code="out_of_memory",
        hint="Use a larger device, or more of them.",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error reports that the memory of the machine or device is exhausted."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _free() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
