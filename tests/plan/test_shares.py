"""Percentages where the errors of a fit are shares of 1, and counts of cards, in a plan."""

from __future__ import annotations

from typing import Any

import pytest

import scalelaw as sl
from scalelaw.errors import InputError
from scalelaw.plan import blend, contrast_budgets, relaxation, switch_points, tokens_against_text


@pytest.fixture(scope="module")
def fitted() -> sl.FittedLaw:
    return sl.fit_law("vlm_reasoning", bootstrap=0)


@pytest.mark.parametrize("options", [{"target_error": 50}, {"within": 5}])
def test_a_percentage_is_refused_where_errors_are_shares(fitted: sl.FittedLaw, options: Any) -> None:
    with pytest.raises(InputError) as refusal:
        sl.find_optimum(fitted, budget=8e11, **options)
    assert refusal.value.code == "unit_mismatch"


def test_every_plan_with_a_tolerance_refuses_a_percentage(fitted: sl.FittedLaw) -> None:
    both = blend({"a": fitted, "b": fitted}, {})
    for plan in (
        lambda: sl.find_optimum(both, budget=8e11, target_error=50),
        lambda: switch_points(fitted, "flops", within=5),
        lambda: tokens_against_text(fitted, 8e11, within=5),
        lambda: relaxation(fitted, 8e11, within=5),
        lambda: contrast_budgets(fitted, {"flops": 8e11}, within=5),
    ):
        with pytest.raises(InputError) as refusal:
            plan()
        assert refusal.value.code == "unit_mismatch"


@pytest.mark.parametrize("devices", [0, -1])
def test_no_card_is_refused_without_hardware_too(fitted: sl.FittedLaw, devices: int) -> None:
    with pytest.raises(InputError):
        sl.find_optimum(fitted, budget=8e11, devices=devices)


def test_predictions_refuse_what_does_not_fit_together(fitted: sl.FittedLaw) -> None:
    for arguments, code in (
        (({"alpha": 0.1},), "missing_parameter"),
        (({**fitted.params, "alpha": "x"},), "bad_value"),
    ):
        with pytest.raises(InputError) as refusal:
            fitted.predict(*arguments, n_params=7e9, visual_tokens=64)
        assert refusal.value.code == code
    with pytest.raises(InputError) as refusal:
        fitted.predict(n_params=[1e9, 2e9], visual_tokens=[1, 2, 3])
    assert refusal.value.code == "wrong_shape"


def test_a_part_of_a_pixel_is_refused() -> None:
    with pytest.raises(InputError) as refusal:
        sl.count_tokens("qwen3-vl", [(1.5, 2)])
    assert refusal.value.code == "bad_image_size"
