"""An lmfit result says what we say: values and standard errors, under weights, ties, fixed values, log residuals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.errors import InputError
from scalelaw.fit import lmfit_result
from scalelaw.fit.lmfit_bridge import standard_errors
from scalelaw.fit.options import FitOptions
from scalelaw.fit.problem import make_task, opening

TABLE = sl.read_table("vlm_reasoning").assign(error_se=np.linspace(0.002, 0.01, 28))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"fix": {"D": 0.1}},
        {"weights": "error_se"},
        {"weights": "error_se", "residual": "log"},
        {"tail_weight": 1.0},
        {"tie": {"alpha": "4*beta"}},
        {"tie": {"alpha": "4*beta"}, "fix": {"D": 0.05}, "residual": "log", "weights": "error_se"},
    ],
)
def test_lmfit_says_what_the_fit_says(settings: dict) -> None:
    points, law, options = opening(TABLE, "product_power", None, "error", None, FitOptions(**settings))
    task = make_task(points, law, options)
    fitted = sl.fit_law(TABLE, bootstrap=0, **settings)
    result = lmfit_result(fitted)
    assert result.chisqr == pytest.approx(fitted.objective, rel=1e-9)
    names = task.problem.law.parameters
    errors = standard_errors(task.problem, np.array([fitted.params[name] for name in names]))
    for name, error in zip(names, errors, strict=True):
        assert result.params[name].value == pytest.approx(fitted.params[name], rel=1e-6)
        if np.isfinite(error):
            assert result.params[name].stderr == pytest.approx(error, rel=1e-4)
        else:
            assert not result.params[name].vary
    for name, formula in fitted.ties.items():
        assert result.params[name].expr == formula


def test_an_average_has_no_lmfit_result() -> None:
    x = np.geomspace(1e6, 1e9, 24)
    error = (0.2 + 5 * x**-0.2 / (1 + 8 * x**-0.2)) * np.exp(np.random.default_rng(0).normal(0, 0.01, 24))
    fitted = sl.fit_law(pd.DataFrame({"x": x, "error": error}), law="auto", bootstrap=0)
    with pytest.raises(InputError) as caught:
        lmfit_result(fitted)
    assert caught.value.code == "average_of_laws"
