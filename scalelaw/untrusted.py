"""Other people's YAML and JSON, within limits that no honest file meets: size, depth, and what aliases stand for.

A few lines of YAML may stand for billions of values, and its fast parser overflows the stack on a deep file: both are
counted on the parser's events, before anything is built.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from scalelaw.errors import InputError

MOST_BYTES = 32 * 2**20
"""Of a JSON file that is no data set: a fit with all its refits holds a few MiB."""

MOST_ANSWER_BYTES = 128 * 2**20
"""Of an answer of this package: the points of a fit to a million rows."""

MOST_YAML_BYTES = 8 * 2**20
MOST_VALUES = 500_000
"""Values that a YAML file may stand for, its aliases written out; an experiment may name ten thousand seeds."""

DEEPEST = 64
"""Levels of a YAML file."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """A file's text (UTF-8). Raises InputError `too_large`, and what reading raises (OSError, UnicodeDecodeError)."""
    if (size := path.stat().st_size) > most:
        raise InputError(
            f"{path} holds {size / 2**20:.0f} MiB; such a file may hold {most >> 20} MiB.", code="too_large"
        )
    return path.read_text(encoding="utf-8")


def parse_yaml(text: str, origin: str) -> Any:
    """What a YAML text holds, by the safe loader.

    Raises InputError, which begins with `origin`, for what is no YAML, is too large or too deep, or holds itself.
    """
    try:
        _check(text)
        return yaml.load(text, Loader=_LOADER)
    except InputError as error:
        raise InputError(f"{origin} {error.message}.", code="bad_yaml") from error
    except yaml.YAMLError as error:
        raise InputError(f"{origin} is not YAML: {error}.", code="bad_yaml") from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        # PyYAML's own, for a value that is not of the kind that it looks like or is said to be: 2020-99-99, !!int x
        raise InputError(f"{origin} holds a value that cannot be read: {error}.", code="bad_yaml") from error


def read_yaml(path: Path) -> Any:
    """What a YAML file holds. Raises InputError as `parse_yaml`; OSError where it cannot be opened."""
    try:
        text = read_text(path, MOST_YAML_BYTES)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not YAML: {error}.", code="bad_yaml") from error
    return parse_yaml(text, str(path))


def _check(text: str) -> None:
    if len(text) > MOST_YAML_BYTES:
        raise InputError("is too long", code="bad_yaml")
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=_LOADER):
        size, anchor = 1, getattr(event, "anchor", None)
        if isinstance(event, yaml.CollectionStartEvent):
            if len(open_) > DEEPEST:
                raise InputError(f"is nested deeper than {DEEPEST} levels", code="bad_yaml")
            open_.append((anchor, 1))
            if anchor is not None:
                sizes.pop(anchor, None)  # it stands for nothing while it is open
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_.pop()
        elif isinstance(event, yaml.AliasEvent):
            if anchor not in sizes:
                raise InputError(f"refers to '{anchor}' where that is not whole", code="bad_yaml")
            size = sizes[anchor]
        elif not isinstance(event, yaml.ScalarEvent):
            continue
        if anchor is not None:
            sizes[anchor] = size
        within, held = open_[-1]
        open_[-1] = (within, held + size)
        if held + size > MOST_VALUES:
            raise InputError(f"stands for more than {MOST_VALUES:,} values", code="bad_yaml")


def parse_json(text: str) -> Any:
    """What a JSON text holds; half of a surrogate pair, which nothing could print, becomes U+FFFD.

    Raises ValueError for what is no JSON, is nested too deep or holds a number of too many digits.
    """
    try:
        held = json.loads(text)
        return _printable(held) if "\\ud" in text.lower() else held
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _printable(held: Any) -> Any:
    if isinstance(held, str):
        return held.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(held, list):
        return [_printable(value) for value in held]
    if isinstance(held, dict):
        return {_printable(key): _printable(value) for key, value in held.items()}
    return held
