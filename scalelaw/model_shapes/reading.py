"""Fields of a configuration that somebody else wrote: what is there, what is a whole number, what is true or false."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from scalelaw.errors import InputError
from scalelaw.files.file_type import CONFIGURATION, otherwise
from scalelaw.files.safe_load import parse_json, read_text

MOST = 10**9
"""No width, count or window of a model is larger."""

Made = TypeVar("Made")


def read_config(path: str | Path) -> tuple[dict[str, Any], Path]:
    """The fields of a config.json (a file, or the folder that holds it), and the file.

    Raises InputError for a file that is missing or is not a JSON object.
    """
    file = Path(path) / "config.json" if os.path.isdir(path) else Path(path)
    if wrong := otherwise(file, CONFIGURATION):
        raise InputError(f"{file} is not a model's configuration.", code="bad_config", hint=wrong)
    try:
        config: Any = parse_json(read_text(file), file)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"There is no model configuration at {file}.", code="no_such_file") from error
    except ValueError as error:
        raise InputError(f"{file} is not a JSON configuration: {error}.", code="bad_config") from error
    if not isinstance(config, dict):
        raise InputError(f"{file} is not a JSON configuration: it holds no fields.", code="bad_config")
    return config, file


def understood(make: Callable[[], Made], where: str, needed: str) -> Made:
    """What `make` reads of a configuration. Raises InputError, which begins with `where`, for what cannot be read."""
    try:
        return make()
    except InputError:
        raise
    except KeyError as error:
        raise InputError(
            f"{where} lacks the field {error}.", code="bad_config", hint=f"It needs {needed}."
        ) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where} cannot be read: {error}.", code="bad_config") from error


def whole(fields: Mapping[str, Any], key: str, default: int | None = None, least: int = 1) -> int:
    """A whole number of at least `least`; the default where it is missing or null.

    Raises KeyError where it is missing and has no default, ValueError for what is none.
    """
    value = fields.get(key)
    if value is None:
        if default is None:
            raise KeyError(key)
        return default
    number = number_of(key, value)
    if number != int(number):
        raise ValueError(f"{key} is {_short(value)}, not a whole number")
    if not least <= number <= MOST:
        raise ValueError(f"{key} is {int(number):.6g}, not between {least} and {MOST:,}")
    return int(number)


def number_of(key: str, value: Any) -> float:
    """A finite number. Raises ValueError for what is none."""
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not abs(number) < float("inf"):
        raise ValueError(f"{key} is {_short(value)}, not a number")
    return number


def flag(fields: Mapping[str, Any], key: str, default: bool = False) -> bool:
    """True or false; the default where it is missing or null. Raises ValueError for anything else."""
    value = fields.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {_short(value)}, not true or false")
    return value


def listed(fields: Mapping[str, Any], key: str) -> list[Any]:
    """A list; empty where it is missing or null. Raises ValueError for anything else."""
    value = fields.get(key)
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise ValueError(f"{key} is {_short(value)}, no list")
    return list(value)


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
