"""Certified and published answers, in digits."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from scalelaw.files.paths import bundled
from scalelaw.fit import fit_law
from scalelaw.fit.formula_law import law_names
from scalelaw.fit.law import make_law
from scalelaw.fit.lmfit_bridge import standard_errors
from scalelaw.fit.multistart import minimize
from scalelaw.fit.objective import Objective
from scalelaw.fit.varpro import Problem

NIST = {
    "Misra1a": "b1*(1-exp(-b2*x))",
    "Misra1b": "b1*(1-(1+b2*x/2)**(-2))",
    "Misra1c": "b1*(1-(1+2*b2*x)**(-0.5))",
    "Misra1d": "b1*b2*x*((1+b2*x)**(-1))",
    "DanWood": "b1*x**b2",
    "Bennett5": "b1*(b2+x)**(-1/b3)",
}


def certified(name: str) -> tuple[np.ndarray, np.ndarray, float, np.ndarray, np.ndarray]:
    """Values, standard deviations, residual sum of squares, x and y of a NIST file."""
    text = bundled("nist", f"{name}.dat").read_text()
    rows = re.findall(r"^\s+b\d =\s+(?:\S+\s+){2}(\S+)\s+(\S+)$", text, re.MULTILINE)
    squares = float(re.search(r"Residual Sum of Squares:\s+(\S+)", text)[1])  # type: ignore[index]
    data = np.array([[float(v) for v in line.split()] for line in text.splitlines()[60:] if line.strip()])
    values, errors = np.array(rows, float).T
    return values, errors, squares, data[:, 1], data[:, 0]


def digits(computed: np.ndarray, true: np.ndarray) -> float:
    """The number of correct digits of the worst value (log relative error)."""
    return float(-np.log10(np.maximum(np.abs(computed / true - 1), 1e-15)).min())


@pytest.mark.parametrize("name", NIST)
def test_nist_certified_values(name: str) -> None:
    values, errors, squares, x, y = certified(name)
    names = law_names(NIST[name]) | {
        "bounds": {f"b{i + 1}": (-np.inf, np.inf) if i == 0 else (0.0, np.inf) for i in range(len(values))}
    }
    law = make_law(name, names)
    order = [law.parameters.index(f"b{i + 1}") for i in range(len(values))]
    problem = Problem(law, (x,), y[None], Objective(), None, law.lower, law.upper)
    optimum = minimize(problem)
    assert optimum.objective == pytest.approx(squares, rel=1e-9)
    assert digits(optimum.parameters[order], values) >= 9
    assert digits(standard_errors(problem, optimum.parameters)[order], errors) >= 6


def gadre() -> pd.DataFrame:
    return pd.read_csv(bundled("published", "overtrain_gadre", "gadre_104_models.csv"))


def test_published_extrapolation_of_over_trained_models() -> None:
    """arXiv 2403.08540: from five small models, C4 loss of 1.4 B at M = 640 within .7103 %, 6.9 B within .7320 %."""
    models = gadre().query("dataset == 'rpj'")
    small = models[(models.chinchilla_multiplier == 1) & (models.params < 1e9)]
    over = models[(models.chinchilla_multiplier == 16) & (models.params < 2e7)]
    table = pd.concat([small, over])
    names = {"n_params": "params", "train_tokens": "tokens"}
    fitted = fit_law(table, law="overtrain", inputs=names, target="loss_eval_data", bootstrap=0)
    assert fitted.n_points == 5
    for name, percent in (("rpj-open_lm_1b-32.0", 0.7103), ("rpj-open_lm_7b-1.0", 0.7320)):
        model = models[models.name == name].iloc[0]
        predicted = fitted.predict(n_params=model.params, train_tokens=model.tokens)
        assert 100 * abs(predicted / model.loss_eval_data - 1) == pytest.approx(percent, abs=5e-5)


def test_total_tokens_in_the_law_fit_worse() -> None:
    fitted = fit_law("vlm_reasoning", law="total_token_power", inputs={"text_tokens": 50}, bootstrap=0)
    assert fitted.r2 == pytest.approx(0.965, abs=5e-4)


@pytest.mark.parametrize(
    ("law", "fix", "aicc"), [("product_power", {"D": 0}, -304.1), ("log_linear", {}, -312.6)]
)
def test_aicc_on_reasoning(law: str, fix: dict[str, float], aicc: float) -> None:
    assert fit_law("vlm_reasoning", law=law, fix=fix, bootstrap=0).aicc == pytest.approx(aicc, abs=0.05)
