"""One attempt at a cell or stage: its log, and the reason if it fails."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scalelaw.config import Experiment
from scalelaw.errors import InputError, Preempted, ScalelawError
from scalelaw.files.paths import SweepFolder, reopened, write_text
from scalelaw.results.envelope import dumps
from scalelaw.sweep.trackers import Trackers, opened

TAIL = 4000  # characters from the end of a traceback that a failure keeps


@dataclass(frozen=True)
class Failure:
    """Why a cell or stage has no result. reason: a sentence. code: stable, for scripts. traceback: its last lines."""

    reason: str
    code: str
    started_at: str
    traceback: str = ""

    def write(self, folder: SweepFolder, name: str) -> None:
        """Write it to the sweep folder. Raises InputError if that fails."""
        write_text(folder.failure(name), dumps(vars(self)))


class Log:
    """A log of JSON lines, overwritten by each attempt; every line has `seconds` since the start."""

    def __init__(
        self, folder: SweepFolder, name: str, label: str, experiment: Experiment | None = None
    ) -> None:
        self._trackers, path = Trackers({}, self), folder.log(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(reopened(path), "w", encoding="utf-8", buffering=1)  # noqa: SIM115
        except OSError as error:
            raise InputError(f"Cannot write {path}: {error.strerror}.", code="cannot_write") from error
        self.started_at = now()
        self._start = time.monotonic()
        self(event="start", name=name, label=label, started_at=self.started_at)
        if experiment is not None and experiment.track:
            self._trackers = opened(experiment.track, folder, experiment.name, name, label, self)

    def __call__(self, facts: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Write one line: facts such as step, steps, loss."""
        line = {"seconds": round(self.seconds, 3), **(facts or {}), **more}
        self._file.write(dumps(line))
        self._trackers.line(line)

    def scores(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Send the rows of a finished cell to the trackers."""
        self._trackers.scores(rows)

    @property
    def seconds(self) -> float:
        """Seconds since the start, by a clock that does not jump."""
        return time.monotonic() - self._start

    def close(self) -> None:
        """Close the log and the trackers."""
        try:
            self._trackers.end()
        finally:
            self._file.close()


@contextmanager
def attempt(
    folder: SweepFolder, name: str, label: str, experiment: Experiment | None = None
) -> Iterator[Log]:
    """Run a block with a log and the trackers of `experiment`; record its failure, or remove an older one.

    Errors are raised again. A preemption is not a failure.
    """
    started_at = now()
    try:
        log = Log(folder, name, label, experiment)
        try:
            yield log
        finally:
            log.close()
    except Preempted:
        raise
    except (Exception, SystemExit) as error:
        known = isinstance(error, ScalelawError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        code = error.code if isinstance(error, ScalelawError) else "crashed"
        tail = "" if known else "".join(traceback.format_exception(error))[-TAIL:]
        Failure(reason, code, started_at, tail).write(folder, name)
        raise
    folder.failure(name).unlink(missing_ok=True)


def read_failure(folder: SweepFolder, name: str) -> Failure | None:
    """The recorded failure, or None."""
    try:
        if not folder.failure(name).is_file():
            return None
        facts = json.loads(folder.failure(name).read_text(encoding="utf-8"))
        return Failure(**{key: str(facts[key]) for key in ("reason", "code", "started_at", "traceback")})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def now() -> str:
    """The present time, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
