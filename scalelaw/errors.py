"""What can go wrong, each with its exit code, what is allowed, and the best answer so far.

Every error that a user can cause is a `ScalelawError`: one sentence, a stable `code` for scripts,
a `hint` that says what to do, and the exit code of the command line (0 done; 1 unexpected; 2 usage
or unreadable input; 3 the answer is "no"; 4 a sweep ended with failed cells; 5 an optional
dependency is missing; 75 asked to make room, run it again; 130 interrupted).
"""

from __future__ import annotations

import difflib
import functools
import inspect
import numbers
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

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


class InputTypeError(InputError, TypeError):
    """An argument of a function that is of a wrong type."""


Function = TypeVar("Function", bound=Callable[..., Any])


def typed(**kinds: tuple[str, ...]) -> Callable[[Function], Function]:
    """Check the types of a function's arguments by the names of their classes (base classes count, None is no class).

    Names keep this cheap: pandas need not be imported to know a DataFrame. A number is `int` or `float`, never bool.
    Raises InputTypeError `wrong_type`.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def checked(*args: Any, **more: Any) -> Any:
            bound = signature.bind(*args, **more).arguments
            values = {**bound, **next((v for v in (bound.get("options"), bound.get("query")) if v), {})}
            for name, allowed in kinds.items():
                if name in values and not _is_one_of(values[name], allowed):
                    raise InputTypeError(
                        f"{function.__name__}: {name} cannot be of type {type(values[name]).__name__}.",
                        code="wrong_type",
                        hint=f"It may be of type {', '.join(allowed)}.",
                    )
            return function(*args, **more)

        return cast(Function, checked)

    return decorate


def _is_one_of(value: Any, allowed: tuple[str, ...]) -> bool:
    if value is None:
        return "None" in allowed
    if isinstance(value, bool):
        return "bool" in allowed
    if "stream" in allowed and hasattr(value, "read"):
        return True
    names = {kind.__name__ for kind in type(value).__mro__}
    if "float" in allowed and isinstance(value, numbers.Real):
        return True
    if "int" in allowed and isinstance(value, numbers.Integral):
        return True
    if "Mapping" in allowed and isinstance(value, Mapping):
        return True
    return bool(names & set(allowed)) or ("Path" in allowed and isinstance(value, os.PathLike))


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
