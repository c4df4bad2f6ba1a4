"""Reading other people's files safely: each file once, a size limit, and a sentence for whatever is wrong with it."""

from __future__ import annotations

import codecs
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError
from scalelaw.kinds import otherwise
from scalelaw.untrusted import MOST_BYTES, parse_json

MAX_BYTES = MOST_BYTES
"""A results file of a benchmark holds kilobytes; a larger one holds samples, not scores."""


def find(root: str | Path, wanted: Callable[[Path], bool]) -> tuple[list[Path], list[Path]]:
    """The wanted files under `root`, each real file once, and the links that lead to one already listed.

    Real files come first, so a link is only followed to what is not reached otherwise; a folder is entered
    once, so a circle of links ends. A root that is a file is taken whatever its name.
    Raises InputError where there is nothing at `root`.
    """
    root = Path(root)
    if os.path.isfile(root):
        return [root], []
    if not os.path.isdir(root):
        raise InputError(f"There is no file or folder {root}.", code="no_such_file")
    files: list[Path] = []
    again: list[Path] = []
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        links: list[Path] = []
        for start in waiting:
            if start.is_dir():
                _walk(start, wanted, files, again, links, seen)
            elif wanted(start):
                _take(start, files, again, seen)
        waiting = sorted(links)
    return sorted(files), sorted(again)


def _walk(
    start: Path,
    wanted: Callable[[Path], bool],
    files: list[Path],
    again: list[Path],
    links: list[Path],
    seen: set[str],
) -> None:
    for folder, inner, names in os.walk(start):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        for name in [*inner, *names]:
            path = Path(folder, name)
            if path.is_symlink():
                links.append(path)
            elif name in names and path.is_file() and wanted(path):
                _take(path, files, again, seen)


def _take(path: Path, files: list[Path], again: list[Path], seen: set[str]) -> None:
    real = os.path.realpath(path)
    (again if real in seen else files).append(path)
    seen.add(real)


def named(path: Path, root: str | Path) -> str:
    """The path as it is written into the table: relative to the root, so that moving the folder changes nothing."""
    relative = path.relative_to(root) if path != Path(root) else Path(path.name)
    return text(relative.as_posix()) or path.name


def read_text(path: Path) -> str:
    """The file's text (UTF-8, or UTF-16 with its mark). Raises InputError for a large file and for other bytes."""
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise InputError(
                f"{path} holds {size / 2**20:.0f} MiB; a file of results holds less than {MAX_BYTES >> 20} MiB.",
                code="too_large",
            )
        held = path.read_bytes()
        marked = held.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return held.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not text in UTF-8: {error}.", code="unreadable_file", hint="Save it as UTF-8."
        ) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}.", code="unreadable_file"
        ) from error


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises InputError for what is cut off or nested too deeply."""
    try:
        return parse_json(read_text(path))
    except ValueError as error:
        raise InputError(
            f"{path} is not JSON, or is cut off: {error}.",
            code="unreadable_file",
            hint="Was the run killed while it wrote? Remove the file, or evaluate again.",
        ) from error


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping that a JSON file holds. Raises InputError as `read_json` does, and for anything else."""
    return section({"": read_json(path)}, "", path)


def section(content: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    """The mapping under `key`. Raises InputError where there is something else."""
    found = content.get(key)
    if not isinstance(found, dict):
        what = f"'{key}' in {path}" if key else str(path)
        raise InputError(f"{what} is not a mapping.", code="not_this_format", hint=otherwise(path, ""))
    return found


def optional(content: Any, *keys: str) -> Any:
    """What lies under the keys, or None where the way there is not made of mappings."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def number(value: Any) -> float | None:
    """A finite number, also from a string; None for 'N/A', '6_1', a boolean, nothing, NaN, infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and "_" in value:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def count(value: Any) -> int | None:
    """A positive whole number that a float holds exactly, or None."""
    found = number(value)
    return int(found) if found is not None and found == int(found) and 0 < found <= 2**53 else None


def text(value: Any) -> str | None:
    """A non-empty string that can be written as UTF-8, or None."""
    if not isinstance(value, str) or not value.strip():
        return None
    return value.strip().encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
