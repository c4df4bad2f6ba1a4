"""Reading other people's files safely: each file once, a size limit, and a sentence for whatever is wrong with it."""

from __future__ import annotations

import codecs
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError, Note
from scalelaw.files.file_type import otherwise
from scalelaw.files.safe_load import is_pipe, not_text, parse_json, read_bytes, special_file


@dataclass
class FoundFiles:
    """What a search for results met: `files` to read, `again` (links to files that are read already), `others`."""

    files: list[Path] = field(default_factory=list)
    again: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    def report(self, root: str | Path, warnings: list[Note], also_read: Collection[str] = ()) -> None:
        """Add what is not read to `warnings`. also_read: names of files that are read beside the wanted ones."""
        if self.again:
            warnings.append(
                ("links_skipped", f"{len(self.again)} link(s) lead to files that were read already.")
            )
        if others := [path for path in self.others if path.name not in also_read]:
            warnings.append(
                (
                    "not_used",
                    f"{len(others)} file(s) under {Path(root).name} are not read: {_listed(others)}.",
                )
            )


def _listed(files: Sequence[Path], most: int = 6) -> str:
    """The names of files, each once with how often it occurs; special files by their kind."""
    kinds = (f"{path.name} ({kind})" if (kind := special_file(path)) else path.name for path in files)
    times = sorted(Counter(kinds).items())
    names = [f"{text(name)} (x{n})" if n > 1 else f"{text(name)}" for name, n in times[:most]]
    return ", ".join(names) + (f" and {len(times) - most} more" if len(times) > most else "")


def check_there(path: Path) -> None:
    """Raises InputError where there is no file, or a special one, at `path`; a pipe of this process is one."""
    if kind := special_file(path):
        raise InputError(
            f"{path} is {kind}, not a file.",
            code="special_file",
            hint="Save its content to a file, or pass it through a pipe: <(command).",
        )
    if not os.path.isfile(path) and not is_pipe(path):
        raise InputError(f"There is no file {path}.", code="no_such_file")


def find(root: str | Path, wanted: Callable[[Path], bool]) -> FoundFiles:
    """The wanted files under `root`, each real file once, and everything else that lies there.

    Real files come first, so a link is only followed to what is not reached otherwise; a folder is entered
    once, so a circle of links ends. A root that is a file is taken whatever its name.
    Raises InputError where there is nothing at `root`.
    """
    root = Path(root)
    if not os.path.isdir(root):
        if os.path.exists(root):
            check_there(root)
            return FoundFiles([root])
        raise InputError(f"There is no file or folder {root}.", code="no_such_file")
    files, seen = FoundFiles(), set[str]()
    waiting = [root]
    while waiting:
        links: list[Path] = []
        for start in waiting:
            if os.path.isdir(start):
                _walk(start, wanted, files, links, seen)
            else:
                _take(start, wanted, files, seen)
        waiting = sorted(links)
    return FoundFiles(sorted(files.files), sorted(files.again), sorted(files.others))


def _walk(
    start: Path, wanted: Callable[[Path], bool], files: FoundFiles, links: list[Path], seen: set[str]
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
            elif name in names:
                _take(path, wanted, files, seen)


def _take(path: Path, wanted: Callable[[Path], bool], files: FoundFiles, seen: set[str]) -> None:
    if not os.path.isfile(path) or not wanted(path):
        files.others.append(path)
        return
    real = os.path.realpath(path)
    (files.again if real in seen else files.files).append(path)
    seen.add(real)


def named(path: Path, root: str | Path) -> str:
    """The path as it is written into the table: relative to the root, so that moving the folder changes nothing."""
    relative = path.relative_to(root) if path != Path(root) else Path(path.name)
    return text(relative.as_posix()) or path.name


def read_text(path: Path) -> str:
    """The file's text (UTF-8, or UTF-16 with its mark). Raises InputError for a large file and for other bytes."""
    try:
        content = read_bytes(path)
        marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        written = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not text in UTF-8: {error}.", code="unreadable_file", hint="Save it as UTF-8."
        ) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}.", code="unreadable_file"
        ) from error
    if "\0" in written:
        raise not_text(path)
    return written


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises InputError for what is cut off, nested too deeply, or names a key twice."""
    return json_of(read_text(path), str(path))


def json_of(written: str, origin: str) -> Any:
    """What a JSON text holds. Raises InputError, which begins with `origin`, as `read_json` does."""
    try:
        return parse_json(written, origin)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{origin} is not JSON, or is cut off: {error}.",
            code="unreadable_file",
            hint="Was the run killed while it wrote? Remove the file, or evaluate again.",
        ) from error


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping that a JSON file holds. Raises InputError as `read_json` does, and for anything else."""
    return section({"": read_json(path)}, "", path)


def section(content: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    """The mapping under `key`. Raises InputError where there is something else."""
    value = content.get(key)
    if not isinstance(value, dict):
        what = f"'{key}' in {path}" if key else str(path)
        raise InputError(f"{what} is not a mapping.", code="not_this_format", hint=otherwise(path, ""))
    return value


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
        number_ = float(value)
    except (ValueError, OverflowError):
        return None
    return number_ if math.isfinite(number_) else None


OVERFLOWS = re.compile(r"[+-]?\d+(\.\d*)?e\+?\d+|[+-]?\d{300,}")
NO_SCORE = {"", "-", "–", "—", "n/a", "na", "nan", "none", "null"}
"""What stands in a cell that holds no score."""


def is_no_score(written: str) -> bool:
    """Whether a cell stands for no score: empty, a sign for that, NaN, or infinite as a run that diverged has it."""
    plain = written.strip().lower()
    if plain in NO_SCORE or plain.lstrip("+-") in ("inf", "infinity", "nan"):
        return True
    return bool(OVERFLOWS.fullmatch(plain)) and math.isinf(float(plain))


def as_score(value: Any) -> float:
    """A number that a tool's JSON gives for a score, also infinity; NaN for anything else (text, nothing, true)."""
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return math.nan


def count(value: Any) -> int | None:
    """A positive whole number that a float holds exactly, or None."""
    value_ = number(value)
    return int(value_) if value_ is not None and value_ == int(value_) and 0 < value_ <= 2**53 else None


def text(value: Any) -> str | None:
    """A non-empty string that can be written as UTF-8, or None."""
    if not isinstance(value, str) or not value.strip():
        return None
    return value.strip().encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")
