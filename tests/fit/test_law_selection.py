"""Choosing a law: the winner of a planted law, the weights, averages as fitted laws, windows, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.errors import InputError
from scalelaw.fit import holdout_windows
from scalelaw.fit.law_average import average_name
from scalelaw.fit.law_selection import compare
from scalelaw.fit.load_law import load_law
from scalelaw.fit.prediction_bands import noise
from scalelaw.fit.weights import effective_points

X = np.geomspace(1e6, 1e9, 24)


def curve(noise: float = 0.01, seed: int = 0, bend: float = 0.0) -> pd.DataFrame:
    """A power law with a floor, its start bent away, with relative noise."""
    y = 0.2 + 5 * X**-0.2 / (1 + bend * X**-0.2)
    return pd.DataFrame({"x": X, "error": y * np.exp(np.random.default_rng(seed).normal(0, noise, len(X)))})


@pytest.fixture(scope="module")
def averaged() -> sl.FittedLaw:
    return sl.fit_law(curve(bend=8.0), law="auto", residual=None, bootstrap=60, holdout="largest")


@pytest.mark.parametrize(
    ("law", "params"),
    [("power", {"beta": 5.0, "c": 0.2}), ("power_offset", {"eps": 0.2, "beta": 5.0, "c": 0.2})],
)
def test_a_planted_law_without_noise_wins_alone(law: str, params: dict[str, float]) -> None:
    table = pd.DataFrame({"x": X, "error": load_law(law).predict(X, *params.values())})
    fitted = sl.fit_law(table, law="auto", residual=None, bootstrap=0)
    assert fitted.law == law
    assert fitted.params == pytest.approx(params, rel=1e-5)
    assert fitted.selection[0]["law"] == law
    assert fitted.selection[0]["weight"] == 1.0


def test_every_law_of_the_inputs_is_listed_with_its_scores_and_weight(averaged: sl.FittedLaw) -> None:
    rows = {row["law"]: row for row in averaged.selection}
    assert set(rows) == {"power", "power_offset", "m4", "bnsl", "bnsl:2"}
    assert sum(row["weight"] for row in rows.values()) == pytest.approx(1.0)
    for row in rows.values():
        assert row["weight"] == pytest.approx(sum(member["weight"] for member in row["members"]))
        assert row["score"] == min(member["score"] for member in row["members"])
        assert [w["up_to"] for w in row["leave_largest_out"]["x"]["windows"]] == [
            pytest.approx(X[-1] / ratio) for ratio in (1.5, 2, 3, 4)
        ]
        assert row["leave_one_out"] > 0
        assert np.isfinite(row["aicc"])


def test_weights_fall_as_the_score_rises_and_end_at_four_times_the_least(averaged: sl.FittedLaw) -> None:
    members = [m for row in averaged.selection for m in row["members"] if m["weight"] > 0]
    products = [m["weight"] * m["score"] for m in members]
    assert products == pytest.approx([products[0]] * len(members))
    least = min(m["score"] for m in members)
    assert max(m["score"] for m in members) <= 4 * least


def test_an_average_predicts_the_weighted_mean_of_logarithms(averaged: sl.FittedLaw) -> None:
    labels = averaged.law.removeprefix("average:log:").split("|")
    sizes = np.array([1e7, 2e9])
    total = np.zeros(2)
    for label in labels:
        law = load_law(label.rpartition("@")[0])
        own = [averaged.params[f"{label}.{name}"] for name in law.parameters]
        total += averaged.params[f"weight.{label}"] * np.log(law.predict(sizes, *own))
    np.testing.assert_allclose(averaged.predict(x=sizes), np.exp(total), rtol=1e-12)


def test_a_draw_of_an_average_is_one_members(averaged: sl.FittedLaw) -> None:
    weights = np.array([v for name, v in averaged.draws.items() if name.startswith("weight.")])
    assert weights.shape[1] == 60
    np.testing.assert_array_equal(weights.sum(axis=0), 1.0)
    np.testing.assert_array_equal(weights.max(axis=0), 1.0)
    spread = averaged.predict_draws(x=np.array([2e9]))
    assert spread.shape == (60, 1)
    assert spread.min() < averaged.predict(x=2e9) < spread.max()


def test_an_average_comes_back_from_json(averaged: sl.FittedLaw, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    path.write_text(averaged.to_json())
    again = sl.load_fit(path)
    assert again.to_json() == averaged.to_json()
    np.testing.assert_array_equal(again.predict(x=X), averaged.predict(x=X))


def test_the_band_of_a_run_of_an_average_counts_its_parameters_in_effect(averaged: sl.FittedLaw) -> None:
    """Members of two to nine parameters, averaged by weight: the trace of the average's hat matrix."""
    members = [
        (m["weight"], row["n_parameters"])
        for row in averaged.selection
        for m in row["members"]
        if m["weight"]
    ]
    assert averaged.n_free == pytest.approx(sum(weight * count for weight, count in members))
    assert 2 < averaged.n_free < 9 < len(averaged.params)
    left = 24 - averaged.n_free
    residual = np.log(averaged.points["target"] / averaged.predict(x=averaged.points["inputs"]["x"]))
    assert noise(averaged).total == pytest.approx(np.sqrt(np.sum(residual**2) / left))
    low, high = averaged.band("run", x=1e9)
    assert low < averaged.predict(x=1e9) < high


@pytest.mark.parametrize("options", [{}, {"loss": "huber", "delta": 1e-3}, {"weights": X**0.5}])
def test_the_objective_of_an_average_is_that_of_the_loss(options: dict) -> None:
    fitted = sl.fit_law(curve(bend=8.0), law="auto", bootstrap=0, **options)
    assert fitted.law.startswith("average:")
    residual = np.log(fitted.points["target"] / fitted.predict(x=X))
    weight = options.get("weights", np.ones(24))
    each = residual**2
    if "loss" in options:
        size = np.abs(residual)
        each = np.where(size < 1e-3, 0.5 * size**2, 1e-3 * (size - 0.5e-3))
    assert fitted.objective == pytest.approx(float(np.sum(weight / weight.mean() * each)), rel=1e-9)


def test_an_average_says_that_refits_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalelaw.fit.bootstrap._PATIENCE", 1)
    fitted = sl.fit_law(curve(bend=8.0, noise=0.05), law="auto", bootstrap=60)
    assert fitted.law.startswith("average:")
    assert "failed_refits" in dict(fitted.warnings)


def test_auto_says_where_its_holdout_identifies_nothing() -> None:
    fitted = sl.fit_law(curve().iloc[[2, 9, 23]], law="auto", holdout="largest", bootstrap=0)
    assert fitted.holdout["status"] == "not_identified"
    assert "holdout_not_identified" in dict(fitted.warnings)


def test_auto_holds_out_by_choosing_again(averaged: sl.FittedLaw) -> None:
    table = curve(bend=8.0)
    alone = sl.fit_law(table.iloc[:-1], law="auto", residual=None, bootstrap=0)
    assert averaged.holdout["predicted"] == pytest.approx([float(alone.predict(x=X[-1]))], rel=1e-9)
    assert averaged.holdout["measured"] == [table["error"].iloc[-1]]


def test_row_order_changes_nothing() -> None:
    table = curve(bend=8.0)
    there = compare(table.sample(frac=1, random_state=3).reset_index(drop=True))
    here = compare(table)
    assert [r["law"] for r in there.laws] == [r["law"] for r in here.laws]
    assert [r["score"] for r in there.laws] == pytest.approx([r["score"] for r in here.laws], rel=1e-4)


def test_another_unit_of_x_changes_nothing() -> None:
    table = curve(bend=8.0)
    here, other = (
        {r["law"]: r["score"] for r in compare(t).laws} for t in (table, table.assign(x=table["x"] * 1e3))
    )
    bent = here.pop("bnsl:2"), other.pop("bnsl:2")
    assert other == pytest.approx(here, rel=1e-2)
    assert bent[0] == pytest.approx(bent[1], rel=0.1), (
        "seven parameters: a valley floor that rounding moves along"
    )


@pytest.mark.parametrize("table", ["vlm_reasoning", "vlm_ocr"])
@pytest.mark.parametrize("name", ["n_params", "visual_tokens"])
def test_auto_is_within_a_tenth_of_the_best_law_on_two_inputs(table: str, name: str) -> None:
    rule = f"largest:{name}"
    laws = ("product_power", "additive_power", "additive_interaction", "log_linear")
    best = min(sl.fit_law(table, law=law, holdout=rule, bootstrap=0).holdout["rmse"] for law in laws)
    assert sl.fit_law(table, law="auto", holdout=rule, bootstrap=0).holdout["rmse"] <= 1.1 * best


def test_a_law_that_says_what_a_simpler_one_says_gets_no_weight() -> None:
    rows = {row["law"]: row for row in compare("vlm_ocr").laws}
    assert rows["additive_interaction"]["weight"] == 0.0
    assert rows["additive_interaction"]["reason"] == "predicts the same as additive_power"


def test_a_tail_weight_asked_for_is_the_only_one() -> None:
    rows = compare(curve(), tail_weight=1.0).laws
    assert {member["tail_weight"] for row in rows for member in row["members"]} == {1.0}


def test_laws_of_different_inputs_compare_when_named() -> None:
    comparison = compare("vlm_ocr", laws=["product_power", "total_token_power"], inputs={"text_tokens": 50})
    assert {row["law"] for row in comparison.laws} == {"product_power", "total_token_power"}
    envelope = json.loads(comparison.to_json())
    assert envelope["schema"] == "scalelaw.compare/1"
    assert len(envelope["data"]["laws"]) == 2


def test_one_law_is_fitted_plainly() -> None:
    table = curve()
    alone = sl.fit_law(
        table, law="auto", laws=["power_offset"], residual="linear", tail_weight=1.0, bootstrap=0
    )
    plain = sl.fit_law(table, law="power_offset", tail_weight=1.0, bootstrap=0)
    assert alone.law == "power_offset"
    assert alone.params == pytest.approx(plain.params, rel=1e-9)


def test_two_points_get_the_simplest_law_and_a_warning() -> None:
    fitted = sl.fit_law(curve().iloc[[3, 20]], law="auto", residual=None)
    assert fitted.law == "power"
    assert "too_few_points" in dict(fitted.warnings)
    assert {row["reason"] for row in fitted.selection} == {
        f"{n} parameters need more than 2 effective points" for n in (2, 3, 5, 6, 9)
    }


def test_a_constant_target_gets_a_verdict() -> None:
    fitted = sl.fit_law(curve().assign(error=0.5), law="auto", residual=None, bootstrap=0)
    assert fitted.status == "not_identified"
    assert "constant_target" in dict(fitted.warnings)


def test_a_target_of_zero_is_compared_in_linear_residuals() -> None:
    table = curve()
    table.loc[len(table) - 1, "error"] = 0.0
    comparison = compare(table)
    assert comparison.residual == "linear"
    with pytest.raises(InputError) as caught:
        compare(table, residual="log")
    assert caught.value.code == "bad_value"


def test_many_points_are_compared_on_a_part_and_said_to_be() -> None:
    x = np.geomspace(1, 1e4, 5000)
    comparison = compare(pd.DataFrame({"x": x, "error": 2 * x**-0.3}), laws=["power", "power_offset"])
    assert "thinned" in dict(comparison.warnings)
    assert comparison.winner == "power"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"fix": {"eps": 0.0}}, "bad_option"),
        ({"laws": []}, "unknown_law"),
        ({"laws": ["power", "powr"]}, "unknown_law"),
        ({"inputs": {"size": "x"}}, "missing_column"),
        ({"resample": "boot"}, "unknown_resampling"),
    ],
)
def test_what_cannot_be_asked_gets_a_sentence(options: dict[str, object], code: str) -> None:
    with pytest.raises(InputError) as caught:
        sl.fit_law(curve(), law="auto", **options)
    assert caught.value.code == code


def test_an_average_that_cannot_be_read_gets_a_sentence() -> None:
    with pytest.raises(InputError) as caught:
        load_law("average:power")
    assert caught.value.code == "bad_law"


def test_an_average_takes_each_member_in_its_own_unit() -> None:
    name = average_name("linear", [("product_power", 0.0), ("chinchilla", 0.0)])
    assert name == "average:linear:product_power@0|chinchilla@0"
    law = load_law(name)
    both = dict.fromkeys(law.parameters, 0.0)
    both |= {"weight.product_power@0": 0.25, "product_power@0.A": 2.0, "product_power@0.alpha": 1.0}
    both |= {"weight.chinchilla@0": 0.75, "chinchilla@0.A": 2e9, "chinchilla@0.alpha": 1.0}
    inputs = law.scale({"n_params": [4e9], "visual_tokens": [1.0], "train_tokens": [1.0]})
    value = law.predict(*inputs, *both.values())
    np.testing.assert_allclose(value, 0.25 * 0.5 + 0.75 * 0.5)


def test_effective_points() -> None:
    assert effective_points(np.ones(7)) == pytest.approx(7)
    assert effective_points(np.array([1.0, 1.0, 0.0])) == pytest.approx(2)


def test_windows_grow_and_leave_three_levels() -> None:
    size, tokens = np.repeat([1.0, 2.0, 4.0, 8.0], 3), np.tile([1.0, 10.0, 100.0], 4)
    splits = holdout_windows.windows({"n_params": size, "visual_tokens": tokens})
    assert [(w.name, w.cut) for w in splits] == [("n_params", pytest.approx(8 / 1.5))]
    assert holdout_windows.lines({"n_params": size, "visual_tokens": tokens}, "n_params") == 3
    assert holdout_windows.lines({"x": size}, "x") == 1


def test_far_questions_get_their_ratio() -> None:
    measured = {"x": (10.0, 1000.0)}
    assert holdout_windows.ratios(measured, {"x": [20.0, 6000.0]}) == {"x": pytest.approx(6.0)}
    assert holdout_windows.ratios(measured, {"x": 5.0}) == {"x": pytest.approx(2.0)}
    assert holdout_windows.extrapolation_warnings(measured, {"x": 500.0}) == []
    assert holdout_windows.extrapolation_warnings(measured, {"x": 3000.0})[0][0] == "extrapolates"
    ((code, words),) = holdout_windows.extrapolation_warnings(measured, {"x": 6000.0})
    assert code == "extrapolates_far"
    assert "factor of 6 " in words
    with pytest.raises(InputError):
        holdout_windows.ratios(measured, {"y": 1.0})
