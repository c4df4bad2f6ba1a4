"""Learning-curve laws: limits, kinship, published parameters, and recovery in digits from x of 1e6 to 1e9."""

from __future__ import annotations

import numpy as np
import pytest

from scalelaw.errors import InputError
from scalelaw.fit.load_law import load_law
from scalelaw.fit.multistart import minimize
from scalelaw.fit.objective import Objective
from scalelaw.fit.varpro import Problem

X = np.geomspace(1e6, 1e9, 40)
PLANTED = {
    "power": [5.0, 0.2],
    "power_offset": [0.2, 5.0, 0.2],
    "m4": [0.2, 0.75, 0.8, 0.4, np.log(3e6)],
    "bnsl": [0.1, 0.9, 0.01, 0.35, np.log(2e7), 0.8],
}


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("residual", ["linear", "log"])
def test_planted_parameters_come_back(name: str, residual: str) -> None:
    law, planted = load_law(name), np.array(PLANTED[name])
    target = law.value((X,), planted[:, None])
    objective = Objective(residual=residual)
    parameters = minimize(Problem(law, (X,), target, objective, None, law.lower, law.upper)).parameters
    np.testing.assert_allclose(parameters, planted, rtol=1e-4)


def test_m4_with_a_small_alpha_is_a_power_law_with_a_floor() -> None:
    m4, offset = load_law("m4"), load_law("power_offset")
    x = np.geomspace(1e7, 1e9, 9)
    scale = 0.8 * np.exp(0.4 * np.log(1e5))
    np.testing.assert_allclose(
        m4.predict(x, 0.2, 0.8, 1e-9, 0.4, np.log(1e5)), offset.predict(x, 0.2, scale, 0.4), rtol=1e-8
    )


@pytest.mark.parametrize("alpha", [1e-3, 0.3, 1.0, 4.0])
def test_m4_solves_its_equation_and_keeps_its_limits(alpha: float) -> None:
    law = load_law("m4")
    eps, r, c, log_x0 = 0.1, 0.8, 0.5, np.log(1e6)
    x = np.geomspace(1e4, 1e10, 30)
    y = law.predict(x, eps, r, alpha, c, log_x0)
    near = y < eps + r * (1 - 1e-9)  # closer to chance, 1 - s is lost to rounding
    derived = law.derived({"eps": eps, "R": r, "alpha": alpha, "c": c, "log_x0": log_x0})
    left = (y[near] - eps) / (derived["eps_0"] - y[near]) ** alpha
    np.testing.assert_allclose(left, derived["beta"] * x[near] ** -c, rtol=1e-5)
    assert (np.diff(y) <= 0).all()
    assert law.predict(1e40, eps, r, alpha, c, log_x0) == pytest.approx(eps, abs=1e-9)
    if alpha >= 0.3:
        assert law.predict(1e-60, eps, r, alpha, c, log_x0) == pytest.approx(eps + r, rel=1e-7)


def test_m4_at_alpha_one_has_a_closed_form() -> None:
    x = np.geomspace(1e4, 1e9, 9)
    ratio = (x / 1e6) ** -0.5
    value = load_law("m4").predict(x, 0.1, 0.8, 1.0, 0.5, np.log(1e6))
    np.testing.assert_allclose(value, 0.1 + 0.8 * ratio / (1 + ratio), rtol=1e-12)


def test_bnsl_without_breaks_is_a_power_law_with_a_floor() -> None:
    flat = load_law("bnsl").predict(X, 0.2, 5.0, 0.2, 0.0, 3.0, 1.0)
    np.testing.assert_allclose(flat, load_law("power_offset").predict(X, 0.2, 5.0, 0.2), rtol=1e-12)
    twice = load_law("bnsl:2").predict(X, 0.1, 0.9, 0.01, 0.35, 17.0, 0.8, 0.0, 19.0, 1.0)
    np.testing.assert_allclose(
        twice, load_law("bnsl").predict(X, 0.1, 0.9, 0.01, 0.35, 17.0, 0.8), rtol=1e-12
    )


def test_bnsl_has_its_slopes_far_from_its_breaks() -> None:
    law = load_law("bnsl:2")
    parameters = [0.0, 1.0, 0.1, 0.2, np.log(1e6), 0.5, 0.3, np.log(1e9), 0.5]
    derived = law.derived(dict(zip(law.parameters, parameters, strict=True)))
    assert derived == pytest.approx({"d1": 1e6, "d2": 1e9, "last_slope": 0.6})
    for x, slope in ((1e-3, 0.1), (3e7, 0.3), (1e20, 0.6)):
        up, down = law.predict(x * 1.001, *parameters), law.predict(x / 1.001, *parameters)
        assert -np.log(up / down) / np.log(1.001**2) == pytest.approx(slope, abs=2e-3)


def test_bnsl_says_how_many_breaks_it_can_have() -> None:
    assert len(load_law("bnsl:3").parameters) == 12
    with pytest.raises(InputError) as caught:
        load_law("bnsl:many")
    assert caught.value.code == "bad_law"
