"""Curves of profiles: each value is the least objective of a fit with the parameter fixed there."""

from __future__ import annotations

import numpy as np
import pytest

import scalelaw as sl
from scalelaw.fit.profile_curve import profile_curves


@pytest.mark.parametrize("residual", ["linear", "log"])
def test_a_profile_is_what_refits_with_a_fixed_parameter_give(residual: str) -> None:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=0, residual=residual)
    values = {"alpha": np.array([0.05, 0.0709, 0.2]), "A": np.array([0.3, 0.8])}
    for name, curve in profile_curves(fitted, values).items():
        for value, least in zip(values[name], curve, strict=True):
            refit = sl.fit_law("vlm_reasoning", bootstrap=0, fix={name: float(value)}, residual=residual)
            assert least == pytest.approx(refit.objective, rel=1e-6)


def test_at_the_fitted_value_it_is_the_minimum() -> None:
    fitted = sl.fit_law("vlm_ocr", bootstrap=0)
    curves = profile_curves(fitted, {name: np.array([value]) for name, value in fitted.params.items()})
    assert np.concatenate(list(curves.values())) == pytest.approx(fitted.objective, rel=1e-9)
