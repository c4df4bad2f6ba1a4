"""What can go wrong, each with its exit code, what is allowed, and the best answer so far.

Every error that a user can cause is a `ScalelawError`: one sentence, a stable `code` for scripts,
a `hint` that says what to do, and the exit code of the command line (0 done; 1 unexpected; 2 usage
or unreadable input; 3 the answer is "no"; 4 a sweep ended with failed cells; 5 an optional
dependency is missing; 75 asked to make room, run it again; 130 interrupted).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

LONGEST_NAME, MOST_NAMES = 200, 200
"""Characters of a name that others are likened to, and names that a hint lists."""


class ScalelawError(Exception):
    """A sentence for a person: what is wrong; `hint`: what is allowed; `best`: the best answer so far."""

    exit_code = 1

    def __init__(self, message: str, *, code: str, hint: str = "", best: Any = None) -> None:
        if message.endswith(("..", "\n.", " .")) and not message.endswith("..."):
            message = message.rstrip(". \n") + "."  # what another library said had a full stop of its own
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.best = best


class InputError(ScalelawError):
    """Usage, or an input that cannot be read."""

    exit_code = 2


class NoAnswer(ScalelawError):
    """The question was understood and the answer is "no": nothing fits, or nothing is identified."""

    exit_code = 3


class FailedCells(ScalelawError):
    """A sweep ended with cells that failed; the others are done."""

    exit_code = 4


class MissingDependency(ScalelawError):
    """An optional dependency is not installed; the hint is the install line."""

    exit_code = 5


class Interrupted(ScalelawError):
    """Somebody asked for an end."""

    exit_code = 130


class Preempted(ScalelawError):
    """A process was asked to make room: what it knows is saved, and running it again goes on from there."""

    exit_code = 75


EXTRA_OF = {
    "torch": "train",
    "transformers": "train",
    "safetensors": "train",
    "PIL": "train",
    "openpyxl": "excel",
    "submitit": "slurm",
    "ray": "ray",
}
"""Import name of an optional dependency -> the extra of this package that installs it."""


def missing_dependency(error: ModuleNotFoundError) -> MissingDependency:
    """The error for an optional dependency that cannot be imported; raises `error` itself where it is no such one."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRA_OF:
        raise error
    return MissingDependency(
        f"This needs the package '{package}', which is not installed.",
        code="missing_dependency",
        hint=f"pip install 'scalelaw[{EXTRA_OF[package]}]'",
    )


class PredictionWarning(UserWarning):
    """A prediction that is likely to be wrong: an input in another unit, or an error outside 0 to 1."""


def data_row(number: int) -> str:
    """How every message names a row of a table: by its place among the rows of data, whatever lines the file has above
    and between them."""
    return f"data row {number} (the first below the header is 1)"


def unknown(kind: str, given: str, allowed: Iterable[str], *, code: str = "") -> InputError:
    """The error for a name that is not one of `allowed`, with the nearest that is."""
    names = sorted(set(allowed))
    named = [name for name in names if len(name) <= LONGEST_NAME]  # to compare long ones takes very long
    near = difflib.get_close_matches(given, named, n=1, cutoff=0.5) if len(given) <= LONGEST_NAME else []
    guess = f" Did you mean '{near[0]}'?" if near else ""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return InputError(
        f"Unknown {kind} '{given}'.{guess}",
        code=code or f"unknown_{kind.replace(' ', '_')}",
        hint=f"There are: {', '.join(names[:MOST_NAMES]) or 'none'}{more}.",
    )
