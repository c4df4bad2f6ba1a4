"""How a sweep calls its trainer: with a place to save what it knows, and once more in smaller pieces without memory.

A function of a trainer may take `saved: Path` (where it keeps what it knows: it goes on from what lies there, and when
`jobs.preemption.requested` saves it and raises Preempted) and `splits: int` (divide the micro-batch by it and multiply
the accumulation: the same mathematics in less memory). One that takes neither is called without.
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
    """Call a function of the trainer. Without memory it is called once more with `splits=2`, where it takes that.

    Raises ScalelawError `out_of_memory` where that is not enough, Preempted where several processes of torchrun are to
    begin again in halves, and what the function raises.
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
    """Where processes that share a piece of work note that one of them had no memory."""
    return saved.with_suffix(".halves")


def _together(function: Callable[..., Any], note: Path) -> Any:
    """One of several processes: where one has no memory, all begin again in halves, as they work step by step."""
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
        if tried and splits == 1:  # it, or another whose end this process felt
            raise Preempted(
                f"It ran out of memory: {reason}",
                code="out_of_memory",
                hint="It is to be begun again, with half the micro-batch.",
            ) from error
        raise


def _no_memory(reason: str, *, halves: bool) -> ScalelawError:
    tried = ", with half the micro-batch too" if halves else ""
    return ScalelawError(
        f"It ran out of memory{tried}: {reason}",
        code="out_of_memory",
        hint="Ask for a larger device, or for more of them.",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory left, of the machine or of its device."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _free() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
