"""Where things lie: bundled data, a sweep's folder; and how a file is written (beside its name, then moved)."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scalelaw.errors import InputError
from scalelaw.version import __version__

PACKAGE = Path(__file__).resolve().parent


def bundled(*parts: str) -> Path:
    """The path of bundled data: inside the installed package, or `data/` of the source tree."""
    inside = PACKAGE / "data"
    return (inside if inside.is_dir() else PACKAGE.parent / "data").joinpath(*parts)


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it onto `path` when the block ends without an error.

    A reader sees the old file or the new one, never half of one.
    Raises InputError where the folder cannot be made or written, or the disk is full.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise InputError(
            f"Cannot write {target}: {error.strerror or error}.",
            code="cannot_write",
            hint="Choose a folder that exists and that you may write to.",
        ) from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)
        part.replace(target)
    except IsADirectoryError as error:
        raise InputError(f"Cannot write {target}: it is a folder.", code="cannot_write") from error
    except OSError as error:
        raise InputError(f"Cannot write {target}: {error.strerror or error}.", code="cannot_write") from error
    finally:
        part.unlink(missing_ok=True)


NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""For what is written where it lies: a link that somebody put there is not followed."""
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""A FIFO without a reader is an error, not a reason to wait."""


def opened_anew(path: Path) -> int:
    """A handle of a file to write, emptied or made. Raises OSError, also for a link and for a FIFO without reader."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | NO_LINK | NO_WAIT, 0o666)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file atomically (UTF-8)."""
    with atomic(path) as part:
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

    def turn(self, name: str) -> Path:
        """Held by the process that makes a cell or a stage, while it does."""
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
    found = {"scalelaw.version": __version__}
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
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            found["scalelaw.git"] = asked.stdout.strip()
    return found
