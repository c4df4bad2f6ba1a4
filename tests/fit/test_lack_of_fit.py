"""The lack-of-fit test: its false alarms, its power, and where it has no answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.fit.lack_of_fit import lack_of_fit
from scalelaw.fit.load_law import load_law
from scalelaw.fit.objective import Objective
from scalelaw.fit.varpro import Problem, descend

SIZE, TOKENS = (
    np.repeat(x.ravel(), 2)
    for x in np.meshgrid([0.5, 1.8, 4.0, 7.0], [1.0, 4.0, 16.0, 36.0, 64.0, 144.0, 576.0], indexing="ij")
)
NOISE = 0.0037


def p_values(truth: np.ndarray, tables: int) -> np.ndarray:
    """P values of the product law on tables of 28 places with two seeds each."""
    law, draw = load_law("product_power"), np.random.default_rng(3)
    start = np.array([0.5, 0.1, 0.03, 0.05])[:, None]
    target = truth + NOISE * draw.normal(size=(tables, len(truth)))
    problem = Problem(law, (SIZE, TOKENS), target, Objective(), None, law.lower, law.upper)
    reached = descend(problem, np.repeat(start, tables, axis=1), 1e-12, 200).parameters
    each = [replace(problem, target=target[i : i + 1]) for i in range(tables)]
    return np.array([lack_of_fit(one, reached[:, i]).p_value for i, one in enumerate(each)])


def test_a_true_law_raises_few_false_alarms() -> None:
    share = np.mean(p_values(0.08 + 0.5 * SIZE**-0.09 * TOKENS**-0.02, 400) < 0.05)
    assert 0.01 <= share <= 0.09


def test_an_additive_truth_is_seen_under_the_product_law() -> None:
    additive = 0.3 + 0.2 * SIZE**-0.35 + 0.1 * TOKENS**-0.4
    assert np.mean(p_values(additive, 100) < 0.05) >= 0.9


def test_a_fit_warns_of_a_misfit_where_points_repeat() -> None:
    draw = np.random.default_rng(1)
    error = 0.3 + 0.2 * SIZE**-0.35 + 0.1 * TOKENS**-0.4 + NOISE * draw.normal(size=len(SIZE))
    table = pd.DataFrame({"n_params": SIZE * 1e9, "visual_tokens": TOKENS, "error": error})
    assert "misfit" in [code for code, _ in sl.fit_law(table, bootstrap=0).warnings]
    assert "misfit" not in [code for code, _ in sl.fit_law(table, "additive_power", bootstrap=0).warnings]
    once = table[::2]
    assert "misfit" not in [code for code, _ in sl.fit_law(once, bootstrap=0).warnings]
    assert "misfit" not in [code for code, _ in sl.fit_law(table, loss="huber", bootstrap=0).warnings]


@pytest.mark.parametrize("residual", ["linear", "log"])
def test_the_statistic_equals_the_analysis_of_variance(residual: str) -> None:
    x = np.repeat([1.0, 2.0, 3.0, 4.0], [2, 3, 2, 1])
    y = np.array([1.1, 1.3, 1.9, 2.2, 2.1, 2.7, 2.9, 4.4])
    law = load_law("power_offset")
    problem = Problem(law, (x,), y[None], Objective(residual=residual), None, law.lower, law.upper)
    parameters = np.array([1.0] * len(law.parameters))
    test = lack_of_fit(problem, parameters)
    value = np.log(y) if residual == "log" else y
    fitted = law.value((x,), parameters[:, None])[0]
    fitted = np.log(fitted) if residual == "log" else fitted
    pure = sum(((value[x == p] - value[x == p].mean()) ** 2).sum() for p in set(x))
    total = ((value - fitted) ** 2).sum()
    assert test is not None
    expected = (total - pure) / (4 - len(law.parameters)) / (pure / 4)
    assert test.statistic == pytest.approx(expected, rel=1e-12)
