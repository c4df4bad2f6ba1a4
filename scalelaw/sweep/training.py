"""How a sweep calls its trainer: with a place to save what it knows, and once more in smaller pieces without memory.

A function of a trainer may take `saved: Path` (where it keeps what it knows: it goes on from what lies there, and when
`scalelaw.preemption.asked` saves it and raises Preempted) and `splits: int` (divide the micro-batch by it and multiply
the accumulation: the same mathematics in less memory). One that takes neither is called without.
"""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scalelaw.errors import ScalelawError


def call(function: Callable[..., Any], *given: Any, saved: Path, log: Any, **choices: Any) -> Any:
    """Call a function of the trainer. Without memory it is called once more with `splits=2`, where it takes that.

    Raises ScalelawError `out_of_memory` where that is not enough, and what the function raises.
    """
    takes = inspect.signature(function).parameters
    if "saved" in takes:
        saved.parent.mkdir(parents=True, exist_ok=True)
        choices["saved"] = saved
    reason = ""
    for splits in (1, 2) if "splits" in takes else (1,):
        if splits > 1:
            log(event="out of memory", splits=splits)
            choices["splits"] = splits
            _free()
        try:
            return function(*given, **choices)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    tried = ", with half the micro-batch too" if "splits" in takes else ""
    raise ScalelawError(
        f"It ran out of memory{tried}: {reason}",
        code="out_of_memory",
        hint="Ask for a larger device, or for more of them.",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory left, of the machine or of its device."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _free() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
