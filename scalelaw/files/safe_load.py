"""Untrusted files: opened without waiting, read within limits on bytes and time; YAML and JSON also within limits on
depth and on the number of values that aliases stand for.

`open_input`, `open_stdin`, `read_bytes` and `read_text` are the only way in which a file that a user names is opened;
`check_regular` comes before a library opens one by its path. A size that the file system reports is never relied on: it
is 0 for a device and a pipe. Files under /proc and /sys are interfaces of the kernel, whose reads may block or never
end: they are refused.

A few lines of YAML may stand for billions of values, and its fast parser overflows the stack on a deep file: both are
counted on the parser's events, before anything is built.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import select
import stat
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

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

IDLE_SECONDS = 30.0
"""The longest wait for the next byte of a pipe."""

TOTAL_SECONDS = 600.0
"""The longest time that reading one pipe may take."""

CHUNK = 2**20

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_OWN_PIPE = re.compile(r"/dev/fd/\d+|/dev/stdin|/proc/(self|thread-self|\d+)/fd/\d+")
_RESOLVED_PIPE = re.compile(r"/proc/\d+/fd/pipe:\[\d+\]")


_KERNEL_SYSTEMS = frozenset({
    "proc", "sysfs", "debugfs", "tracefs", "securityfs", "configfs", "cgroup", "cgroup2", "bpf", "pstore", "efivarfs",
    "selinuxfs", "binfmt_misc", "fusectl", "mqueue", "rpc_pipefs", "nsfs",
})  # fmt: skip
"""File systems whose regular files are interfaces of the kernel."""


def special_file(path: str | os.PathLike[str]) -> str:
    """What kind of special file `path` is ("a device", "a named pipe", "a socket", "an interface of the kernel").

    Empty for a regular file, a folder, a path that does not exist, and a pipe that this process already holds:
    `/dev/fd/N` (the shell's `<(...)`) and `/dev/stdin`.
    """
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        return ""
    return _kind_of(info, path)


def _kind_of(info: os.stat_result, path: str | os.PathLike[str]) -> str:
    mode = info.st_mode
    if stat.S_ISREG(mode):
        system = _file_system(info.st_dev)
        return f"an interface of the kernel ({system})" if system in _KERNEL_SYSTEMS else ""
    if stat.S_ISFIFO(mode) and _is_own_pipe(path):
        return ""
    return next((name for test, name in _KINDS if test(mode)), "")


@lru_cache(maxsize=64)
def _file_system(device: int) -> str:
    """The type of the mounted file system with this device number; empty where that is not known."""
    # file systems without a disk have the major number 0
    if os.major(device):
        return ""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with (
        contextlib.suppress(OSError),
        open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts,
    ):
        for line in mounts:
            mount, _, system = line.partition(" - ")
            if mount.split(" ", 3)[2] == wanted:
                return system.split(" ", 1)[0]
    return ""


def is_pipe(path: str | os.PathLike[str]) -> bool:
    """Whether `path` is a pipe that this process already holds, which can be read only once."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode) and _is_own_pipe(path)
    except (OSError, ValueError):
        return False


def _is_own_pipe(path: str | os.PathLike[str]) -> bool:
    return bool(_OWN_PIPE.fullmatch(os.fspath(path)) or _RESOLVED_PIPE.fullmatch(os.path.realpath(path)))


opened: ContextVar[dict[tuple[int, int], str] | None] = ContextVar("scalelaw_opened", default=None)
"""The regular files opened by `open_input`, by device and inode, where somebody wants to know (`files.protected`)."""


@contextmanager
def open_input(path: str | os.PathLike[str]) -> Iterator[io.BufferedReader[Any]]:
    """Open a file that a user names for reading in binary, without ever waiting for it to open.

    Reading from a pipe ends after `IDLE_SECONDS` without a byte and after `TOTAL_SECONDS` in all.

    Raises:
        InputError: `special_file` for a device, a socket or a named pipe; `input_timeout` while reading.
        OSError: the file cannot be opened, or is a folder.
    """
    if kind := special_file(path):
        raise _special(path, kind)
    flags = (
        os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    )
    handle = os.open(path, flags)
    try:
        info = os.fstat(handle)
        mode = info.st_mode
        if (seen := opened.get()) is not None and stat.S_ISREG(mode):
            seen[info.st_dev, info.st_ino] = os.fspath(path)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(21, "Is a directory", os.fspath(path))
        # it may have been replaced since `special_file` looked
        if kind := _kind_of(info, path):
            raise _special(path, kind)
        source = _Timed(handle, path)
    except BaseException:
        os.close(handle)
        raise
    reader: io.BufferedReader[Any] = io.BufferedReader(source, CHUNK)
    with reader:
        yield reader


def _special(path: str | os.PathLike[str], kind: str) -> InputError:
    return InputError(
        f"{os.fspath(path)} is {kind}, not a file.",
        code="special_file",
        hint="Save its content to a file, or pass it through a pipe: <(command).",
    )


@contextmanager
def open_stdin() -> Iterator[Any]:
    """Standard input in binary, with the limits on time of `open_input`; a stream in its place as it is."""
    try:
        handle = os.dup(sys.stdin.fileno())
    except (AttributeError, OSError, ValueError):
        yield getattr(sys.stdin, "buffer", sys.stdin)
        return
    reader: io.BufferedReader[Any] = io.BufferedReader(_Timed(handle, "standard input"), CHUNK)
    with reader:
        yield reader


class _Timed(io.RawIOBase):
    """A handle whose reads wait for data, within the limits on time."""

    def __init__(self, handle: int, path: str | os.PathLike[str]) -> None:
        self._handle, self._path = handle, path
        self._regular = stat.S_ISREG(os.fstat(handle).st_mode)
        self._end = time.monotonic() + TOTAL_SECONDS

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._regular

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self._handle, offset, whence)

    def fileno(self) -> int:
        return self._handle

    def readinto(self, buffer: Any) -> int:
        idle = time.monotonic() + IDLE_SECONDS
        while True:
            if not self._regular:
                left = min(idle, self._end) - time.monotonic()
                if left <= 0 or not select.select([self._handle], [], [], left)[0]:
                    raise self._late()
            try:
                data = os.read(self._handle, len(buffer))
            except BlockingIOError:
                # a stored file has all its bytes
                if self._regular:
                    raise _special(self._path, "a file that waits for data") from None
                # a file that always claims to be ready does not take the whole processor
                time.sleep(0.001)
                continue
            if data and time.monotonic() > self._end:
                raise self._late()
            buffer[: len(data)] = data
            return len(data)

    def close(self) -> None:
        if not self.closed:
            os.close(self._handle)
        super().close()

    def _late(self) -> InputError:
        return InputError(
            f"{os.fspath(self._path)} has no end within the time limit ({IDLE_SECONDS:.0f} s without data, "
            f"{TOTAL_SECONDS:.0f} s in all).",
            code="input_timeout",
            hint="Save the data to a file first.",
        )


def check_regular(path: str | os.PathLike[str]) -> None:
    """Check a file that another library opens by its path, and record it as read, so that no output overwrites it.

    Raises InputError `special_file` as `open_input`.
    """
    if kind := special_file(path):
        raise _special(path, kind)
    if (seen := opened.get()) is not None:
        with contextlib.suppress(OSError):
            info = os.stat(path)
            seen[info.st_dev, info.st_ino] = os.fspath(path)


def read_bytes(path: str | os.PathLike[str], most: int = MOST_BYTES) -> bytes:
    """The bytes of a file, or of standard input where the path is `-`.

    Raises InputError `too_large` beyond `most` bytes actually read, and as `open_input`.
    """
    with open_stdin() if os.fspath(path) == "-" else open_input(path) as opened:
        chunks: list[bytes] = []
        left = most + 1
        while left > 0 and (chunk := opened.read(min(left, CHUNK))):
            chunk = chunk.encode("utf-8", "surrogatepass") if isinstance(chunk, str) else chunk
            chunks.append(chunk)
            left -= len(chunk)
    if left <= 0:
        raise too_large(path, most)
    return b"".join(chunks)


def too_large(path: str | os.PathLike[str], most: int) -> InputError:
    """The error for a file of more than `most` bytes."""
    limit = f"{most >> 20} MiB" if most >= 2**20 else f"{most} bytes"
    return InputError(
        f"{os.fspath(path)} holds more than {limit}, the most for such a file.", code="too_large"
    )


def read_text(path: str | os.PathLike[str], most: int = MOST_BYTES) -> str:
    """A file's text (UTF-8, line ends as \\n).

    Raises as `read_bytes`, UnicodeDecodeError, and InputError `not_text` for a NUL character, which text does not hold.
    """
    text = read_bytes(path, most).decode("utf-8")
    if "\0" in text:
        raise not_text(path)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def not_text(path: str | os.PathLike[str]) -> InputError:
    """The error for a text file with a NUL character."""
    return InputError(f"{os.fspath(path)} is not text: it contains NUL characters.", code="not_text")


def parse_yaml(text: str, origin: str) -> Any:
    """What a YAML text holds, by the safe loader.

    Raises InputError, which begins with `origin`, for what is no YAML, is too large or too deep, or holds itself.
    """
    # here, as commands that read no YAML start faster without it
    import yaml

    try:
        _check(text)
        return _build(text)
    except InputError as error:
        raise InputError(f"{origin} {error.message}.", code=error.code) from error
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


def _loader() -> Any:
    """PyYAML's safe loader, in C where it was built."""
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _build(text: str) -> Any:
    loader = _loader()(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _check_keys(loader, root)
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _check_keys(loader: Any, root: Any) -> None:
    """Raises InputError where a mapping holds a key twice; YAML's loader would keep the last one without a word."""
    import yaml

    todo, seen = [root], set()
    while todo:
        node = todo.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo.extend(node.value)
            continue
        keys: set[Any] = set()
        for key, value in node.value:
            todo.append(value)
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            name = loader.construct_object(key, deep=True)
            if name in keys:
                line = key.start_mark.line + 1
                raise InputError(f"names the key '{key.value[:80]}' twice in one mapping (line {line})",
                                 code="duplicate_key")  # fmt: skip
            keys.add(name)


def _check(text: str) -> None:
    import yaml

    if len(text) > MOST_YAML_BYTES:
        raise InputError("is too long", code="bad_yaml")
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=_loader()):
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
        elif "\0" in event.value:
            # libraries in C end a name there, and two names would be one
            raise InputError(f"has a NUL character in the value {event.value[:40]!r}", code="bad_yaml")
        if anchor is not None:
            sizes[anchor] = size
        within, value = open_[-1]
        open_[-1] = (within, value + size)
        if value + size > MOST_VALUES:
            raise InputError(f"stands for more than {MOST_VALUES:,} values", code="bad_yaml")


def parse_json(text: str, origin: str | os.PathLike[str] = "The JSON text") -> Any:
    """The value of a JSON text; half of a surrogate pair, which nothing could print, becomes U+FFFD, and so does NUL,
    where libraries in C end a name.

    Raises:
        InputError: `duplicate_key` for an object that has a key twice; the message begins with `origin`.
        ValueError: the text is not JSON, is nested too deep, or has a number of too many digits.
    """
    try:
        value = json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, origin))
        return _printable(value) if "\\ud" in text.lower() or "\\u0000" in text else value
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _unique(pairs: list[tuple[str, Any]], origin: str | os.PathLike[str]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        name = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise InputError(
            f"{os.fspath(origin)} has the key '{_printable(name[:60])}' twice in one object.",
            code="duplicate_key",
            hint="Remove one of the two: which value counts is not defined.",
        )
    return unique


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return value
