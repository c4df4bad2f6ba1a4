"""Where things lie: bundled data, a sweep's folder; and how a file is written (beside its name, then moved)."""

from __future__ import annotations

import errno
import filecmp
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scalelaw.errors import InputError
from scalelaw.files import safe_load
from scalelaw.version import __version__

PACKAGE = Path(__file__).resolve().parent.parent


def bundled(*parts: str) -> Path:
    """The path of bundled data: inside the installed package, or `data/` of the source tree."""
    inside = PACKAGE / "data"
    return (inside if inside.is_dir() else PACKAGE.parent / "data").joinpath(*parts)


@dataclass(frozen=True)
class _Inputs:
    """The files that a command reads: those that it was called with, and (user-named outputs only) all it opened."""

    named: Mapping[tuple[int, int], str]
    opened: Mapping[tuple[int, int], str]


_inputs: ContextVar[_Inputs | None] = ContextVar("scalelaw_inputs", default=None)


@contextmanager
def protected(named: Iterable[str]) -> Iterator[None]:
    """Inside the block no file of `named`, and no file opened by `open_input`, is overwritten, by whatever name.

    A file is known by its device and inode, so links, hard links and other spellings of a path are seen through.
    """
    inputs = {}
    for path in named:
        with suppress(OSError, ValueError):
            info = os.stat(path)
            if stat.S_ISREG(info.st_mode):
                inputs[info.st_dev, info.st_ino] = path
    opened: dict[tuple[int, int], str] = {}
    token, outer = _inputs.set(_Inputs(inputs, opened)), safe_load.opened.set(opened)
    try:
        yield
    finally:
        _inputs.reset(token)
        safe_load.opened.reset(outer)


def check_output(path: str | os.PathLike[str], by_user: bool = True) -> None:
    """Raises InputError where `path` cannot be written (`cannot_write`) or is an input (`would_overwrite_input`)."""
    name = os.fspath(path)
    try:
        info = os.stat(name)
    except FileNotFoundError:
        _check_length(name)
        return
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from error
    if stat.S_ISDIR(info.st_mode):
        raise InputError(f"Cannot write {name}: it is a folder.", code="cannot_write")
    if stat.S_ISBLK(info.st_mode) or stat.S_ISSOCK(info.st_mode):
        raise InputError(f"Cannot write {name}: it is a device or a socket.", code="cannot_write")
    if _is_input(info, by_user):
        raise _would_overwrite(name)
    if stat.S_ISREG(info.st_mode) and _is_read_only(name, info.st_mode):
        raise InputError(
            f"Cannot write {name}: it is read-only.", code="cannot_write", hint="Write to another name."
        )


def check_report(path: str | os.PathLike[str]) -> None:
    """Raises InputError as `check_output`, and for a device or a pipe: a report's numbers lie in a folder beside it."""
    check_output(path)
    if _is_special(Path(path)):
        raise InputError(
            f"Cannot write {os.fspath(path)}: it is a device or a pipe, and a report's numbers lie beside it.",
            code="cannot_write",
            hint="Write to a file.",
        )


def _check_length(name: str) -> None:
    try:
        os.lstat(name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _cannot_write(name, error) from error


def streams_on_inputs() -> list[int]:
    """Those of the open files 1 and 2 (standard output and standard error) that are inputs of the command."""
    numbers = []
    for number in (1, 2):
        with suppress(OSError):
            if _is_input(os.fstat(number), by_user=True):
                numbers.append(number)
    return numbers


def _is_input(info: os.stat_result, by_user: bool) -> bool:
    inputs, key = _inputs.get(), (info.st_dev, info.st_ino)
    if inputs is None:
        return False
    return key in inputs.named or (by_user and key in inputs.opened)


def _would_overwrite(name: str | os.PathLike[str]) -> InputError:
    return InputError(
        f"{os.fspath(name)} is one of the inputs, and would be overwritten.",
        code="would_overwrite_input",
        hint="Write to another name with -o.",
    )


def _cannot_write(path: str | os.PathLike[str], error: Exception, hint: str = "") -> InputError:
    why = getattr(error, "strerror", None) or error
    return InputError(f"Cannot write {os.fspath(path)}: {why}.", code="cannot_write", hint=hint)


@contextmanager
def atomic(path: str | os.PathLike[str], *, by_user: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it onto `path` when the block ends without an error.

    A reader sees the old file or the new one, never half of one; the permissions of an old file stay.
    by_user: the user named the path. Then a link is followed, and stays; a device or a named pipe is written to. Of
    any other path a link is replaced, because whoever made the folder could have made it lead anywhere.
    Raises InputError where the folder cannot be made or written, the disk is full (`cannot_write`), or the path is an
    input of the command (`would_overwrite_input`).
    """
    target = Path(path)
    is_link = target.is_symlink() and not by_user
    if by_user and _is_special(target):
        check_output(target)
        with _written_through(target) as part:
            yield part
        return
    try:
        real = Path(os.path.realpath(target)) if by_user else target
        mode = None if is_link else _mode(real)
        if not is_link and stat.S_ISDIR(mode or 0):
            raise IsADirectoryError(21, "it is a folder")
        if mode is not None and not stat.S_ISREG(mode):
            raise OSError(22, "it is not a regular file")
        if mode is not None and _is_read_only(real, mode):
            raise OSError(13, "it is read-only")
        real.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", suffix=".part", dir=real.parent)
    except (OSError, ValueError) as error:
        hint = "Choose a folder that exists and that you may write to."
        raise _cannot_write(target, error, hint) from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        if mode is not None and _is_input(os.stat(real), by_user):
            if filecmp.cmp(part, real, shallow=False):
                return
            raise _would_overwrite(target)
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask if mode is None else stat.S_IMODE(mode))
        part.replace(real)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _mode(path: Path) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _is_read_only(path: str | Path, mode: int) -> bool:
    """Whether a file must not be written; one without any write bit is protected from the superuser too."""
    return not mode & 0o222 or not os.access(path, os.W_OK)


def _is_special(path: Path) -> bool:
    """Whether the path is a device, a pipe, or a file that this process already has open (/dev/stdout)."""
    if _own_handle(path) is not None:
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def _own_handle(path: Path) -> int | None:
    """The number of the open file that /dev/stdout, /dev/fd/N or /proc/self/fd/N (or a link to one) stands for."""
    place = os.fspath(path)
    for _ in range(8):
        if match := re.fullmatch(rf"/(?:dev|proc/self|proc/{os.getpid()})/fd/(\d+)", place):
            return int(match.group(1))
        try:
            place = os.path.join(os.path.dirname(place), os.readlink(place))
        except (OSError, ValueError):
            return None
    return None


@contextmanager
def _written_through(target: Path) -> Iterator[Path]:
    """A temporary file whose bytes go to a device or a pipe when the block ends without an error."""
    try:
        with tempfile.TemporaryDirectory(prefix="scalelaw-") as folder:
            part = Path(folder) / "part"
            part.touch()
            yield part
            number = _own_handle(target)
            if number is None:
                handle = os.open(target, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
                os.set_blocking(handle, True)
            else:
                sys.stdout.flush()
                handle = os.dup(number)
            with part.open("rb") as source, os.fdopen(handle, "wb") as sink:
                shutil.copyfileobj(source, sink)
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise InputError(
                f"Cannot write {target}: no process reads this pipe.", code="cannot_write"
            ) from error
        raise _cannot_write(target, error) from error


NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""For what is written where it lies: a link that somebody put there is not followed."""
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""A FIFO without a reader is an error, not a reason to wait."""


def reopened(path: Path) -> int:
    """A handle of a file to write, emptied or made. Raises OSError, also for a link and for a FIFO without reader."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | NO_LINK | NO_WAIT, 0o666)


def write_text(path: str | os.PathLike[str], text: str, *, by_user: bool = False) -> None:
    """Write a text file (UTF-8) as `atomic` does."""
    with atomic(path, by_user=by_user) as part:
        part.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class SweepFolder:
    """The layout of a sweep's folder: the one place that knows its paths."""

    root: Path

    @property
    def experiment(self) -> Path:
        """The experiment as resolved (YAML, every default written out)."""
        return self.root / "experiment.yaml"

    @property
    def cells(self) -> Path:
        """One parquet part a finished cell."""
        return self.root / "cells"

    @property
    def stages(self) -> Path:
        """Shared work (tower, features, text-trained LLMs), a folder each, named by content."""
        return self.root / "stages"

    @property
    def manifest(self) -> Path:
        """The cells that the experiment names, in order (JSON); other parts in `cells` belong to earlier statements."""
        return self.root / "cells.json"

    @property
    def lock(self) -> Path:
        """Held by the runner of the sweep while it lives."""
        return self.root / "sweep.lock"

    @property
    def results(self) -> Path:
        """The whole table, put together when a sweep ends; it exists only while no part is newer."""
        return self.root / "results.parquet"

    @property
    def gathered(self) -> Path:
        """The parts as they were when they were last read and believed: a saving of time, never a truth."""
        return self.root / "gathered.parquet"

    def check(self) -> None:
        """Raises InputError where something in the folder is a link out of it: what is written there would land
        elsewhere. The folder itself may be a link."""
        inner = ("saved", "locks", "failed", "logs", "logs/slurm")
        for path in (self.cells, self.stages, *(self.root / name for name in inner), self.experiment, self.manifest,
                     self.lock, self.results, self.gathered):  # fmt: skip
            if path.is_symlink() and not path.resolve().is_relative_to(self.root.resolve()):
                raise InputError(
                    f"{path} is a link that leads out of the sweep's folder.",
                    code="link_leads_out",
                    hint="Link the whole folder instead, or give another with --out.",
                )

    def cell(self, cell: str) -> Path:
        """The result of one cell: it exists only when the cell is done."""
        return self.cells / f"{cell}.parquet"

    def stage(self, stage: str) -> Path:
        """The folder of one stage; it counts only when it is whole."""
        return self.stages / stage

    def made(self, stage: str) -> Path:
        """What a finished stage was made of (JSON): it exists only when the stage is done."""
        return self.stage(stage) / "made.json"

    def saved(self, name: str) -> Path:
        """What the training of a cell or a stage knows, while it is not done."""
        return self.root / "saved" / f"{name}.pt"

    def lock_of(self, name: str) -> Path:
        """The lock of the process that makes a cell or a stage."""
        return self.root / "locks" / f"{name}.lock"

    def failure(self, name: str) -> Path:
        """Why a cell or a stage failed (JSON)."""
        return self.root / "failed" / f"{name}.json"

    def log(self, name: str) -> Path:
        """The training log of one cell or stage (JSON lines)."""
        return self.root / "logs" / f"{name}.jsonl"

    def output(self, name: str) -> Path:
        """What the process of a cell or a stage printed."""
        return self.root / "logs" / f"{name}.out"


@cache
def versions() -> Mapping[str, str]:
    """What made a file: this package's version, and the git revision where it runs from a checkout; asked once."""
    facts = {"scalelaw.version": __version__}
    if (PACKAGE.parent / ".git").exists():
        command = [
            "git",
            "-C",
            str(PACKAGE.parent),
            "describe",
            "--always",
            "--dirty",
            "--abbrev=40",
            "--match=",
        ]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
        except (
            OSError,
            ValueError,
            subprocess.SubprocessError,
        ):  # no git on the path, or one that cannot be run
            return facts
        if answer.returncode == 0 and answer.stdout.strip():
            facts["scalelaw.git"] = answer.stdout.strip()
    return facts
