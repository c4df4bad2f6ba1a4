"""fit_law on the published tables, in digits; its verdicts; and what bad input gets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.errors import InputError


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return sl.read_table("vlm_reasoning")


@pytest.fixture(scope="module")
def reasoning(table: pd.DataFrame) -> sl.FittedLaw:
    return sl.fit_law(table, holdout="largest")


def test_reasoning_in_digits(reasoning: sl.FittedLaw) -> None:
    assert reasoning.objective == pytest.approx(3.79380e-4, rel=1e-5)
    assert reasoning.params["A"] == pytest.approx(0.59077, abs=5e-6)
    assert reasoning.params["alpha"] == pytest.approx(0.07094, abs=5e-6)
    assert reasoning.params["beta"] == pytest.approx(0.01510, abs=5e-6)
    assert reasoning.params["D"] == 0.0
    assert reasoning.derived["alpha_over_beta"]["value"] == pytest.approx(4.70, abs=0.005)
    assert reasoning.rmse == pytest.approx(0.00368, abs=5e-6)
    assert reasoning.n_points == 28


def test_reasoning_lies_on_a_bound_and_says_what_that_means(reasoning: sl.FittedLaw) -> None:
    assert reasoning.status == "at_bound"
    (message,) = [m for code, m in reasoning.warnings if code == "at_bound"]
    assert "D lies on its lower bound 0" in message
    assert "Still determined: alpha_over_beta 4.7 (95%: 4." in message


def test_reasoning_is_certified(reasoning: sl.FittedLaw) -> None:
    assert reasoning.certificate["gap"] < 1e-10
    assert reasoning.certificate["agreeing"] >= 3
    assert reasoning.certificate["gradient_norm"] < 1e-6


def test_reasoning_intervals(reasoning: sl.FittedLaw) -> None:
    low, high = reasoning.derived["alpha_over_beta"]["interval"]
    assert low == pytest.approx(4.14, abs=0.1)
    assert high == pytest.approx(5.36, abs=0.12)
    assert all(a <= reasoning.params[name] <= b for name, (a, b) in reasoning.intervals.items())
    assert {len(d) for d in reasoning.draws.values()} == {1000}


def test_largest_model_is_predicted(reasoning: sl.FittedLaw) -> None:
    assert reasoning.holdout["n_predicted"] == 7
    assert reasoning.holdout["max_abs_error"] == pytest.approx(0.0050, abs=5e-5)


def test_ocr_in_digits() -> None:
    fitted = sl.fit_law("vlm_ocr", bootstrap=0)
    assert fitted.params["alpha"] == pytest.approx(0.0282, abs=5e-5)
    assert fitted.params["beta"] == pytest.approx(0.0394, abs=5e-5)
    assert fitted.params["A"] == pytest.approx(0.917, abs=5e-4)
    assert fitted.rmse == pytest.approx(0.0135, abs=5e-5)
    assert fitted.derived["optimal_visual_tokens_per_text_token"]["value"] == np.inf


def test_additive_power_on_reasoning() -> None:
    assert sl.fit_law("vlm_reasoning", law="additive_power", bootstrap=0).rmse == pytest.approx(
        0.0034, abs=5e-5
    )


@pytest.mark.parametrize(
    ("floor", "alpha", "beta"), [(0.05, 0.0782, 0.0166), (0.1, 0.0870, 0.0185), (0.3, 0.159, 0.034)]
)
def test_exponents_scale_with_a_fixed_floor(
    table: pd.DataFrame, floor: float, alpha: float, beta: float
) -> None:
    fitted = sl.fit_law(table, fix={"D": floor}, bootstrap=0)
    assert fitted.params["D"] == floor
    assert fitted.params["alpha"] == pytest.approx(alpha, rel=0.01)
    assert fitted.params["beta"] == pytest.approx(beta, rel=0.015)
    assert fitted.derived["alpha_over_beta"]["value"] == pytest.approx(4.70, abs=0.04)
    assert fitted.status == "identified"


def test_same_seed_same_intervals(table: pd.DataFrame) -> None:
    one, two, other = (sl.fit_law(table, bootstrap=50, seed=s) for s in (3, 3, 4))
    assert one.intervals == two.intervals
    assert one.intervals != other.intervals


def test_case_resampling(table: pd.DataFrame) -> None:
    low, high = sl.fit_law(table, resample="case").derived["alpha_over_beta"]["interval"]
    assert 4.0 < low < 4.5 < 4.9 < high < 5.6


def test_json_round_trip(reasoning: sl.FittedLaw, tmp_path) -> None:
    path = tmp_path / "fit.json"
    path.write_text(reasoning.to_json())
    back = sl.load_fit(path)
    assert back.to_json() == reasoning.to_json()
    assert back.params == reasoning.params
    assert back.warnings == reasoning.warnings
    envelope = json.loads(reasoning.to_json())
    assert envelope["schema"] == "scalelaw.fit/1"
    assert envelope["ok"] is True
    assert envelope["data"]["loss"] == {"kind": "squared", "delta": None, "residual": "linear"}
    grid = {"n_params": 7e9, "visual_tokens": np.array([1, 576])}
    np.testing.assert_array_equal(back.predict(**grid), reasoning.predict(**grid))
    np.testing.assert_array_equal(back.predict_draws(**grid), reasoning.predict_draws(**grid))


def test_json_holds_no_number_that_json_lacks() -> None:
    text = sl.fit_law("vlm_ocr", bootstrap=20).to_json()
    json.loads(text, parse_constant=lambda c: pytest.fail(f"{c} in JSON"))


def test_predict_broadcasts_in_raw_units(reasoning: sl.FittedLaw) -> None:
    sizes, tokens = np.array([[5e8], [7e9]]), np.array([1, 16, 576])
    value = reasoning.predict(n_params=sizes, visual_tokens=tokens)
    expected = (
        reasoning.params["A"]
        * (sizes / 1e9) ** -reasoning.params["alpha"]
        * tokens ** -reasoning.params["beta"]
    )
    np.testing.assert_allclose(value, expected, rtol=1e-13)
    assert reasoning.predict_draws(n_params=sizes, visual_tokens=tokens).shape == (1000, 2, 3)
    assert reasoning.measured_range == {"n_params": (5e8, 7e9), "visual_tokens": (1.0, 576.0)}
    with pytest.raises(InputError, match="needs visual_tokens"):
        reasoning.predict(n_params=1e9)
    with pytest.raises(InputError, match="Unknown input"):
        reasoning.predict(n_params=1e9, visual_token=1)


def test_checklist_says_what_is_needed_to_repeat_the_fit(reasoning: sl.FittedLaw) -> None:
    wanted = {
        "law",
        "loss",
        "delta",
        "residual",
        "optimiser",
        "starts",
        "bounds",
        "points_used",
        "dropped",
        "parameter_counting",
        "flop_formula",
        "seed",
        "versions",
        "data_hash",
    }
    assert wanted <= set(reasoning.checklist)
    assert set(reasoning.checklist["versions"]) == {"scalelaw", "numpy", "scipy"}


def law_points(n_params: list[float], visual_tokens: list[float], error: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"n_params": n_params, "visual_tokens": visual_tokens, "error": error})


def test_all_visual_tokens_equal_is_not_identified(table: pd.DataFrame) -> None:
    fitted = sl.fit_law(table[table.visual_tokens == 16])
    assert fitted.status == "not_identified"
    assert any("same visual_tokens (16)" in m for _, m in fitted.warnings)
    assert np.isnan(fitted.intervals["beta"]).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_too_few_points_are_not_identified(table: pd.DataFrame, n: int) -> None:
    fitted = sl.fit_law(table[table.index.isin([0, 9, 20][:n])])
    assert fitted.status == "not_identified"
    assert "cannot determine 4 parameters" in fitted.warnings[0][1]


def test_collinear_design_is_not_identified(table: pd.DataFrame) -> None:
    fitted = sl.fit_law(table.assign(visual_tokens=table.n_params**2 / 1e17))
    assert fitted.status == "not_identified"
    assert fitted.warnings[-1][0] == "collinear_inputs"


def test_constant_target_is_not_identified(table: pd.DataFrame) -> None:
    fitted = sl.fit_law(table.assign(error=0.5))
    assert fitted.status == "not_identified"
    assert "same target (0.5)" in fitted.warnings[-1][1]


def test_perfect_fit_says_that_no_noise_was_seen(table: pd.DataFrame) -> None:
    exact = 0.5 * (table.n_params / 1e9) ** -0.1 * table.visual_tokens**-0.05 + 0.1
    fitted = sl.fit_law(table.assign(error=exact), bootstrap=20)
    assert fitted.status == "identified"
    assert fitted.warnings[-1][0] == "perfect_fit"
    np.testing.assert_allclose(list(fitted.params.values()), [0.5, 0.1, 0.05, 0.1], rtol=1e-9)


def test_as_many_points_as_parameters_give_no_intervals() -> None:
    fitted = sl.fit_law(
        law_points([1e9, 2e9, 4e9, 1e9], [1, 4, 16, 64], [0.61, 0.52, 0.43, 0.5]), bootstrap=20
    )
    assert np.isnan(fitted.intervals["alpha"]).all()


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("error", np.inf, "not_finite"),
        ("error", -0.1, "bad_value"),
        ("n_params", 0.0, "bad_value"),
        ("visual_tokens", -1.0, "bad_value"),
    ],
)
def test_bad_numbers_get_a_sentence(table: pd.DataFrame, column: str, value: float, code: str) -> None:
    with pytest.raises(InputError) as caught:
        sl.fit_law(table.assign(**{column: [value, *table[column][1:]]}))
    assert caught.value.code == code
    assert "data row 1 " in caught.value.message


def test_an_empty_cell_is_left_out_and_counted(table: pd.DataFrame) -> None:
    fitted = sl.fit_law(table.assign(error=[np.nan, *table["error"][1:]]), bootstrap=0)
    assert fitted.n_points == len(table) - 1
    assert "empty_cells" in dict(fitted.warnings)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"law": "nothing"}, "unknown_law"),
        ({"loss": "cubic"}, "unknown_loss"),
        ({"residual": "square"}, "unknown_residual"),
        ({"loss": "huber", "delta": 0}, "bad_delta"),
        ({"delta": 1e-3}, "bad_delta"),
        ({"fix": {"Z": 1}}, "unknown_parameter"),
        ({"fix": {"D": float("nan")}}, "bad_value"),
        ({"bounds": {"D": (1, 0)}}, "bad_bounds"),
        ({"inputs": {"size": "n_params"}}, "unknown_input"),
        ({"inputs": {"n_params": "size"}}, "missing_column"),
        ({"target": "loss"}, "missing_column"),
        ({"where": "task_family=speech"}, "empty_selection"),
        ({"holdout": "smallest"}, "bad_holdout"),
        ({"resample": "jackknife"}, "unknown_resampling"),
        ({"bootstrap": -1}, "bad_value"),
        ({"level": 95}, "bad_value"),
    ],
)
def test_impossible_options_are_refused(table: pd.DataFrame, options: dict, code: str) -> None:
    with pytest.raises(InputError) as caught:
        sl.fit_law(table, **options)
    assert caught.value.code == code


def test_a_file_that_is_not_a_fit(tmp_path) -> None:
    (tmp_path / "a.json").write_text('{"schema": "scalelaw.optimize/1"}')
    (tmp_path / "b.json").write_text("not json")
    for name, code in (("a.json", "wrong_schema"), ("b.json", "unreadable_json"), ("c.json", "no_such_file")):
        with pytest.raises(InputError) as caught:
            sl.load_fit(tmp_path / name)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "options", [{"bootstrap": 50}, {"bootstrap": 0}, {"interval": "profile", "bootstrap": 0}]
)
def test_an_infinite_derived_quantity_comes_back_from_json(options: dict, tmp_path: Path) -> None:
    fitted = sl.fit_law("vlm_ocr", **options)
    path = tmp_path / "fit.json"
    path.write_text(fitted.to_json())
    again = sl.load_fit(path).derived
    assert again["optimal_visual_tokens_per_text_token"]["value"] == np.inf
    for name, quantity in fitted.derived.items():
        assert again[name]["value"] == quantity["value"]
        np.testing.assert_equal(again[name]["interval"], quantity["interval"])


def test_rough_points_in_logarithms_end_in_the_lowest_of_several_valleys() -> None:
    """scipy's trust region from 40 starts ends at 14.1285 at best; relative squares alone lead to 14.958."""
    rough = {
        "n_params": [9.391, 5.744, 8.907, 1.049, 5.484, 4.14, 1.257, 1.257, 7.713, 1.011, 1.744, 1.938],
        "visual_tokens": [7.06, 9.51, 112.91, 8.16, 32.37, 2.18, 14.94, 133.0, 202.65, 9.13, 5.08, 105.51],
        "error": [
            6.2578,
            4.8451,
            0.2178,
            1.9379,
            0.147,
            0.2508,
            1.3077,
            1.4027,
            0.8642,
            1.1173,
            1.6409,
            0.3154,
        ],
    }
    table = pd.DataFrame(rough)
    table["n_params"] *= 1e9
    fitted = sl.fit_law(table, residual="log", bounds={"alpha": (0, 3), "beta": (0, 3)}, bootstrap=0)
    assert fitted.objective == pytest.approx(14.1285, abs=2e-3)


def test_a_parameter_fixed_outside_its_bounds_is_a_contradiction() -> None:
    with pytest.raises(InputError) as caught:
        sl.fit_law("vlm_reasoning", fix={"D": 0.0}, bounds={"D": (0.1, 0.2)})
    assert caught.value.code == "bad_bounds"


def test_the_certificate_is_local_and_counts_descents(reasoning: sl.FittedLaw) -> None:
    certificate = reasoning.certificate
    assert certificate["scope"] == "local"
    assert 0 < certificate["agreeing"] <= certificate["descents"] <= certificate["starts"]


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("beta", [0.03, 0.05])
def test_an_additive_parameter_of_zero_is_at_its_bound(alpha: float, beta: float) -> None:
    sizes, tokens = (
        axis.ravel() for axis in np.meshgrid([5e8, 1.8e9, 4e9, 7e9], [1, 4, 16, 36, 64, 144, 256, 576])
    )
    error = 0.5 * (sizes / 1e9) ** -alpha * tokens**-beta
    frame = pd.DataFrame({"n_params": sizes, "visual_tokens": tokens, "error": error})
    fitted = sl.fit_law(frame, bootstrap=0)
    assert fitted.params["D"] == pytest.approx(0, abs=1e-12)
    assert fitted.params["alpha"] == pytest.approx(alpha)
    assert fitted.status == "at_bound"
    typed = sl.fit_law(frame, "E + A*N**-a*V**-b", bootstrap=0)
    assert typed.status == "at_bound"


def test_additive_parameters_of_other_laws_at_zero() -> None:
    sizes = np.array([1e8, 1e9, 3e9, 1e10, 3e10])
    frame = pd.DataFrame({"n_params": sizes, "error": 5 * sizes**-0.12})
    power = sl.fit_law(frame, "power_offset", inputs={"x": "n_params"}, bootstrap=0)
    assert (power.status, power.params["c"]) == ("at_bound", pytest.approx(0.12))
    grid = pd.DataFrame({"n_params": np.repeat(sizes, 3), "visual_tokens": np.tile([1.0, 64, 576], 5)})
    linear = grid.assign(error=1e-11 * grid["n_params"] + 1e-4 * grid["visual_tokens"])
    fitted = sl.fit_law(linear, "E + A*N + B*V", bootstrap=0, as_is=True)
    assert fitted.status in ("at_bound", "identified")
    # without its factor an exponent has no effect
    flat = grid.assign(error=0.3 + 0.001 * np.random.default_rng(0).normal(size=len(grid)))
    assert sl.fit_law(flat, "E + A*N**-a*V**-b", fix={"A": 1e-15}, bootstrap=0).status == "not_identified"
