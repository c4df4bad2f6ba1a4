"""predict_places: values against the law in digits, intervals, distances to the measured range, errors by code."""

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.errors import InputError


@pytest.fixture(scope="module")
def fitted():
    return sl.fit_law("vlm_reasoning", bootstrap=100)


def test_the_value_is_the_laws_own(fitted):
    (place,) = sl.predict_places(fitted, {"n_params": 7e9, "visual_tokens": 64}).places
    p = fitted.params
    by_hand = p["A"] * 7 ** -p["alpha"] * 64 ** -p["beta"] + p["D"]
    assert place["error"] == pytest.approx(by_hand, rel=1e-12)
    assert place["extrapolation"] == {}
    low, high = place["law_interval"]
    assert low < by_hand < high
    assert place["run_interval"][0] < low < high < place["run_interval"][1]


def test_every_combination_in_order_with_the_factor_outside(fitted):
    places = sl.predict_places(fitted, {"n_params": [2.5e8, 7.2e10], "visual_tokens": [16, 1152]})
    assert [(p["n_params"], p["visual_tokens"]) for p in places.places] == [
        (2.5e8, 16), (2.5e8, 1152), (7.2e10, 16), (7.2e10, 1152)
    ]  # fmt: skip
    assert places.places[0]["extrapolation"] == pytest.approx({"n_params": 0.5})
    assert places.places[3]["extrapolation"] == pytest.approx({"n_params": 72 / 7, "visual_tokens": 2.0})
    assert [code for code, _ in places.warnings] == ["extrapolates"]


def test_a_frame_and_a_list_give_the_same_places(fitted):
    rows = [{"n_params": 1e9, "visual_tokens": 4.0}, {"n_params": 3e9, "visual_tokens": 57.6}]
    frame = pd.DataFrame(rows).assign(note="mine")
    assert sl.predict_places(fitted, rows).places == sl.predict_places(fitted, frame).places


def test_without_refits_there_are_no_intervals():
    bare = sl.fit_law("vlm_reasoning", bootstrap=0)
    places = sl.predict_places(bare, {"n_params": 1e9, "visual_tokens": 16})
    assert places.places[0]["law_interval"] is None
    assert [code for code, _ in places.warnings] == ["no_intervals"]


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ({"n_params": 1e9}, "missing_input"),
        ({"n_params": 1e9, "visual_tokens": 4, "frames": 8}, "unknown_input"),
        ({"n_params": 1e9, "visual_tokens": 0}, "bad_value"),
        ({"n_params": -1e9, "visual_tokens": 4}, "bad_value"),
        ({"n_params": float("nan"), "visual_tokens": 4}, "bad_value"),
        ({"n_params": "big", "visual_tokens": 4}, "bad_value"),
        ({"n_params": [], "visual_tokens": 4}, "bad_value"),
        ({"n_params": np.ones(1000) * 1e9, "visual_tokens": np.ones(1000)}, "bad_value"),
        ([], "bad_value"),
        ("n_params=1e9", "wrong_type"),
        (None, "wrong_type"),
    ],
)
def test_what_cannot_be_predicted_is_refused(fitted, at, code):
    with pytest.raises(InputError) as caught:
        sl.predict_places(fitted, at)
    assert caught.value.code == code


@pytest.mark.parametrize("level", [0, 1, -1, 2, float("nan")])
def test_a_level_outside_0_and_1_is_refused(fitted, level):
    with pytest.raises(InputError) as caught:
        sl.predict_places(fitted, {"n_params": 1e9, "visual_tokens": 4}, level=level)
    assert caught.value.code == "bad_value"
