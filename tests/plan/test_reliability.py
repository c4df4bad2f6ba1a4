"""The record of how honest p_best is, as `experiments/p_best_reliability.py` left it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

RECORD = Path(__file__).parents[2] / "experiments" / "p_best_reliability.csv"


@pytest.mark.parametrize("points", [28, 12])
@pytest.mark.parametrize("truth", ["D = 0", "D > 0"])
def test_of_decisions_given_70_to_90_percent_75_to_85_are_truly_best(points: int, truth: str) -> None:
    rows = pd.read_csv(RECORD)
    (row,) = rows[
        (rows.construction == "plan") & (rows.points == points) & (rows.truth == truth) & (rows.p_from == 0.7)
    ].itertuples()
    assert row.decisions > 1000
    assert row.standard_error < 0.02
    assert 0.75 <= row.truly_best <= 0.85
