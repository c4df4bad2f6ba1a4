"""Predictions far from the measured points: sizes in another unit, and errors that cannot be."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.errors import InputError, PredictionWarning
from scalelaw.fit.formula_law import law_names
from scalelaw.fit.identifiability import judge
from scalelaw.fit.law import make_law
from scalelaw.fit.multistart import Minimum
from scalelaw.fit.objective import Objective
from scalelaw.fit.varpro import Problem


@pytest.fixture(scope="module")
def fitted() -> sl.FittedLaw:
    return sl.fit_law("vlm_reasoning", "additive_power", bootstrap=5)


@pytest.mark.parametrize("n_params", [72, 7, [7e9, 1.5], 72000, 1000.0, 7e18])
def test_a_size_in_another_unit_is_refused(fitted: sl.FittedLaw, n_params: object) -> None:
    for predict in (fitted.predict, fitted.predict_draws):
        with pytest.raises(InputError) as caught:
            predict(n_params=n_params, visual_tokens=144)
        assert caught.value.code == "unit_mismatch"


def test_the_hint_has_the_number_to_type(fitted: sl.FittedLaw) -> None:
    with pytest.raises(InputError) as caught:
        fitted.predict(n_params=72, visual_tokens=144)
    assert "72e9" in caught.value.hint


@pytest.mark.parametrize(
    ("n_params", "visual_tokens"), [(72e9, 144), (1e7, 1), (1e12, 2000), ([0.5e9, 7e9], 16)]
)
def test_an_extrapolation_is_none(fitted: sl.FittedLaw, n_params: object, visual_tokens: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(fitted.predict(n_params=n_params, visual_tokens=visual_tokens)).all()


def test_a_formula_and_a_fit_in_billions_are_compared_too() -> None:
    table = sl.read_table("vlm_reasoning")
    typed = sl.fit_law(table, "E + A*N**-a*V**-b", bootstrap=0)
    with pytest.raises(InputError) as caught:
        typed.predict(N=72, V=144)
    assert caught.value.code == "unit_mismatch"
    billions = sl.fit_law(table.assign(n_params=table.n_params / 1e9), "E + A*N**-a*V**-b", bootstrap=0)
    assert np.isfinite(billions.predict(N=72, V=144))
    with pytest.raises(InputError) as caught:
        billions.predict(N=7e9, V=144)
    assert caught.value.code == "unit_mismatch"


def test_another_large_input_gets_a_warning() -> None:
    x = np.geomspace(1e9, 1e12, 12)
    table = pd.DataFrame({"x": x, "error": 0.2 + 5 * x**-0.2})
    curve = sl.fit_law(table, "power_offset", bootstrap=0)
    with pytest.warns(PredictionWarning):
        curve.predict(x=100.0)


def test_an_impossible_error_gets_a_warning() -> None:
    fitted = sl.fit_law("vlm_reasoning", "log_linear", bootstrap=0)
    with pytest.warns(PredictionWarning):
        fitted.predict({**fitted.params, "c": 3.0}, n_params=1e9, visual_tokens=64)


def test_a_plan_takes_a_formula_of_letters(fitted: sl.FittedLaw) -> None:
    typed = sl.fit_law("vlm_reasoning", "E + A*(N/1e9)**-a + B*V**-b", bootstrap=5)
    named = sl.find_optimum(fitted, budget=2e13).best
    optimum = sl.find_optimum(typed, budget=2e13).best
    assert (optimum["model"], optimum["visual_tokens"]) == (named["model"], named["visual_tokens"])
    assert optimum["error"] == pytest.approx(named["error"], rel=1e-6)
    again = typed.with_column_names()
    assert again.inputs == ["n_params", "visual_tokens"]
    assert again.predict(n_params=7e9, visual_tokens=144) == pytest.approx(
        typed.predict(N=7e9, V=144), rel=1e-14
    )


def test_a_search_without_an_end_says_nothing_of_the_points() -> None:
    """Where exp(-x/x0) is 0 at every point, A and x0 move nothing; of the best fit that says nothing."""
    x = np.geomspace(1e8, 5e9, 20)
    text = "E + A*exp(-x/x0)"
    law = make_law(text, law_names(text, ("x",)))
    problem = Problem(
        law, (x,), (0.2 + 0.5 * np.exp(-x / 1e9))[None], Objective(), None, law.lower, law.upper
    )
    place = np.array([0.3, 0.0, 1.0])
    status, reasons = judge(problem, Minimum(place, 1.0, False, 256, 1, 0.2, 0.1))
    assert status == "not_converged"
    assert [code for code, _ in reasons] == ["not_converged"]
    status, reasons = judge(problem, Minimum(place, 1.0, True, 256, 12, 0.0, 0.0))
    assert status == "not_identified"
    assert [code for code, _ in reasons] == ["flat"]
