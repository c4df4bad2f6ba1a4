"""One try at a piece of work: its log, and the reason where it fails."""

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
from scalelaw.files.paths import SweepFolder, opened_anew, write_text
from scalelaw.results.envelope import dumps
from scalelaw.sweep.trackers import Trackers, opened

TAIL = 4000  # characters of a traceback that a failure keeps: its end


@dataclass(frozen=True)
class Failure:
    """Why a cell or a stage has no result. reason: a sentence. code: stable, for scripts. traceback: its end."""

    reason: str
    code: str
    started_at: str
    traceback: str = ""

    def write(self, folder: SweepFolder, name: str) -> None:
        """Keep it in the sweep's folder. Raises InputError where that cannot be written."""
        write_text(folder.failure(name), dumps(vars(self)))


class Log:
    """A log as JSON lines, begun anew with each try; every line has `seconds` since the start."""

    def __init__(
        self, folder: SweepFolder, name: str, label: str, experiment: Experiment | None = None
    ) -> None:
        self._trackers, path = Trackers({}, self), folder.log(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(opened_anew(path), "w", encoding="utf-8", buffering=1)  # noqa: SIM115
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
        """Let the trackers hear the rows of a cell that is done."""
        self._trackers.scores(rows)

    @property
    def seconds(self) -> float:
        """Seconds since the start, by a clock that does not jump."""
        return time.monotonic() - self._start

    def close(self) -> None:
        """End the log."""
        try:
            self._trackers.end()
        finally:
            self._file.close()


@contextmanager
def attempt(
    folder: SweepFolder, name: str, label: str, experiment: Experiment | None = None
) -> Iterator[Log]:
    """Try something: its log inside, heard by the trackers that `stated` asks for; afterwards either no failure on
    record, or why (and the error goes on). To be asked to make room is no failure."""
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
    """The failure on record, if there is one that can be read."""
    try:
        if not folder.failure(name).is_file():
            return None
        facts = json.loads(folder.failure(name).read_text(encoding="utf-8"))
        return Failure(**{key: str(facts[key]) for key in ("reason", "code", "started_at", "traceback")})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def now() -> str:
    """This moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
