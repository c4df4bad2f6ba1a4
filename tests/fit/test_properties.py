"""What must hold of every fit: other units, another order, repeated points, an added constant; and odd input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scalelaw as sl
from scalelaw.errors import InputError
from scalelaw.fit.batched_solve import box_step, solve
from scalelaw.fit.load_law import load_law
from scalelaw.fit.multistart import minimize
from scalelaw.fit.objective import Objective
from scalelaw.fit.varpro import Problem

TABLE = sl.read_table("vlm_reasoning")


def reasoning(target: np.ndarray | None = None, law: str = "product_power", scale: float = 1.0) -> Problem:
    form = load_law(law)
    inputs = form.scale({name: TABLE[name].to_numpy() for name in form.inputs})
    y = (TABLE.error.to_numpy() if target is None else target)[None]
    return Problem(form, (inputs[0] * scale, *inputs[1:]), y, Objective(), None, form.lower, form.upper)


BEST = minimize(reasoning())


@settings(max_examples=12, deadline=None)
@given(st.floats(1e-6, 1e6))
def test_the_unit_of_an_input_changes_only_the_amplitude(scale: float) -> None:
    moved = minimize(reasoning(scale=scale))
    assert moved.objective == pytest.approx(BEST.objective, rel=1e-9)
    np.testing.assert_allclose(moved.parameters[1:3], BEST.parameters[1:3], rtol=1e-6)
    assert moved.parameters[0] == pytest.approx(BEST.parameters[0] * scale ** BEST.parameters[1], rel=1e-6)


@settings(max_examples=12, deadline=None)
@given(st.floats(1e-3, 1e3))
def test_the_unit_of_the_target_scales_the_linear_parameters(scale: float) -> None:
    moved = minimize(reasoning(TABLE.error.to_numpy() * scale))
    assert moved.objective == pytest.approx(BEST.objective * scale**2, rel=1e-9)
    np.testing.assert_allclose(moved.parameters[1:3], BEST.parameters[1:3], rtol=1e-6)


@settings(max_examples=12, deadline=None)
@given(st.floats(0.02, 10.0))
def test_an_added_constant_goes_to_the_floor(constant: float) -> None:
    base = minimize(reasoning(TABLE.error.to_numpy() + 0.5, law="product_power"))
    problem = reasoning(TABLE.error.to_numpy() + 0.5 + constant)
    fixed = minimize(problem)
    assert fixed.objective <= base.objective * (1 + 1e-9)


@settings(max_examples=12, deadline=None)
@given(st.permutations(range(28)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    fitted = sl.fit_law(TABLE.iloc[list(order)], bootstrap=0)
    assert fitted.params["alpha"] == pytest.approx(BEST.parameters[1], rel=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_small_systems_are_solved(seed: int, p: int) -> None:
    draw = np.random.default_rng(seed)
    columns = draw.normal(size=(5, p, 12)) * 10.0 ** draw.uniform(-4, 4, (1, p, 1))
    gram = np.einsum("bin,bjn->ijb", columns, columns)
    slope = draw.normal(size=(p, 5)) * np.sqrt(np.stack([gram[j, j] for j in range(p)]))
    solution = solve(gram, slope, np.ones((p, 5), bool), list(draw.permutation(p)))
    for b in range(5):
        np.testing.assert_allclose(
            gram[:, :, b] @ solution[:, b], slope[:, b], rtol=1e-6, atol=1e-6 * np.abs(slope).max()
        )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_a_step_stays_in_its_box_and_lowers_the_model(seed: int, p: int) -> None:
    draw = np.random.default_rng(seed)
    columns = draw.normal(size=(8, p, 12))
    gram = np.einsum("bin,bjn->ijb", columns, columns)
    slope = 5 * draw.normal(size=(p, 8))
    lower, upper = np.zeros((p, 1)), np.ones((p, 1))
    start = draw.choice([0.0, 0.3, 0.9, 1.0], (p, 8))
    step, _ = box_step(gram, slope, start, lower, upper, list(range(p)))
    assert (start + step >= -1e-15).all()
    assert (start + step <= 1 + 1e-15).all()
    gain = np.sum(slope * step, axis=0) - 0.5 * np.einsum("ib,ijb,jb->b", step, gram, step)
    assert (gain >= -1e-12).all()


@pytest.mark.parametrize("scale", [(1e6, 1e9), (1e9, 1e13)])
def test_raw_units_of_any_size(scale: tuple[float, float]) -> None:
    draw = np.random.default_rng(1)
    n, d = (np.exp(draw.uniform(np.log(s), np.log(1e3 * s), 60)) for s in scale)
    law = load_law("chinchilla")
    true = np.array([1.7, 400.0, 0.34, 410.0, 0.28])
    target = law.value((n, d), true[:, None])
    optimum = minimize(Problem(law, (n, d), target, Objective(), None, law.lower, law.upper))
    np.testing.assert_allclose(optimum.parameters, true, rtol=1e-5)


def test_many_points_are_fitted_as_few_are() -> None:
    draw = np.random.default_rng(2)
    x = np.exp(draw.uniform(0, 10, 30_000))
    law = load_law("power_offset")
    target = law.value((x,), np.array([[0.1], [0.7], [0.3]])) + draw.normal(0, 0.01, len(x))
    optimum = minimize(Problem(law, (x,), target, Objective(), None, law.lower, law.upper))
    assert optimum.gap < 1e-9
    np.testing.assert_allclose(optimum.parameters, [0.1, 0.7, 0.3], rtol=0.02)


def test_a_law_whose_bounds_exclude_every_start_gets_a_sentence(tmp_path) -> None:
    path = tmp_path / "law.py"
    path.write_text(
        "import numpy as np\nformula = 'log(A - x)'\nunits = {'x': 1.0}\nbounds = {'A': (0, 0.001)}\nlinear = ()\n"
        "def predict(x, A):\n    return np.log(A - 100 * x)\n"
    )
    with pytest.raises(InputError, match="no finite value"):
        sl.fit_law(TABLE.assign(x=TABLE.visual_tokens), law=str(path))


def test_bounds_that_leave_the_law_no_value_are_not_converged(tmp_path) -> None:
    fitted = sl.fit_law(TABLE, bounds={"A": (0, 0)}, fix={"D": 0}, residual="log", bootstrap=10)
    assert fitted.status in ("not_converged", "not_identified")
    assert fitted.warnings
    assert np.isnan(fitted.intervals["alpha"]).all()


def test_duplicated_columns_get_a_sentence() -> None:
    doubled = pd.concat([TABLE, TABLE[["error"]]], axis=1)
    with pytest.raises(InputError):
        sl.fit_law(doubled)
