"""The least errors at each cost, drawn in letters."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import scalelaw as sl
from scalelaw.cli.show.fit import show_front
from scalelaw.cli.show.sparklines import front


def choice(cost: float, error: float) -> dict[str, Any]:
    return {"model": "tiny", "visual_tokens": 4, "error": error, "costs": {"flops": cost}}


def test_the_bars_are_as_long_as_the_errors() -> None:
    rows = front([choice(2e9, 0.2), choice(1e9, 0.4)], "flops")
    assert rows == [("1 GFLOPs", "tiny, 4", "0.4000", "█" * 24), ("2 GFLOPs", "tiny, 4", "0.2000", "█" * 12)]
    assert front([choice(1e9, 0.4)], "flops") == []


def test_of_many_eight_are_shown_with_both_ends() -> None:
    rows = front([choice(1e9 * (i + 1), 0.5 - i / 100) for i in range(30)], "flops")
    assert len(rows) == 8
    assert (rows[0][0], rows[-1][0]) == ("1 GFLOPs", "30 GFLOPs")


@pytest.mark.parametrize(("columns", "bars"), [("120", True), ("40", False)])
def test_a_narrow_terminal_gets_the_numbers_and_no_colour_is_no_colour(
    columns: str,
    bars: bool,
    optimum: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (("NO_COLOR", "1"), ("FORCE_COLOR", "1"), ("COLUMNS", columns), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    show_front(optimum)
    printed = capsys.readouterr().out
    assert "least error at each cost" in printed
    assert ("█" in printed) is bars
    assert not any(f"\x1b[{code}m" in printed for code in range(30, 48))
    plain = re.sub(r"\x1b\[\d*m", "", printed)
    assert max(map(len, plain.splitlines())) <= int(columns)


def test_what_no_error_can_be_is_said_on_the_page_in_the_figure_and_in_the_terminal(
    fitted: Any,
    ocr: Any,
    drawn: Callable[..., Any],
    words_of: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    optimum = sl.find_optimum(ocr, 8e11, models=[2e6, 7e9], cost="linear_flops")
    assert max(point["error"] for point in optimum.pareto) > 1
    printed = [words_of(page) for page in drawn([ocr, optimum], "surface")]
    assert "outside 0 to 1" in " ".join(" ".join(printed).split())
    (surface,) = (page for page in printed if "Least error by cost" in page)
    assert "no error is above 1" in surface
    assert "beyond 0 to 1: no error" in surface
    show_front(optimum)
    assert "an error is between 0 and 1" in capsys.readouterr().out
    assert "no error is above 1" not in " ".join(map(words_of, drawn([fitted], "surface")))
