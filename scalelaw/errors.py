"""The errors of this package, each with its code, its hint and the exit code of the command line.

Every error that a user can cause is a `ScalelawError`. Exit codes: 0 done; 1 unexpected; 2 usage or unreadable input;
3 no answer (nothing fits, or nothing is identified); 4 a sweep ended with failed cells; 5 an optional dependency is
missing; 75 preempted, run the command again; 130 interrupted.
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
"""The length of a name up to which similar names are looked up, and the most names in a hint."""


class ScalelawError(Exception):
    """An error that a user can cause.

    Attributes:
        message: what is wrong, and where.
        code: a stable name for scripts.
        hint: what is allowed, or what to do.
        best: the best answer so far, or None.
    """

    exit_code = 1

    def __init__(self, message: str, *, code: str, hint: str = "", best: Any = None) -> None:
        if message.endswith(("..", "\n.", " .")) and not message.endswith("..."):
            message = message.rstrip(". \n") + "."
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.best = best


class InputError(ScalelawError, ValueError):
    """A wrong option, argument or file. It is also a ValueError, which Python raises for a wrong argument."""

    exit_code = 2


class InputTypeError(InputError, TypeError):
    """A function's argument of a wrong type; it is also a TypeError."""


Function = TypeVar("Function", bound=Callable[..., Any])


def typed(**kinds: tuple[str, ...]) -> Callable[[Function], Function]:
    """Check the types of a function's arguments by the names of their classes (base classes count, None is no class).

    Names keep this cheap: pandas need not be imported to know a DataFrame. A number is `int` or `float`, never bool;
    `paths` is a list of them, `stream` has a method `read`. The keys of a mapping are text, and its values are as
    `Mapping of text or numbers` says.
    Raises InputTypeError `wrong_type`.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def checked(*args: Any, **more: Any) -> Any:
            try:
                bound = signature.bind(*args, **more).arguments
            except TypeError as error:
                raise InputTypeError(
                    f"{function.__name__}: {error}.",
                    code="wrong_arguments",
                    hint=f"Its arguments are {', '.join(signature.parameters)}.",
                ) from error
            values = {**bound, **next((v for v in (bound.get("options"), bound.get("query")) if v), {})}
            for name, allowed in kinds.items():
                if name in values and not _is_one_of(values[name], allowed):
                    raise InputTypeError(
                        f"{function.__name__}: {name} cannot be of type {type(values[name]).__name__}.",
                        code="wrong_type",
                        hint=f"It may be of type {', '.join(allowed)}.",
                    )
                if name in values:
                    _check_inside(f"{function.__name__}: {name}", values[name], allowed)
            return function(*args, **more)

        return cast(Function, checked)

    return decorate


def _check_inside(label: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Check the keys and values of a mapping and the size of a whole number."""
    values = list(value.values()) if isinstance(value, Mapping) else [value]
    if isinstance(value, Mapping):
        kinds = next((kind.partition(" of ")[2] for kind in allowed if kind.startswith("Mapping of ")), "")
        wrong = [key for key in value if not isinstance(key, str)]
        wrong += [
            inner for inner in values if kinds and not any(_INSIDE[k](inner) for k in kinds.split(" or "))
        ]
        if wrong:
            raise InputTypeError(
                f"{label} cannot contain a value of type {type(wrong[0]).__name__}.",
                code="wrong_type",
                hint=f"It maps names to {kinds or 'values'}.",
            )
    if large := [inner for inner in values if isinstance(inner, int) and abs(inner) > _LARGEST]:
        raise InputError(f"{label} is too large: it has {len(str(large[0]))} digits.", code="bad_value")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _is_pair(value: Any) -> bool:
    return hasattr(value, "__len__") and len(value) == 2 and all(map(_is_number, value))


_INSIDE: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "numbers": _is_number,
    "pairs of numbers": _is_pair,
}
_LARGEST = 10**300
"""Larger whole numbers cannot be converted to a float."""


def _is_one_of(value: Any, allowed: tuple[str, ...]) -> bool:
    if value is None:
        return "None" in allowed
    if isinstance(value, bool):
        return "bool" in allowed
    if "stream" in allowed and hasattr(value, "read"):
        return True
    if "pairs of numbers" in allowed and _is_pair(value):
        return True
    if "paths" in allowed and isinstance(value, list | tuple):
        return all(isinstance(path, str | os.PathLike) for path in value)
    names = {kind.__name__ for kind in type(value).__mro__}
    if "float" in allowed and isinstance(value, numbers.Real):
        return True
    if "int" in allowed and isinstance(value, numbers.Integral):
        return True
    if isinstance(value, Mapping) and any(kind.split()[0] == "Mapping" for kind in allowed):
        return True
    return bool(names & set(allowed)) or ("Path" in allowed and isinstance(value, os.PathLike))


class NoAnswer(ScalelawError):
    """There is no answer: nothing fits the budget, or nothing is identified."""

    exit_code = 3


class FailedCells(ScalelawError):
    """A sweep ended with cells that failed; the others are done."""

    exit_code = 4


class MissingDependency(ScalelawError):
    """An optional dependency is not installed; the hint is the install line."""

    exit_code = 5


class Interrupted(ScalelawError):
    """The user interrupted the command."""

    exit_code = 130


class Preempted(ScalelawError):
    """A process was preempted: its state is saved, and running it again resumes it."""

    exit_code = 75


EXTRA_OF = {
    "torch": "train",
    "transformers": "train",
    "safetensors": "train",
    "PIL": "train",
    "openpyxl": "excel",
    "submitit": "slurm",
    "ray": "ray",
    "httpx2": "measure",
}
"""Import name of an optional dependency -> the extra of this package that installs it."""


def missing_dependency(error: ModuleNotFoundError) -> MissingDependency:
    """The error for an optional dependency that cannot be imported; raises `error` itself for another package."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRA_OF:
        raise error
    return MissingDependency(
        f"This needs the package '{package}', which is not installed.",
        code="missing_dependency",
        hint=f"pip install 'scalelaw[{EXTRA_OF[package]}]'",
    )


Note = tuple[str, str]
"""A warning before it is part of an answer: (code, message); see `results.warning`."""


class PredictionWarning(UserWarning):
    """A prediction that is likely to be wrong: an input in another unit, or an error outside 0 to 1."""


def data_row(number: int) -> str:
    """How every message names a row of a table: by its place among the rows of data, whatever lines the file has above
    and between them."""
    return f"data row {number} (the first below the header is 1)"


def unknown(kind: str, name: Any, allowed: Iterable[str], *, code: str = "") -> InputError:
    """The error for a name that is not one of `allowed`, with the nearest that is."""
    text, names = str(name), sorted(set(allowed))
    # comparing long names takes very long
    short = [one for one in names if len(one) <= LONGEST_NAME]
    near = difflib.get_close_matches(text, short, n=1, cutoff=0.6) if len(text) <= LONGEST_NAME else []
    guess = f" Did you mean '{near[0]}'?" if near else ""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return InputError(
        f"Unknown {kind} '{text}'.{guess}",
        code=code or f"unknown_{kind.replace(' ', '_')}",
        hint=f"There are: {', '.join(names[:MOST_NAMES]) or 'none'}{more}.",
    )
