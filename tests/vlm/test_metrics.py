"""The metrics in digits."""

from __future__ import annotations

import pytest

from scalelaw.vlm.metrics import anls, exact_match, multiple_choice, plain, vqa_accuracy


def test_plain() -> None:
    assert plain("  The  Red, BALL! ") == "red ball"
    assert plain("3.5 o'clock.") == "3.5 o'clock"


def test_exact_match() -> None:
    assert exact_match("A dog.", ["cat", "dog"]) == 1
    assert exact_match("dogs", ["dog"]) == 0


def test_vqa_accuracy() -> None:
    """Two of ten said so: leaving one of them out 1/3, another 2/3; three: 2/3 or 1."""
    assert vqa_accuracy("x", ["x"] * 2 + ["y"] * 8) == pytest.approx((2 * 1 / 3 + 8 * 2 / 3) / 10)
    assert vqa_accuracy("x", ["x"] * 3 + ["y"] * 7) == pytest.approx((3 * 2 / 3 + 7) / 10)
    assert vqa_accuracy("x", ["x"] * 4 + ["y"] * 6) == 1
    assert vqa_accuracy("x", ["x"]) == 1


def test_anls() -> None:
    assert anls("hello", ["hallo"]) == pytest.approx(0.8)
    assert anls("abcd", ["abxx"]) == 0.5
    assert anls("abcd", ["axxx"]) == 0
    assert anls("kitten", ["nothing", "sitting"]) == pytest.approx(1 - 3 / 7)


@pytest.mark.parametrize(
    ("answer", "score"), [("B", 1), ("(B) a dog", 1), ("The answer is B.", 1), ("A", 0), ("Bus", 0)]
)
def test_multiple_choice(answer: str, score: int) -> None:
    assert multiple_choice(answer, ["B"]) == score
