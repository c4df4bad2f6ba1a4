"""What is shown of a sweep, and how much time it is thought to need."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from scalelaw.sweep import progress
from scalelaw.sweep.progress import Item, Lines, LiveTable, Progress, duration


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    def item(name: str, flops: float) -> Item:
        log = tmp_path / f"{name}.jsonl"
        log.write_text(json.dumps({"step": 1, "steps": 4, "loss": 0.5}) + '\n{"step": 2, "st')
        return Item(name, f"label {name}", flops, log)

    return [item("tower", 0.0), item("a", 30.0), item("b", 10.0), item("c", 20.0)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as a list of one."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "time", lambda: now[0])
    return now


def test_time_left_goes_by_flops(items: list[Item], clock: list[float]) -> None:
    watched = Progress()
    watched.begin(items, 2)
    clock[0] = 1100
    watched.end(items[0], "", 100)
    assert watched.left() is None
    clock[0] = 1120  # 30 of 60 done, and a quarter of the 10 and of the 20
    watched.end(items[1], "", 20)
    assert watched.left() == pytest.approx(0.75 * 30 * 20 / (30 + 0.25 * 30))
    watched.end(items[2], "failed", 1)
    watched.end(items[3], "", 1)
    assert watched.left() == 0


def test_an_older_log_is_not_of_this_run(items: list[Item], clock: list[float]) -> None:
    watched = Progress()
    clock[0] = 1e12
    watched.begin(items, 2)
    assert watched.last(items[0]) is None
    assert watched.last(Item("none", "", 0, Path("nowhere"))) is None


def test_lines_say_what_ended_and_why_not(items: list[Item], capsys: pytest.CaptureFixture[str]) -> None:
    with Lines() as shown:
        shown.begin(items, 2)
        shown.end(items[0], "", 7.2)
        shown.end(items[1], "It broke.", 3)
    assert capsys.readouterr().out == ""
    shown = Lines()
    shown.begin(items, 2)
    shown.end(items[0], "", 7.2)
    shown.end(items[1], "It broke.", 3)
    assert capsys.readouterr().err.splitlines() == [
        "3 cells to run after 1 stages, 2 at a time",
        "[1/4] label tower: done in 7 s, loss 0.500",
        "[2/4] label a: failed: It broke.",
    ]


def test_the_live_table_shows_running_done_and_failed(items: list[Item]) -> None:
    shown = LiveTable()
    shown.begin(items, 2)
    shown.end(items[0], "", 7)
    shown.end(items[1], "It broke.", 3)
    text = io.StringIO()
    Console(file=text, width=100).print(shown.render())
    lines = [" ".join(line.split()) for line in text.getvalue().splitlines()]
    assert lines[0] == "done label tower loss 0.500"
    assert lines[1] == "failed label a It broke."
    assert lines[2].startswith("running label b ")
    assert lines[2].endswith(" loss 0.500")
    assert lines[4].startswith("1 of 4 done, 1 failed, 0 s elapsed")


def test_the_live_table_opens_and_closes_on_stderr_alone(
    items: list[Item], capsys: pytest.CaptureFixture[str]
) -> None:
    with LiveTable() as shown:
        shown.begin(items, 2)
        shown.end(items[0], "", 7)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "1 of 4 done" in printed.err


@pytest.mark.parametrize(("seconds", "words"), [(8.4, "8 s"), (99, "99 s"), (180, "3 min"), (7500, "2 h 05")])
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
