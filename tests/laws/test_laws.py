"""The contract that every law file keeps; a new file in scalelaw/laws is found by itself."""

from __future__ import annotations

import numpy as np
import pytest

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.fit.law import Law
from scalelaw.fit.load_law import load_law
from scalelaw.fit.multistart import minimize
from scalelaw.fit.objective import Objective
from scalelaw.fit.varpro import Problem

LAWS = (*plugins.names("laws"), "bnsl:2")


def planted(law: Law, seed: int = 0, n: int = 60) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Inputs [n] around one and parameters [p, 1] inside the bounds and the search box."""
    draw, span = np.random.default_rng(seed), 2 if len(law.parameters) < 8 else 6
    inputs = tuple(np.exp(draw.uniform(-span, span, n)) for _ in law.inputs)
    low, high = law.search_box(inputs, law.lower, law.upper)
    low, high = np.maximum(low, -0.5 * span), np.minimum(high, 0.75 * span)
    return inputs, (low + draw.uniform(0.25, 0.75, len(low)) * (high - low))[:, None]


@pytest.mark.parametrize("name", LAWS)
def test_says_what_it_is(name: str) -> None:
    law = load_law(name)
    assert law.formula
    assert law.source
    assert plugins.summary("laws", name.partition(":")[0]).startswith(f"{name.partition(':')[0]}: ")
    assert all(f"{p}" in law.formula for p in law.parameters)


@pytest.mark.parametrize("name", LAWS)
def test_jacobian_agrees_with_finite_differences(name: str) -> None:
    law = load_law(name)
    inputs, parameters = planted(law)
    jacobian = law.jacobian(inputs, parameters)[0]
    for j in range(len(parameters)):
        step = 1e-6 * abs(parameters[j, 0])
        up, down = parameters.copy(), parameters.copy()
        up[j] += step
        down[j] -= step
        finite = (law.value(inputs, up) - law.value(inputs, down))[0] / (2 * step)
        np.testing.assert_allclose(jacobian[j], finite, rtol=1e-5, atol=1e-6 * np.abs(finite).max())


@pytest.mark.parametrize("name", LAWS)
def test_recovers_planted_parameters(name: str) -> None:
    law = load_law(name)
    inputs, parameters = planted(law)
    problem = Problem(law, inputs, law.value(inputs, parameters), Objective(), None, law.lower, law.upper)
    optimum = minimize(problem)
    fitted = law.value(inputs, optimum.parameters[:, None])
    np.testing.assert_allclose(fitted, problem.target, rtol=1e-7)
    np.testing.assert_allclose(optimum.parameters, parameters[:, 0], rtol=1e-4)


@pytest.mark.parametrize("name", LAWS)
def test_value_from_jacobian_is_the_value(name: str) -> None:
    law = load_law(name)
    inputs, parameters = planted(law)
    value = law.value_from(inputs, parameters, law.jacobian(inputs, parameters))
    np.testing.assert_allclose(value, law.value(inputs, parameters), rtol=1e-12)


GOOD = """
import numpy as np
formula = "error = A * x^-c + D"
units = {"x": 1.0}
bounds = {"A": (0, np.inf), "c": (0, np.inf), "D": (0, 1)}
linear = ("A", "D")
def predict(x, A, c, D):
    return A * x**-c + D
"""


def test_a_users_own_file_fits(tmp_path) -> None:
    path = tmp_path / "my_law.py"
    path.write_text(GOOD)
    law = load_law(str(path))
    x = np.geomspace(1, 1000, 20)
    problem = Problem(law, (x,), (0.7 * x**-0.3 + 0.2)[None], Objective(), None, law.lower, law.upper)
    np.testing.assert_allclose(minimize(problem).parameters, [0.7, 0.3, 0.2], rtol=1e-8)


def test_a_law_that_complex_steps_cannot_differentiate_still_fits(tmp_path) -> None:
    path = tmp_path / "my_law.py"
    path.write_text(GOOD.replace("A * x**-c + D", "A * np.maximum(x**-np.abs(c), 1e-9) + D"))
    law = load_law(str(path))
    x = np.geomspace(1, 1000, 20)
    problem = Problem(law, (x,), (0.7 * x**-0.3 + 0.2)[None], Objective(), None, law.lower, law.upper)
    np.testing.assert_allclose(minimize(problem).parameters, [0.7, 0.3, 0.2], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("formula = ", "words = "), "lacks the name 'formula'"),
        (('linear = ("A", "D")', 'linear = ("A", "B")'), "'B' in `linear`"),
        (('linear = ("A", "D")', 'linear = ("A", "c")'), "not linear"),
        (('"D": (0, 1)', '"D": (1, 0)'), "lower bound above"),
        (("def predict(x, A, c, D)", "def predict(x, A, c)"), "Only one side has D"),
        (("A * x**-c + D", "A * x**-c + nothing"), "cannot be evaluated"),
        (("A * x**-c + D", "A * x**-c + np.nan"), "no finite value"),
        (('units = {"x": 1.0}', "units = 3"), "invalid units or bounds"),
        (("    return", "return"), "cannot be loaded (line"),
    ],
)
def test_a_law_file_that_breaks_the_contract_gets_a_sentence(
    tmp_path, change: tuple[str, str], words: str
) -> None:
    path = tmp_path / "my_law.py"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(InputError, match=".") as caught:
        load_law(str(path))
    assert caught.value.code in ("bad_law", "unreadable_law")
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_an_unknown_law_names_those_there_are() -> None:
    with pytest.raises(InputError) as caught:
        load_law("product_powr")
    assert caught.value.code == "unknown_law"
    assert "product_power" in caught.value.message
    assert "additive_power" in caught.value.hint
