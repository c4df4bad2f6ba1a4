"""Losses, weights, fixed, bounded and tied parameters, formulas, resampling, profiles: what each must equal."""

from __future__ import annotations

import lmfit
import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.errors import InputError
from scalelaw.fit import compare, lmfit_result


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return sl.read_table("vlm_reasoning")


def fit(table: pd.DataFrame, **options: object) -> sl.FittedLaw:
    return sl.fit_law(table, **{"bootstrap": 0, **options})


@pytest.mark.parametrize("residual", ["linear", "log"])
@pytest.mark.parametrize("delta", [1e-1, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("law", ["product_power", "additive_power"])
def test_huber_reaches_its_optimum(table: pd.DataFrame, law: str, delta: float, residual: str) -> None:
    """Objectives as found by 30 starts of L-BFGS-B with exact gradients, none of which ended lower."""
    best = {
        ("product_power", "linear"): (1.89689842391e-4, 1.89689842391e-4, 6.92088439189e-5, 8.0373437517e-6),
        ("product_power", "log"): (6.67968551106e-4, 6.54896195924e-4, 1.40105635265e-4, 1.51966369833e-5),
        ("additive_power", "linear"): (
            1.58379885669e-4,
            1.58379885669e-4,
            6.10528868616e-5,
            7.19445967679e-6,
        ),
        ("additive_power", "log"): (5.61703138809e-4, 5.47579975367e-4, 1.24977137009e-4, 1.36245986695e-5),
    }[law, residual][[1e-1, 1e-2, 1e-3, 1e-4].index(delta)]
    fitted = fit(table, law=law, loss="huber", delta=delta, residual=residual)
    assert fitted.objective <= best * (1 + 1e-9)
    assert fitted.certificate["gap"] < 1e-8
    assert fitted.certificate["agreeing"] >= 3


def test_huber_with_a_wide_delta_is_half_the_squares(table: pd.DataFrame) -> None:
    wide, squares = fit(table, loss="huber", delta=10.0), fit(table)
    assert wide.objective == pytest.approx(0.5 * squares.objective, rel=1e-12)
    assert wide.params["alpha"] == pytest.approx(squares.params["alpha"], rel=1e-7)
    assert wide.aicc == pytest.approx(squares.aicc, rel=1e-12)


def test_expectile_leans_to_the_better_runs(table: pd.DataFrame) -> None:
    middle, low = fit(table), fit(table, loss="expectile", expectile=0.1)
    target = np.asarray(middle.points["target"])
    above = [np.mean(target > f.predict(**f.points["inputs"])) for f in (middle, low)]
    assert above[1] > above[0] + 0.1
    half = fit(table, loss="expectile", expectile=0.5)
    assert half.params["alpha"] == pytest.approx(middle.params["alpha"], rel=1e-7)


def test_weights_are_repeated_points(table: pd.DataFrame) -> None:
    counts = np.arange(len(table)) % 3
    repeated = fit(table.loc[np.repeat(np.arange(len(table)), counts)].reset_index(drop=True))
    weighted = fit(table, weights=counts)
    assert weighted.n_points == int((counts > 0).sum())
    assert any("weight 0" in words for words in weighted.checklist["dropped"])
    for name in ("A", "alpha", "beta", "D"):
        assert weighted.params[name] == pytest.approx(repeated.params[name], rel=1e-8)


def test_standard_errors_are_weights(table: pd.DataFrame) -> None:
    se = np.linspace(0.002, 0.01, len(table))
    with_se = fit(table.assign(error_se=se), weights="error_se")
    assert with_se.params == pytest.approx(fit(table, weights=1 / se**2).params, rel=1e-10)
    assert with_se.checklist["weights"] == "1 / error_se^2"


def test_of_log_residuals_the_standard_error_is_that_of_the_logarithm(table: pd.DataFrame) -> None:
    """ln y varies by se / y, so points weigh (y / se)^2."""
    se = np.linspace(0.002, 0.01, len(table))
    with_se = fit(table.assign(error_se=se), weights="error_se", residual="log")
    by_hand = fit(table, weights=(table.error.to_numpy() / se) ** 2, residual="log")
    assert with_se.params == pytest.approx(by_hand.params, rel=1e-10)
    assert with_se.checklist["weights"] == "1 / (error_se / error)^2"
    same = compare(table.assign(error_se=se), ["log_linear"], residual="log", weights="error_se").laws[0]
    other = compare(table, ["log_linear"], residual="log", weights=(table.error.to_numpy() / se) ** 2).laws[0]
    assert same["leave_one_out"] == pytest.approx(other["leave_one_out"], rel=1e-9)
    with pytest.raises(InputError, match="positive target"):
        fit(table.assign(error_se=se, error=[0.0, *table.error[1:]]), weights="error_se", residual="log")


@pytest.mark.parametrize("law", ["product_power", "log_linear", "E + A*N**-alpha*V**-beta", "auto"])
def test_every_fit_takes_a_tail_weight(table: pd.DataFrame, law: str) -> None:
    plain, tail = (fit(table, law=law, tail_weight=g) for g in (0.0, 1.5))
    assert not np.allclose(
        plain.predict(**plain.points["inputs"]), tail.predict(**tail.points["inputs"]), rtol=1e-6
    )


def test_tail_weight_is_a_weight(table: pd.DataFrame) -> None:
    by_gamma = fit(table, tail_weight={"visual_tokens": 0.5})
    assert by_gamma.params == pytest.approx(
        fit(table, weights=np.sqrt(table.visual_tokens.to_numpy())).params, rel=1e-9
    )


def test_a_tie_holds_and_is_the_best_that_holds(table: pd.DataFrame) -> None:
    tied = fit(table, tie={"alpha": "5*beta"})
    assert tied.params["alpha"] == pytest.approx(5 * tied.params["beta"], rel=1e-12)
    free = fit(table)
    assert tied.objective > free.objective
    ratio = free.params["alpha"] / free.params["beta"]
    assert fit(table, tie={"alpha": f"{ratio!r}*beta"}).objective == pytest.approx(free.objective, rel=1e-10)


def test_lmfit_parameters_are_understood(table: pd.DataFrame) -> None:
    options = lmfit.Parameters()
    options.add("D", value=0.1, vary=False)
    options.add("beta", value=0.02, min=0, max=0.5)
    options.add("alpha", expr="4*beta")
    fitted = fit(table, parameters=options)
    assert fitted.params["D"] == 0.1
    assert fitted.params["alpha"] == pytest.approx(4 * fitted.params["beta"], rel=1e-12)


def test_lmfit_result_agrees(table: pd.DataFrame) -> None:
    fitted = fit(table, fix={"D": 0.1})
    result = lmfit_result(fitted)
    assert result.chisqr == pytest.approx(fitted.objective, rel=1e-9)
    assert result.params["alpha"].value == pytest.approx(fitted.params["alpha"], rel=1e-6)
    assert result.params["alpha"].stderr > 0
    with pytest.raises(InputError, match="hold for squared loss"):
        lmfit_result(fit(table, loss="huber"))


def test_a_formula_is_a_law(table: pd.DataFrame) -> None:
    typed = fit(table, law="E + A*N**-alpha*V**-beta")
    named = fit(table)
    assert typed.objective == pytest.approx(named.objective, rel=1e-9)
    assert typed.params["alpha"] == pytest.approx(named.params["alpha"], rel=1e-6)
    assert typed.inputs == ["N", "V"]
    own = fit(table.rename(columns={"n_params": "size"}), law="E + A*z**-alpha", inputs={"z": "size"})
    assert own.inputs == ["z"]
    assert sl.load_fit  # the formula is stored with the fit and read back
    np.testing.assert_allclose(
        own.predict(z=1e9), own.params["E"] + own.params["A"] * 1e9 ** -own.params["alpha"]
    )


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true') + N*a",
        "N.__class__ + a",
        "[a for a in N] + a",
        "A*N^-alpha",
        "A*N**-alpha +",
        "lambda: N + a",
        "A*erf(N)",
        "2*N + 3",
        "a + b",
        "A*N**-alpha if N else a",
        "a*N + 'x'",
        "(" * 300 + "a*N" + ")" * 300,
        "a*N+" * 400 + "a",
    ],
)
def test_a_formula_that_is_not_arithmetic_gets_a_sentence(table: pd.DataFrame, text: str) -> None:
    with pytest.raises(InputError) as caught:
        fit(table, law=text)
    assert caught.value.code in ("bad_expression", "unknown_function")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"weights": "error_se"}, "bad_weights"),
        ({"weights": np.zeros(28)}, "bad_weights"),
        ({"weights": -np.ones(28)}, "bad_weights"),
        ({"weights": np.ones(3)}, "bad_weights"),
        ({"weights": "heaviness"}, "missing_column"),
        ({"tail_weight": {"x": 1}}, "unknown_input"),
        ({"tail_weight": float("inf")}, "bad_weights"),
        ({"expectile": 0.5}, "bad_expectile"),
        ({"loss": "expectile", "expectile": 1.5}, "bad_expectile"),
        ({"tie": {"alpha": "gamma"}}, "unknown_parameter"),
        ({"tie": {"alpha": "beta", "beta": "alpha"}}, "bad_tie"),
        ({"tie": {"alpha": "beta"}, "fix": {"alpha": 1}}, "bad_tie"),
        ({"resample": "cluster", "bootstrap": 10}, "no_clusters"),
        ({"resample": "cluster", "cluster": "compressor", "bootstrap": 10}, "one_cluster"),
        ({"cluster": "colour"}, "missing_column"),
        ({"interval": "guess"}, "unknown_interval"),
        ({"starts": 0}, "bad_value"),
        ({"law": "bnsl:9"}, "bad_law"),
        ({"law": "power:2"}, "bad_law"),
    ],
)
def test_impossible_options_get_a_sentence(table: pd.DataFrame, options: dict, code: str) -> None:
    with pytest.raises(InputError) as caught:
        fit(table, **options)
    assert caught.value.code == code


def test_profile_of_squares_is_the_f_test(table: pd.DataFrame) -> None:
    """At each end of the interval the best fit with the parameter held there is worse by F(1, 24) s^2."""
    from scipy.stats import f

    free = fit(table, interval="profile")
    allowed = free.objective * (1 + f.ppf(0.95, 1, 24) / 24)
    for name in ("alpha", "beta", "A"):
        for end in free.intervals[name]:
            assert fit(table, fix={name: end}).objective == pytest.approx(allowed, rel=1e-4)
    assert free.intervals["D"][0] == 0.0
    for end in free.derived["alpha_over_beta"]["interval"]:
        assert fit(table, tie={"alpha": f"{end!r}*beta"}).objective == pytest.approx(allowed, rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"resample": "residual"},
        {"resample": "case"},
        {"interval": "bca"},
        {"resample": "cluster", "cluster": "model"},
        {"interval": "profile"},
        {"loss": "huber"},
        {"residual": "log"},
    ],
)
def test_every_interval_of_the_ratio_agrees_with_the_published_one(
    table: pd.DataFrame, options: dict
) -> None:
    low, high = fit(table, bootstrap=400, **options).derived["alpha_over_beta"]["interval"]
    assert 3.4 < low < 4.6 < 4.8 < high < 6.0


def test_nearly_collinear_inputs_get_a_warning(table: pd.DataFrame) -> None:
    tokens = (table.n_params / 1e8) ** 2 * np.where(np.arange(28) % 2, 1.05, 0.95)
    assert any(code == "collinear_design" for code, _ in fit(table.assign(visual_tokens=tokens)).warnings)


def test_expectile_intervals_hold_their_estimate(table: pd.DataFrame) -> None:
    fitted = sl.fit_law(table, loss="expectile", expectile=0.1, bootstrap=200)
    assert fitted.draws_method == "case"
    for name, (low, high) in fitted.intervals.items():
        assert low <= fitted.params[name] <= high


def test_a_tie_out_of_bounds_gets_a_sentence(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="gives D = -") as caught:
        fit(table, tie={"D": "0-A/10"})
    assert caught.value.code == "bad_tie"


def test_bounds_without_a_number_between_get_a_sentence(table: pd.DataFrame) -> None:
    with pytest.raises(InputError) as caught:
        fit(table, bounds={"alpha": (np.inf, np.inf)})
    assert caught.value.code == "bad_bounds"


def test_a_law_misspelt_with_a_dash_is_not_a_formula(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="product_power") as caught:
        fit(table, law="product-power")
    assert caught.value.code == "unknown_law"


def test_a_number_beyond_all_floats_gets_a_sentence(table: pd.DataFrame) -> None:
    with pytest.raises(InputError) as caught:
        fit(table, law=f"E + A*N**-alpha*{10**400}")
    assert caught.value.code == "bad_expression"


def test_a_formula_of_too_many_parameters_is_not_searched(table: pd.DataFrame) -> None:
    law = " + ".join(f"a{i}*N**-b{i}" for i in range(16))
    with pytest.raises(InputError, match="32 free parameters") as caught:
        fit(table, law=law)
    assert caught.value.code == "too_few_points"


def test_weights_that_leave_too_few_points_identify_nothing(table: pd.DataFrame) -> None:
    fitted = fit(table, weights=np.r_[np.ones(2), np.full(26, 1e-9)])
    assert fitted.status == "not_identified"
    assert fitted.warnings[-1][0] == "too_few_effective_points"
