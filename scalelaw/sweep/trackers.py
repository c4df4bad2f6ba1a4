"""Experiment trackers, which receive the log of each cell and stage if the experiment lists them under `track`.

    tensorboard      one run per cell, in the folder `tensorboard` of the sweep
    wandb, trackio   one run per cell, in a project with the name of the experiment; configured by their own settings

They receive the numbers of each log line with a step, and the scores. A tracker that fails is dropped with a line in
the log; the cell continues.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Protocol

from scalelaw.errors import MissingDependency, ScalelawError, unknown
from scalelaw.files.paths import SweepFolder

NAMES = ("tensorboard", "trackio", "wandb")
Numbers = Mapping[str, float]


class Tracker(Protocol):
    """Receives numbers."""

    def numbers(self, numbers: Numbers, step: int) -> None:
        """Record numbers at a step."""

    def end(self) -> None:
        """Finish the run."""


class _TensorBoard:
    def __init__(self, folder: SweepFolder, project: str, name: str, label: str) -> None:
        writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter
        self._writer: Any = writer(str(folder.root / "tensorboard" / f"{label.replace('/', '_')} {name}"))

    def numbers(self, numbers: Numbers, step: int) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def end(self) -> None:
        self._writer.close()


class _Run:
    """Weights & Biases, and libraries with the same interface."""

    def __init__(self, module: str, project: str, name: str, label: str) -> None:
        kit: Any = importlib.import_module(module)
        self._run = kit.init(project=project, name=f"{label} {name}", config={"cell": name, "label": label})

    def numbers(self, numbers: Numbers, step: int) -> None:
        self._run.log({**numbers, "step": step})

    def end(self) -> None:
        self._run.finish()


class Trackers:
    """The trackers of one cell or stage."""

    def __init__(self, opened: Mapping[str, Tracker], log: Callable[..., None]) -> None:
        self._opened, self._told, self._step = dict(opened), log, 0

    def line(self, facts: Mapping[str, Any]) -> None:
        """Record the numbers of a log line of training; lines whose step is not a number are skipped."""
        if not self._opened or "step" not in facts or "said" in facts:
            return
        stage = f"{facts['stage']}/" if "stage" in facts else ""
        try:
            self._step = int(facts["step"])
            numbers = {stage + key: float(value) for key, value in facts.items() if _tells(key, value)}
        except (TypeError, ValueError, OverflowError):
            return
        self._each(lambda tracker: tracker.numbers(numbers, self._step))

    def scores(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record the error of each benchmark from the rows of a finished cell."""
        numbers = {
            f"error/{row.get('benchmark') or row.get('task_family')}": float(row["error"])
            for row in rows
            if _tells("error", row.get("error"))
        }
        self._each(lambda tracker: tracker.numbers(numbers, self._step))

    def end(self) -> None:
        """Finish all runs."""
        self._each(lambda tracker: tracker.end())

    def _each(self, say: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._opened.items()):
            try:
                say(tracker)
            except ScalelawError:
                raise  # a preemption is not a failure of the tracker
            except Exception as error:  # noqa: BLE001 - training continues whatever a tracker raises
                del self._opened[name]
                self._told(event="tracker left out", tracker=name, reason=f"{type(error).__name__}: {error}")


def known(names: Sequence[str]) -> None:
    """Raises InputError for an unknown tracker."""
    for name in names:
        if name not in NAMES:
            raise unknown("tracker", name, NAMES)


def check(names: Sequence[str]) -> None:
    """Raises InputError for an unknown tracker, MissingDependency for one that is not installed."""
    known(names)
    for name in names:
        spec = find_spec(name)
        # a folder in which a tracker stores its runs has a spec without an origin
        if spec is None or spec.origin is None:
            raise MissingDependency(
                f"The tracker '{name}' needs the package {name}, which is not installed.",
                code="missing_dependency",
                hint=f"pip install 'scalelaw[track]' (or: pip install {name})",
            )


def opened(
    names: Sequence[str],
    folder: SweepFolder,
    project: str,
    name: str,
    label: str,
    log: Callable[..., None],
) -> Trackers:
    """Open trackers; one that cannot be opened is dropped with a line in the log. Raises as `check`."""
    check(names)
    trackers: dict[str, Tracker] = {}
    for kind in names:
        try:
            if kind == "tensorboard":
                trackers[kind] = _TensorBoard(folder, project, name, label)
            else:
                trackers[kind] = _Run(kind, project, name, label)
        except ScalelawError:
            raise
        except Exception as error:  # noqa: BLE001 - no key, no network: as `Trackers`
            log(event="tracker left out", tracker=kind, reason=f"{type(error).__name__}: {error}")
    return Trackers(trackers, log)


def _tells(key: str, value: Any) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and key not in ("step", "steps", "seconds")
