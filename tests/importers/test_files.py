"""Cells that stand for no score."""

import pytest

from scalelaw.importers._files import is_no_score


@pytest.mark.parametrize("text", ["", "-", "NaN", "inf", "-Infinity", "1e999", "-1.5E+400", "1" + "0" * 400])
def test_a_cell_without_a_finite_number_is_no_score(text: str) -> None:
    assert is_no_score(text)


@pytest.mark.parametrize("text", ["0", "1e3", "-2.5e-7", "61.3%", "good", "1e308"])
def test_a_number_or_a_text_is_not(text: str) -> None:
    assert not is_no_score(text)
