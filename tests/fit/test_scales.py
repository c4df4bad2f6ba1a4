"""Formulas and law files whose inputs are of any size, against a search in units in which everything is near one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares

import scalelaw as sl
from scalelaw.fit.formula_law import law_names, right_side
from scalelaw.fit.law import make_law
from scalelaw.fit.multistart import Minimum, minimize
from scalelaw.fit.objective import Objective
from scalelaw.fit.varpro import Problem

FORMULAS = [
    "E + A*(x/{u})**-a",
    "E + A*exp(-x/x0)",
    "E + A*exp(-k*x)",
    "E + A/(1 + (x/x0)**h)",
    "E + A*exp(-(x/x0)**b)",
    "E + A*log(1 + x/x0)",
    "E + A*tanh(x/x0)",
    "E + A*x**-a + B*z**-b",
    "E + A*(x/{u})**-a*z**-b",
    "E + A*exp(-x/x0) + B*exp(-z/z0)",
]
"""Truths lie near one in the natural units; {u} is the unit of x."""
FIRST = ("A*x**-a", "A*(x/{u})**-a", "A*exp(-x/k)", "A/(1 + (x/k)**a)", "A*exp(-(x/k)**a)", "A*tanh(x/k)")
SECOND = ("B*z**-b", "B*exp(-b*z)", "B/(1 + exp((z - m)/w))", "B*log(1 + z/m)", "B*(x/{u})**-(b*z**c)",
          "B*x**-b*z**-c", "(B*x**-b + C*z**-c)**d", "B*exp(-c*x**b*z**-d)")  # fmt: skip
"""Terms of random formulas."""


def natural(formula: str, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, float]]:
    """Inputs and a noisy target in natural units, and the parameters planted."""
    draw = np.random.default_rng(seed)
    expression = right_side(formula.format(u=1))
    inputs = {n: np.exp(draw.uniform(-1.6, 1.6, 24)) for n in expression.names if n in "xz"}
    planted = {n: float(np.exp(draw.uniform(-0.7, 0.7))) for n in expression.names if n not in inputs}
    value = expression({**inputs, **planted})
    return inputs, value + 0.02 * np.ptp(value) * draw.normal(size=24), planted


def reference(formula: str, inputs: dict, target: np.ndarray, planted: dict, starts: int = 3) -> float:
    """The least sum of squares of scipy's bounded least squares from the truth and from places around it."""
    expression, draw, best = right_side(formula.format(u=1)), np.random.default_rng(0), np.inf
    truth = np.array(list(planted.values()))

    def miss(place: np.ndarray) -> np.ndarray:
        value = expression({**inputs, **dict(zip(planted, place, strict=True))}) - target
        return np.where(np.isfinite(value), value, 1e6)

    def slopes(place: np.ndarray) -> np.ndarray:
        columns = expression.slopes({**inputs, **dict(zip(planted, place, strict=True))}, list(planted))
        return np.nan_to_num(
            np.stack([np.broadcast_to(c, len(target)) for c in columns], axis=1), posinf=0, neginf=0
        )

    for start in range(starts):
        at = truth * np.exp((start > 0) * draw.normal(size=len(truth)))
        ends = least_squares(
            miss, at, slopes, bounds=(0, np.inf), xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=200
        )
        best = min(best, 2 * ends.cost)
    return best


def fitted(formula: str, inputs: dict, target: np.ndarray, units: dict[str, float]) -> float:
    return searched(formula, inputs, target, units, starts=None, keep=12).objective


def searched(
    formula: str,
    inputs: dict,
    target: np.ndarray,
    units: dict[str, float],
    starts: int | None = 128,
    keep: int = 4,
) -> Minimum:
    text = formula.format(u=repr(units["x"]))
    law = make_law(text, law_names(text, tuple(inputs)))
    scaled = tuple(inputs[name] * units[name] for name in law.inputs)
    return minimize(Problem(law, scaled, target[None], Objective(), None, law.lower, law.upper), starts, keep)


@pytest.mark.parametrize("formula", FORMULAS)
def test_ten_tables_in_any_unit_reach_the_reference(formula: str) -> None:
    draw = np.random.default_rng(len(formula))
    for seed in range(10):
        inputs, target, planted = natural(formula, seed)
        units = {name: 10.0 ** draw.uniform(-12, 12) for name in inputs}
        best = reference(formula, inputs, target, planted)
        assert fitted(formula, inputs, target, units) <= best * (1 + 1e-9), (seed, units)


@pytest.mark.parametrize("formula", FORMULAS)
def test_rescaling_an_input_changes_no_objective(formula: str) -> None:
    inputs, target, _ = natural(formula, 77)
    plain = fitted(formula, inputs, target, {"x": 1.0, "z": 1.0})
    assert fitted(formula, inputs, target, {"x": 1e9, "z": 3e-7}) == pytest.approx(plain, rel=1e-10)


def bell() -> pd.DataFrame:
    x = np.linspace(1e7, 1e9, 30)
    noise = 0.01 * np.random.default_rng(5).normal(size=30)
    return pd.DataFrame({"x": x, "error": np.abs(0.9 * np.exp(-((x - 4e8) ** 2) / 2e8**2) + noise)})


def test_a_bell_of_an_input_of_a_billion_is_found() -> None:
    result = sl.fit_law(bell(), "a*exp(-(x-m)**2/w**2)", bootstrap=0)
    assert result.status == "identified"
    assert result.params == pytest.approx({"a": 0.9, "m": 4e8, "w": 2e8}, rel=0.1)


def test_a_law_file_without_search_finds_its_scale(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        'formula = "error = E + A * exp(-x / x0)"\nunits = {"x": 1.0}\nlinear = ("E", "A")\n'
        'bounds = {"x0": (0.0, 1e30), "A": (0.0, 9.0), "E": (0.0, 9.0)}\nimport numpy as np\n'
        "def predict(x, E, A, x0):\n    return E + A * np.exp(-x / x0)\n"
    )
    x = np.geomspace(1e8, 5e9, 20)
    table = pd.DataFrame({"x": x, "error": 0.2 + 0.5 * np.exp(-x / 1.25e9)})
    result = sl.fit_law(table, str(path), bootstrap=0)
    assert result.params == pytest.approx({"E": 0.2, "A": 0.5, "x0": 1.25e9}, rel=1e-6)


def test_intervals_of_a_tiny_parameter_have_its_scale() -> None:
    x = np.geomspace(1e8, 5e9, 24)
    error = 0.2 + 0.5 * np.exp(-x / 1.25e9) + 0.003 * np.random.default_rng(1).normal(size=24)
    table = pd.DataFrame({"x": x, "error": error})
    raw = sl.fit_law(table, "E + A*exp(-k*x)", bootstrap=0, interval="profile").intervals["k"]
    scaled = sl.fit_law(table, "E + A*exp(-k*x/1e9)", bootstrap=0, interval="profile").intervals["k"]
    assert np.array(raw) * 1e9 == pytest.approx(np.array(scaled), rel=1e-4)


FARSEER = "exp(-s*N**q + S) + exp(B*N**-b - Q)*D**-exp(-A*N**a + F)"


@pytest.mark.parametrize("unit", [1.0, 1e-9])
def test_a_law_with_a_size_dependent_exponent_is_found(unit: float) -> None:
    planted = {
        "s": 0.021,
        "q": 0.169,
        "S": 0.91,
        "B": 88.01,
        "b": 0.1,
        "Q": 6.287,
        "A": 0.124,
        "a": 0.123,
        "F": 0.424,
    }
    size, tokens = (x.ravel() for x in np.meshgrid(np.geomspace(2e8, 6e9, 6), np.geomspace(4e9, 256e9, 4)))
    loss = right_side(FARSEER)({"N": size, "D": tokens, **planted})
    law = make_law(FARSEER, law_names(FARSEER, ("N", "D")))
    problem = Problem(law, (size * unit, tokens), loss[None], Objective(), None, law.lower, law.upper)
    reached = minimize(problem)
    assert reached.converged
    assert reached.objective < 1e-20
    if unit == 1.0:
        assert dict(zip(law.parameters, reached.parameters, strict=True)) == pytest.approx(planted, rel=1e-4)


def test_random_formulas_reach_the_reference() -> None:
    """Two inputs and two terms, with few starts; experiments/random_formulas.py has up to five inputs."""
    missed = []
    for seed in range(40):
        draw = np.random.default_rng(seed)
        formula = "E + " + str(draw.choice(FIRST)) + " + " + str(draw.choice(SECOND))
        inputs, target, planted = natural(formula, seed)
        units = {name: 10.0 ** draw.uniform(-12, 12) for name in inputs}
        best = reference(formula, inputs, target, planted, starts=1)
        if not searched(formula, inputs, target, units).objective <= best * (1 + 1e-9):
            missed.append((seed, formula))
    assert len(missed) <= 3, missed
