"""What intervals must and must not say: valleys, perfect fits, few clusters, biased refits, the order of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import f, t

import scalelaw as sl
from scalelaw.fit.bootstrap import _donors, percentile
from scalelaw.fit.identifiability import judge
from scalelaw.fit.multistart import Minimum
from scalelaw.fit.options import FitOptions
from scalelaw.fit.problem import make_task, opening

TABLE = sl.read_table("vlm_reasoning")
EXACT = TABLE.assign(error=0.5 * (TABLE.n_params / 1e9) ** -0.1 * TABLE.visual_tokens**-0.05 + 0.1)


def codes(fitted: sl.FittedLaw) -> set[str]:
    return {code for code, _ in fitted.warnings}


def test_the_profile_finds_a_second_valley() -> None:
    """Two peaks, one model of a peak: with a lower peak held, the other place fits better."""
    x = np.arange(1, 61.0)
    y = 1 + np.exp(-(((x - 15) / 3.2) ** 2)) + 0.72 * np.exp(-(((x - 42) / 6.2) ** 2))
    table = pd.DataFrame({"x": x, "error": y + np.random.default_rng(0).normal(0, 0.02, 60)})
    law, bounds = "E + A*exp(0-((x-m)/s)**2)", {"m": (1, 60), "s": (0.5, 20)}
    free = sl.fit_law(table, law, bounds=bounds, bootstrap=0, interval="profile")
    low = free.intervals["A"][0]
    result = sl.fit_law(table, law, bounds=bounds, bootstrap=0, fix={"A": low})
    assert abs(result.params["m"] - free.params["m"]) > 20
    assert result.objective == pytest.approx(free.objective * (1 + f.ppf(0.95, 1, 56) / 56), rel=1e-5)


@pytest.mark.parametrize("table", [TABLE, EXACT])
def test_profiles_of_what_is_fixed_or_perfect_have_no_width(table: pd.DataFrame) -> None:
    fix = {"A": 0.5, "alpha": 0.1, "beta": 0.05, "D": 0.1} if table is TABLE else {}
    fitted = sl.fit_law(table, fix=fix, interval="profile", bootstrap=0)
    ends = [*fitted.intervals.values(), *(quantity["interval"] for quantity in fitted.derived.values())]
    values = [*fitted.params.values(), *(quantity["value"] for quantity in fitted.derived.values())]
    np.testing.assert_allclose(ends, np.stack([values, values], axis=1), rtol=1e-12)


def test_the_profile_of_an_infinite_ratio_has_its_lower_end() -> None:
    """With beta on its bound 0 the ratio is infinite; its lower end is where a tie alpha = r beta is refused."""
    size = 0.5 * (TABLE.n_params / 1e9) ** -0.1 + 2e-4 * np.log(TABLE.visual_tokens)
    table = TABLE.assign(error=size + np.random.default_rng(0).normal(0, 0.003, 28))
    fitted = sl.fit_law(table, interval="profile", bootstrap=0)
    low, high = fitted.derived["alpha_over_beta"]["interval"]
    assert (fitted.params["beta"], high) == (0.0, np.inf)
    tied = sl.fit_law(table, tie={"alpha": f"{low!r}*beta"}, bootstrap=0)
    assert tied.objective == pytest.approx(fitted.objective * (1 + f.ppf(0.95, 1, 24) / 24), rel=1e-4)


@pytest.mark.parametrize("options", [{}, {"loss": "huber"}, {"resample": "case"}, {"cluster": "model"}])
def test_the_order_of_rows_does_not_change_an_interval(options: dict) -> None:
    turned = TABLE.sample(frac=1, random_state=5).reset_index(drop=True)
    here, there = (sl.fit_law(table, bootstrap=100, **options).intervals for table in (TABLE, turned))
    for name, ends in here.items():
        assert there[name] == pytest.approx(ends, rel=1e-5, abs=1e-9)


def test_the_donors_of_a_point_are_the_nearest() -> None:
    draw = np.random.default_rng(0)
    n, v = 1e9 * np.exp(draw.normal(size=500)), np.exp(draw.uniform(0, 6, 500))
    error = 0.5 * (n / 1e9) ** -0.1 * v**-0.05 + draw.normal(0, 0.01, 500) + 0.1
    table = pd.DataFrame({"n_params": n, "visual_tokens": v, "error": error})
    task = make_task(*opening(table, "product_power", None, "error", None, FitOptions(loss="huber")))
    place = np.array([0.5, 0.1, 0.05, 0.1])
    nearest, at = _donors(task.problem, place)
    residual = task.problem.target[0] - task.problem.law.value(task.problem.inputs, place[:, None])[0]
    pool = np.sort(np.argsort(np.abs(residual))[4:])
    logs = np.log(np.stack([n, v], axis=1))
    logs = (logs - logs.mean(axis=0)) / logs.std(axis=0)
    for i in (0, 250, 499):
        closest = pool[np.argsort(np.sum((logs[pool] - logs[i]) ** 2, axis=1))[:64]]
        assert set(nearest[at[i]]) == set(closest)


def test_few_clusters_are_said_and_widen() -> None:
    """Four models leave three degrees of freedom, and so the t quantile of three."""
    task = make_task(*opening(TABLE, "product_power", None, "error", None, FitOptions(cluster="model")))
    options = FitOptions(cluster="model")
    assert task.degrees(options) == 3
    assert task.degrees(FitOptions(cluster="model", resample="case")) == 24
    fitted = sl.fit_law(TABLE, cluster="model", bootstrap=300, law="log_linear")
    assert "few_clusters" in codes(fitted)
    low, high = np.quantile(fitted.draws["a"], [0.025, 0.975])
    longer = t.ppf(0.975, 3) / 1.959964
    value = fitted.params["a"]
    expected = (value + (low - value) * longer, value + (high - value) * longer)
    assert fitted.intervals["a"] == pytest.approx(expected, rel=1e-5)


def test_bca_gets_a_warning() -> None:
    assert "bca_covers_too_rarely" in codes(sl.fit_law(TABLE, interval="bca", bootstrap=100))


def test_an_estimate_outside_its_interval_gets_a_warning() -> None:
    table = sl.read_table("tokenpacker_hd")
    table = table[table.benchmark == "DocVQA"].reset_index(drop=True)
    fitted = sl.fit_law(table, "power_offset", {"x": "visual_tokens"}, bootstrap=300)
    assert all(low <= fitted.params[name] <= high for name, (low, high) in fitted.intervals.items())
    (message,) = [words for code, words in fitted.warnings if code == "biased_refits"]
    assert "refits of c lie to one side" in message
    beside = np.linspace(1, 2, 300)
    low, high = percentile(beside, 0.5, 0.95, 1000)
    assert low == 0.5
    assert high == pytest.approx(0.5 + 1.475 * t.ppf(0.975, 1000) / 1.959964, rel=1e-3)


def test_a_parameter_hardly_determined_is_said() -> None:
    """All points identify a law in the small, and its exponent still reaches from 0 to hundreds."""
    fitted = sl.fit_law("tokenpacker_hd", bootstrap=100)
    assert fitted.status == "not_identified"
    (message,) = [words for code, words in fitted.warnings if code == "flat"]
    assert "alpha (" in message
    assert "change together" in message
    assert "A, alpha, beta" in dict(fitted.warnings)["wide_intervals"]
    assert "wide_intervals" not in codes(sl.fit_law(TABLE, bootstrap=100))


def test_too_few_refits_are_said() -> None:
    assert "few_refits" in codes(sl.fit_law(TABLE, bootstrap=20))
    assert "few_refits" not in codes(sl.fit_law(TABLE, bootstrap=50))


def test_one_degree_of_freedom_is_said() -> None:
    table = TABLE.iloc[[0, 8, 17, 20, 27]]
    assert "little_freedom" in codes(sl.fit_law(table, bootstrap=50))
    assert sl.fit_law(table.iloc[:4], bootstrap=50).status == "not_identified"


def test_a_ratio_is_called_determined_only_where_its_interval_says_so() -> None:
    (message,) = [m for code, m in sl.fit_law(TABLE, bootstrap=200).warnings if code == "at_bound"]
    assert "Still determined: alpha_over_beta 4.7 (95%: 4." in message
    size = 0.5 * (TABLE.n_params / 1e9) ** -0.1 + 2e-4 * np.log(TABLE.visual_tokens)
    flat = TABLE.assign(error=size + np.random.default_rng(0).normal(0, 0.003, 28))
    message = " ".join(m for code, m in sl.fit_law(flat, bootstrap=200).warnings if code == "at_bound")
    assert "Still determined: alpha_minus_beta 0.15" in message  # its sign
    assert "Not determined: alpha_over_beta inf" in message
    (message,) = [m for code, m in sl.fit_law(TABLE, bootstrap=0).warnings if code == "at_bound"]
    assert "Not determined: alpha_over_beta;" in message


def test_a_difference_may_be_negative_and_its_sign_is_said() -> None:
    """alpha - beta has no bound at 0, by refits and by profile, under linear and log residuals."""
    table = TABLE.assign(error=0.7 * (TABLE.n_params / 1e9) ** -0.14 * TABLE.visual_tokens**-0.14)
    table["error"] *= np.exp(np.random.default_rng(0).normal(0, 0.15, 28))
    for interval, residual in (("percentile", "linear"), ("profile", "linear"), ("profile", "log")):
        fitted = sl.fit_law(table, bootstrap=200, interval=interval, residual=residual)
        low, high = fitted.derived["alpha_minus_beta"]["interval"]
        assert low < -0.02 < 0.02 < high
        level = fitted.params["alpha"] - fitted.params["beta"]
        assert fitted.derived["alpha_minus_beta"]["value"] == pytest.approx(level, rel=1e-12)
    (message,) = [m for code, m in sl.fit_law(TABLE, bootstrap=200).warnings if code == "at_bound"]
    assert ", above 0" in message
    (message,) = [m for code, m in sl.fit_law("vlm_ocr", bootstrap=200).warnings if code == "at_bound"]
    assert "alpha_minus_beta -0.0" in message


def test_a_parameter_that_moves_nothing_is_not_determined() -> None:
    """Where all but the smallest x lie at one level, a steep power fits as well as a steeper one."""
    table = pd.DataFrame({"x": np.tile([1.0, 4.0, 16.0, 64.0], 4), "error": np.tile([0.5, 0.3, 0.3, 0.3], 4)})
    table["error"] += np.tile(np.random.default_rng(1).normal(0, 0.01, 4), (4, 1)).T.ravel()
    fitted = sl.fit_law(table, "power_offset", bootstrap=0, bounds={"c": (0, 1000)})
    assert fitted.status == "not_identified"
    assert "c" in dict(fitted.warnings)["flat"]


def test_a_gap_in_the_rounding_is_no_failure() -> None:
    """Of a nearly perfect fit every further step gains a share, and nothing that is not rounding."""
    task = make_task(*opening(EXACT, "product_power", None, "error", None, FitOptions()))
    place = np.array([0.5, 0.1, 0.05, 0.1])
    flat = Minimum(place, 1e-28, False, 1, 1, 1e-3, 0.0)
    assert judge(task.problem, flat)[0] == "identified"
    steep = Minimum(place, 1e-3, False, 1, 1, 1e-3, 0.0)
    assert judge(task.problem, steep)[0] == "not_converged"


def test_a_holdout_whose_rest_identifies_nothing_is_said() -> None:
    table = TABLE[TABLE.n_params.isin(sorted(TABLE.n_params.unique())[-2:])]
    fitted = sl.fit_law(table, holdout="largest", bootstrap=0)
    assert fitted.holdout["status"] == "not_identified"
    (message,) = [m for code, m in fitted.warnings if code == "holdout_not_identified"]
    assert "same n_params" in message
    assert sl.fit_law(TABLE, holdout="largest", bootstrap=0).holdout["status"] == "at_bound"
