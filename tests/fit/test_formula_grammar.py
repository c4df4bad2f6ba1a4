"""The grammar of typed formulas: functions, derivatives, comparisons and linearity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.errors import InputError
from scalelaw.fit.formula_law import Expression, law_names, rename, right_side
from scalelaw.fit.law import make_law

GRAMMAR = [
    "E + A*min(x, c)**-a",
    "E + A*max(x, c)**-a + B*abs(x - m)",
    "where(x > 2, A*x**-a, B)",
    "E + A*sigmoid(k*(x - m))",
    "E + A*softplus(m - x)/(1 + x)",
    "A*log10(x + c) + log2(x + c) - sqrt(x*b)/tanh(x) + log1p(x*k) + expm1(-x*k)",
    "exp(-s*x**q + S) + exp(B*x**-b - Q)*x**-exp(-A*x**a + F)",
]


@pytest.mark.parametrize("text", GRAMMAR)
def test_derivatives_of_a_formula_equal_complex_steps(text: str) -> None:
    law = make_law(text, law_names(text, ["x"]))
    draw = np.random.default_rng(len(text))
    x, parameters = np.exp(draw.normal(size=9)), np.exp(0.4 * draw.normal(size=(len(law.parameters), 3)))
    columns = law.jacobian((x,), parameters)
    for j in range(len(parameters)):
        moved = parameters.astype(complex)
        moved[j] += 1e-100j
        exact = np.imag(law.value((x,), moved)) / 1e-100
        assert columns[:, j] == pytest.approx(exact, rel=1e-12, abs=1e-13 * np.abs(exact).max())


def test_derivatives_survive_overflow_of_a_part() -> None:
    expression = Expression("A*exp(-x/c) + softplus(k*x) + sigmoid(-k*x)")
    slopes = expression.slopes({"x": np.array([1e5]), "A": 1.0, "c": 1e-3, "k": 1e2}, ["A", "c", "k"])
    assert [float(np.squeeze(s)) for s in slopes] == [0.0, 0.0, 1e5]


def test_where_is_linear_in_its_branches_and_not_in_its_condition() -> None:
    assert Expression("where(x > c, A*x, B) + E").linear(["c", "A", "B", "E"]) == ("A", "B", "E")
    law = make_law("F", law_names("where(x > 5e10, x, 0) + A*x", ["x"]))
    assert law.has_offset
    assert not make_law("F", law_names("where(x > 5e10, A*x, 0)", ["x"])).has_offset


@pytest.mark.parametrize(
    "text", ["where(A, x, B)", "where(x > A > 1, x, B)", "min(x)", "min(A, x, 3)", "(x > A)*B", "abs(x, A)"]
)
def test_calls_outside_the_grammar_are_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Expression(text)
    assert caught.value.code == "bad_expression"


def test_a_comparison_is_not_the_equals_sign_of_a_formula() -> None:
    for text in ("error = where(x >= 2, A, B)*x", "where(x <= 2, A, B)*x"):
        assert set(right_side(text).names) == {"x", "A", "B"}
        assert set(right_side(rename(text, {"x": "size"})).names) == {"size", "A", "B"}


def test_a_breakpoint_is_found_in_any_unit() -> None:
    for unit in (1.0, 1e9, 1e-7):
        x = np.linspace(0.1, 4, 40)
        table = pd.DataFrame({"x": x * unit, "error": 0.1 + 0.5 * np.minimum(x, 1.7) ** -0.4})
        fitted = sl.fit_law(table, f"E + A*min(x, c)**-a + 0*{unit}", bootstrap=0)
        assert fitted.rmse < 1e-8
        assert fitted.params["c"] == pytest.approx(1.7 * unit, rel=1e-6)
