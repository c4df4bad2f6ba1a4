"""The progress display of a sweep on stderr: a live table on a terminal, else one line per finished task."""

from __future__ import annotations

import itertools
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scalelaw.files.safe_text import one_line, printable, say

SHOWN = 12  # rows of the live table
LOOKED_AT = 64


@dataclass(frozen=True)
class Item:
    """A task of the display. flops: its predicted training FLOPs, 0 where unknown (stages). log: JSON lines."""

    name: str
    label: str
    flops: float
    log: Path


class Progress:
    """Follows a sweep without output; `Lines` and `LiveTable` print.

    It reads only the logs of the first `LOOKED_AT` tasks that have not ended.
    """

    def __init__(self) -> None:
        self.items: Sequence[Item] = ()
        self.ended: dict[str, str] = {}  # name -> reason of the failure, or ""
        self.began = time.time()
        self.first_cell = math.inf  # start of the first cell that has ended
        self._open: dict[str, Item] = {}
        self._done = self._waiting = 0.0  # FLOPs of successful tasks, and of open ones

    def begin(self, items: Sequence[Item], jobs: int) -> None:
        """Start with these tasks, `jobs` at a time."""
        self.items, self.began = items, time.time()
        self._open = {item.name: item for item in items}
        self._waiting = sum(item.flops for item in items)

    def end(self, item: Item, failure: str, seconds: float) -> None:
        """Record the end of a task; `failure` is empty or the reason."""
        self.ended[item.name] = failure
        self._open.pop(item.name, None)
        self._waiting -= item.flops
        self._done += 0.0 if failure else item.flops
        if item.flops and not failure:
            self.first_cell = min(self.first_cell, time.time() - seconds)

    def note(self, sentence: str) -> None:
        """Show a message."""

    def open(self) -> list[Item]:
        """The first tasks that have not ended, in order."""
        return list(itertools.islice(self._open.values(), LOOKED_AT))

    def left(self) -> float | None:
        """Estimated seconds left, from the FLOPs of the cells and the speed so far; None before a cell has ended."""
        if not self._open or self.first_cell == math.inf:
            return None if self.first_cell == math.inf else 0.0
        begun = sum(item.flops * _share(self.last(item)) for item in self.open())
        return (self._waiting - begun) * (time.time() - self.first_cell) / (self._done + begun)

    def last(self, item: Item) -> dict[str, Any] | None:
        """The last line of the log of a task in this run, or None."""
        try:
            if not item.log.is_file() or item.log.stat().st_mtime < self.began - 1:
                return None
            with item.log.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - 4096))
                lines = [line for line in file.read().split(b"\n")[:-1] if line.startswith(b"{")]
            facts: dict[str, Any] = json.loads(lines[-1])
            return facts
        except (OSError, ValueError, IndexError):
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        pass


class Lines(Progress):
    """Prints one line per finished task."""

    def begin(self, items: Sequence[Item], jobs: int) -> None:
        """Start with these tasks, `jobs` at a time."""
        super().begin(items, jobs)
        cells = sum(1 for item in items if item.flops)
        say(f"{cells} cells to run after {len(items) - cells} stages, {jobs} at a time", sys.stderr)

    def end(self, item: Item, failure: str, seconds: float) -> None:
        """Record the end of a task; `failure` is empty or the reason."""
        super().end(item, failure, seconds)
        outcome = self.outcome(item, failure, seconds)
        say(f"[{len(self.ended)}/{len(self.items)}] {one_line(item.label)}: {outcome}", sys.stderr)

    def note(self, sentence: str) -> None:
        """Show a message."""
        say(sentence, sys.stderr)

    def outcome(self, item: Item, failure: str, seconds: float) -> str:
        """The end of a task in words."""
        if failure:
            return f"failed: {failure}"
        loss = _loss(self.last(item))
        left = self.left()
        rest = f" (about {duration(left)} left)" if left else ""
        return f"done in {duration(seconds)}{', ' + loss if loss else ''}{rest}"


class LiveTable(Progress):
    """A live table of running and finished tasks, with losses and the time left."""

    def __enter__(self) -> Self:
        self._live = Live(
            get_renderable=self.render,
            console=Console(stderr=True),
            refresh_per_second=4,
            redirect_stdout=False,
        )
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._live.stop()

    def note(self, sentence: str) -> None:
        """Show a message."""
        self._live.console.print(Text(sentence))

    def render(self) -> RenderableType:
        """The present table."""
        running = [item for item in self.open() if self.last(item)]
        failed = [item for item in self.items if self.ended.get(item.name)]
        well = [item for item in self.items if self.ended.get(item.name) == ""]
        room = max(1, SHOWN - len(running) - len(failed[-3:]))
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for item in well[-room:]:
            table.add_row(
                Text("done", "green"), Text(one_line(item.label)), "", Text(_loss(self.last(item)), "dim")
            )
        for item in failed[-3:]:
            reason = Text(printable(self.ended[item.name]), "red")
            table.add_row(Text("failed", "red"), Text(one_line(item.label)), "", reason)
        for item in running:
            last = self.last(item)
            bar = ProgressBar(1.0, _share(last), width=20)
            table.add_row(Text("running", "cyan"), Text(one_line(item.label)), bar, Text(_loss(last)))
        left = self.left()
        words = f"{len(well)} of {len(self.items)} done" + (f", {len(failed)} failed" if failed else "")
        words += f", {duration(time.time() - self.began)} elapsed"
        return Group(table, Text(words + (f", about {duration(left)} left" if left else "")))


def for_this_terminal() -> Progress:
    """A live table if stderr is a terminal, else lines."""
    return LiveTable() if sys.stderr.isatty() else Lines()


def duration(seconds: float) -> str:
    """Seconds for a person: 8 s, 3 min, 2 h 05."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d}"


def _share(last: dict[str, Any] | None) -> float:
    """The share of its steps that a task has done, 0 to 1."""
    try:
        return min(1.0, float(last["step"]) / float(last["steps"])) if last else 0.0
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 0.0


def _loss(last: dict[str, Any] | None) -> str:
    return f"loss {last['loss']:.3f}" if last and isinstance(last.get("loss"), int | float) else ""
