"""Intervals against closed forms: a linear law has the textbook's t intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri, stdtrit
from scipy.stats import t

import scalelaw as sl
from scalelaw.fit.bootstrap import accelerated, bootstrap, jackknife, leverage, percentile, t_over_z
from scalelaw.fit.lmfit_bridge import standard_errors
from scalelaw.fit.load_law import load_law
from scalelaw.fit.multistart import minimize
from scalelaw.fit.objective import make_objective
from scalelaw.fit.options import FitOptions
from scalelaw.fit.problem import make_task, read_points
from scalelaw.fit.profile import profile_derived
from scalelaw.fit.varpro import Problem

TABLE = sl.read_table("vlm_reasoning")


def textbook() -> dict[str, tuple[float, float]]:
    """The 95 % t intervals of log_linear on the 28 points, by numpy's least squares."""
    columns = np.stack([np.ones(28), -np.log(TABLE.n_params / 1e9), -np.log(TABLE.visual_tokens)], axis=1)
    values, squares, _, _ = np.linalg.lstsq(columns, TABLE.error.to_numpy(), rcond=None)
    errors = np.sqrt(squares[0] / 25 * np.diag(np.linalg.inv(columns.T @ columns)))
    reach = t.ppf(0.975, 25) * errors
    return {name: (v - r, v + r) for name, v, r in zip("cab", values, reach, strict=True)}


def test_the_profile_of_a_linear_law_is_the_t_interval() -> None:
    fitted = sl.fit_law(TABLE, law="log_linear", interval="profile", bootstrap=0)
    for name, ends in textbook().items():
        np.testing.assert_allclose(fitted.intervals[name], ends, rtol=1e-5)


@pytest.mark.parametrize(("resample", "tolerance"), [("residual", 0.08), ("wild", 0.35), ("case", 0.35)])
def test_bootstrap_intervals_of_a_linear_law_are_near_the_t_interval(resample: str, tolerance: float) -> None:
    fitted = sl.fit_law(TABLE, law="log_linear", resample=resample, bootstrap=4000)
    for name, (low, high) in textbook().items():
        width = fitted.intervals[name][1] - fitted.intervals[name][0]
        assert width == pytest.approx(high - low, rel=tolerance)


def test_standard_errors_are_the_textbooks() -> None:
    law = load_law("log_linear")
    task = make_task(read_points(TABLE, law, None, "error", None), law, FitOptions())
    fitted = sl.fit_law(TABLE, law="log_linear", bootstrap=0)
    errors = standard_errors(task.problem, np.array(list(fitted.params.values())))
    for error, (low, high) in zip(errors, textbook().values(), strict=True):
        assert error == pytest.approx((high - low) / 2 / t.ppf(0.975, 25), rel=1e-9)


def test_leverages_sum_to_the_parameters_and_the_jackknife_is_leaving_out() -> None:
    law = load_law("log_linear")
    task = make_task(read_points(TABLE, law, None, "error", None), law, FitOptions())
    fitted = np.array(list(sl.fit_law(TABLE, law="log_linear", bootstrap=0).params.values()))
    hat = leverage(task.problem, fitted)
    assert hat.sum() == pytest.approx(3, rel=1e-9)
    without = jackknife(task.problem, fitted)
    one = sl.fit_law(TABLE.drop(index=4), law="log_linear", bootstrap=0)
    np.testing.assert_allclose(without[:, 4], list(one.params.values()), rtol=1e-8)


def test_blocks_of_refits_are_the_same_refits(monkeypatch: pytest.MonkeyPatch) -> None:
    law = load_law("log_linear")
    task = make_task(read_points(TABLE, law, None, "error", None), law, FitOptions())
    fitted = np.array(list(sl.fit_law(TABLE, law="log_linear", bootstrap=0).params.values()))
    whole = bootstrap(task.problem, fitted, 50, "wild", np.random.default_rng(0))
    monkeypatch.setattr("scalelaw.fit.bootstrap._AT_ONCE", 28 * 7)
    parts = bootstrap(task.problem, fitted, 50, "wild", np.random.default_rng(0))
    np.testing.assert_allclose(parts.parameters, whole.parameters, rtol=1e-10)


def test_percentile_and_bca_of_normal_draws() -> None:
    draws = np.random.default_rng(0).normal(3.0, 2.0, 200_000)
    longer = t.ppf(0.975, 10) / 1.959964
    expected = (3 - 2 * 1.96 * longer, 3 + 2 * 1.96 * longer)
    assert percentile(draws, 3.0, 0.95, 10) == pytest.approx(expected, abs=0.05)
    assert accelerated(draws, 3.0, np.array([2.0, 3.0, 4.0]), 0.95, 10) == pytest.approx(expected, abs=0.06)
    assert np.isnan(percentile(draws, 3.0, 0.95, 0)).all()


def test_infinite_draws_give_an_infinite_end() -> None:
    low, high = percentile(np.r_[np.arange(900.0), np.full(100, np.inf)], 450.0, 0.95, 24)
    assert np.isfinite(low)
    assert high == np.inf


def test_largest_token_count_of_ocr_is_predicted_badly() -> None:
    holdout = sl.fit_law("vlm_ocr", holdout="largest:visual_tokens", bootstrap=0).holdout
    assert holdout["left_out"] == "visual_tokens = 576"
    assert holdout["max_abs_error"] == pytest.approx(0.043, abs=5e-4)


def test_clusters_widen_where_noise_is_a_clusters_own() -> None:
    draw = np.random.default_rng(3)
    runs = np.repeat(np.arange(24), 8)
    n, v = np.repeat(np.exp(draw.uniform(-1, 2, 24)), 8) * 1e9, np.tile([1, 2, 4, 8, 16, 64, 144, 576], 24)
    error = 0.5 * (n / 1e9) ** -0.1 * v**-0.05 + 0.1 + 0.01 * draw.normal(size=24)[runs]
    table = pd.DataFrame(
        {"n_params": n, "visual_tokens": v, "error": error, "model": [f"run {r}" for r in runs]}
    )
    alone = sl.fit_law(table, law="log_linear", resample="case", bootstrap=400)
    together = sl.fit_law(table, law="log_linear", cluster="model", bootstrap=400)
    assert together.interval["method"].startswith("cluster bootstrap by model")
    width = [f.intervals["a"][1] - f.intervals["a"][0] for f in (alone, together)]
    assert width[1] > 1.8 * width[0]


def test_intervals_do_not_depend_on_the_unit_of_the_size() -> None:
    table = sl.read_table("vlm_ocr")
    small = table.assign(n_params=table.n_params * 1e-3)
    one, other = (sl.fit_law(t, bootstrap=300).intervals for t in (table, small))
    for name in ("alpha", "beta", "D"):
        assert other[name] == pytest.approx(one[name], rel=2e-5)


def test_refits_are_minima_or_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    law = load_law("product_power")
    table = sl.read_table("vlm_ocr")
    task = make_task(read_points(table, law, None, "error", None), law, FitOptions(loss="huber"))
    fitted = np.array(list(sl.fit_law(table, loss="huber", bootstrap=0).params.values()))
    every = bootstrap(task.problem, fitted, 60, "neighbour", np.random.default_rng(0))
    assert (every.failed, every.parameters.shape[1]) == (0, 60)
    monkeypatch.setattr("scalelaw.fit.bootstrap._PATIENCE", 1)
    hasty = bootstrap(task.problem, fitted, 60, "neighbour", np.random.default_rng(0))
    assert hasty.failed > 0
    assert hasty.parameters.shape[1] == 60
    codes = [code for code, _ in sl.fit_law(table, loss="huber", bootstrap=60).warnings]
    assert "failed_refits" in codes


def test_derived_ends_are_possible() -> None:
    few = TABLE[TABLE.n_params.isin(sorted(TABLE.n_params.unique())[:2])].iloc[[0, 1, 3, 5, 7, 9, 11, 13]]
    noisy = few.assign(error=few.error * (1 + 0.05 * np.random.default_rng(1).normal(size=len(few))))
    fitted = sl.fit_law(noisy, bootstrap=200)
    for name, quantity in fitted.derived.items():
        assert (quantity["interval"][0] == 0) == (name != "alpha_minus_beta")  # a difference may be negative


@pytest.mark.parametrize("interval", ["bca", "profile"])
def test_an_infinite_best_token_count_has_an_interval(interval: str) -> None:
    derived = sl.fit_law("vlm_ocr", interval=interval, bootstrap=100).derived
    low, high = derived["alpha_over_beta"]["interval"]
    assert derived["optimal_visual_tokens_per_text_token"]["value"] == np.inf
    ends = derived["optimal_visual_tokens_per_text_token"]["interval"]
    assert ends[1] == np.inf
    assert ends[0] == pytest.approx(1 / (high - 1) if high > 1 else np.inf)
    assert low < 1


@pytest.mark.parametrize(("noise", "seed"), [(0.1, 3), (0.2, 9), (0.4, 5)])
def test_the_profile_of_a_derived_quantity_in_logarithms_is_the_t_interval(noise: float, seed: int) -> None:
    """ln(beta * 10^-c) of the power law is linear in ln beta and c: its interval is known in closed form."""
    draw = np.random.default_rng(seed)
    x = np.exp(draw.uniform(0, 4, 6))
    law = load_law("power")
    y = 1.5 * x**-1.5 * np.exp(noise * draw.normal(size=6))
    problem = Problem(law, (x,), y[None], make_objective(residual="log"), None, law.lower, law.upper)
    fitted = minimize(problem).parameters
    ends = profile_derived(problem, fitted, lambda p: p[0] * 10.0 ** -p[1], 0.95, 2)
    design, along = np.stack([np.ones(6), -np.log(x)], 1), np.array([1.0, -np.log(10)])
    squares = np.linalg.lstsq(design, np.log(y), rcond=None)[1][0]
    arm = t.ppf(0.975, 4) * np.sqrt(squares / 4 * along @ np.linalg.inv(design.T @ design) @ along)
    middle = np.log(fitted[0]) - fitted[1] * np.log(10)
    assert np.log(ends) == pytest.approx([middle - arm, middle + arm], abs=1e-4 * arm)


def test_a_handful_of_refits_gives_no_interval() -> None:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=3)
    assert np.isnan(fitted.intervals["alpha"]).all()
    assert "few_refits" in dict(fitted.warnings)


def test_the_tabulated_ratios_are_those_of_scipy() -> None:
    freedom = np.arange(1, 400)
    expected = stdtrit(freedom, 0.975) / ndtri(0.975)
    assert [t_over_z(int(v), 0.95) for v in freedom] == pytest.approx(expected, rel=1e-13)
    assert t_over_z(7, 0.9) == pytest.approx(stdtrit(7, 0.95) / ndtri(0.95), rel=1e-13)
