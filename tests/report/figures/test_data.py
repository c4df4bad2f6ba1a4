"""What is drawn, in digits: curves, bands, residuals, the surface, costs, the path of the optimum, coverage."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import scalelaw as sl
from scalelaw.fit.input_checks import checked_by_caller
from scalelaw.report import values
from scalelaw.report.figures import coverage, curves, front, surface
from scalelaw.report.figures._residuals import residuals


def test_curves_are_the_law_and_bands_its_draws(fitted: Any) -> None:
    data = curves.slices(fitted, "visual_tokens", "n_params")
    assert [c.label for c in data.curves] == ["0.5B", "1.8B", "4B", "7B"]
    assert (data.n, data.measured_range, data.interval) == (28, (1.0, 576.0), 0.95)
    curve = data.curves[3]
    p = fitted.params
    assert curve.mean == pytest.approx(p["A"] * 7 ** -p["alpha"] * curve.x ** -p["beta"] + p["D"], rel=1e-12)
    # the margin of a figure reaches below one token
    with checked_by_caller():
        draws = fitted.predict_draws(n_params=7e9, visual_tokens=curve.x)
    assert curve.low == pytest.approx(np.quantile(draws, 0.025, axis=0), rel=1e-12)
    assert curve.high == pytest.approx(np.quantile(draws, 0.975, axis=0), rel=1e-12)
    assert sum(len(c.places) for c in data.curves) == 28
    assert (curve.x[0], curve.x[-1]) == pytest.approx((1 / 1.6, 576 * 1.6))


def test_without_draws_there_is_no_band(fitted: Any) -> None:
    bare = dataclasses.replace(fitted, draws={})
    data = curves.slices(bare, "visual_tokens", "n_params")
    assert data.interval is None
    assert all(c.low is None for c in data.curves)


def test_a_choice_off_the_curves_gets_its_own(fitted: Any) -> None:
    mark = {"n_params": 1.4e10, "visual_tokens": 64, "error": 0.46}
    data = curves.slices(fitted, "visual_tokens", "n_params", mark)
    assert data.curves[-1].label == "14B, not measured"
    assert len(data.curves[-1].places) == 0


def test_the_residuals_are_those_of_the_fit(fitted: Any) -> None:
    data = residuals(fitted, "n_params")
    assert float(np.sum(data.residual**2)) == pytest.approx(3.79380e-4, rel=1e-5)
    assert sorted(np.concatenate(list(data.levels.values()))) == list(range(28))


def test_the_surface_its_costs_and_the_path(fitted: Any, optimum: Any) -> None:
    data = surface.surface(fitted, "visual_tokens", "n_params", [optimum.to_dict()])
    assert data.cost == pytest.approx(2 * data.y[:, None] * (50 + data.x[None, :]))
    with checked_by_caller():
        expected = fitted.predict(n_params=data.y[:, None], visual_tokens=data.x[None, :])
    assert data.z == pytest.approx(expected)
    assert data.measured == ((1.0, 576.0), (5e8, 7e9))
    assert data.budgets == (8e11,)
    assert [p["visual_tokens"] for p in data.free_path] == pytest.approx(
        [13.5232] * len(data.free_path), rel=1e-4
    )
    errors = [p["error"] for p in data.path]
    assert len(errors) > 20
    assert errors == sorted(errors, reverse=True)
    assert data.picks[0]["visual_tokens"] == 7


def test_the_front_carries_the_law_s_interval(fitted: Any, optimum: Any) -> None:
    data = front.front([optimum.to_dict()], fitted)
    assert data.low is not None
    assert data.high is not None
    assert all(
        low <= p["error"] <= high for low, p, high in zip(data.low, data.points, data.high, strict=True)
    )
    assert front.front([optimum.to_dict()], None).low is None


def test_unknown_numbers_are_marked(fitted: Any) -> None:
    derived = {"limit": {"value": None, "interval": (None, None)}}
    fewer = dataclasses.replace(fitted, derived=derived, intervals={})
    named = {bar.name: bar for bar in values.numbers(fewer)}
    assert np.isinf(named["limit"].value)
    assert np.isnan(named["alpha"].low)
    assert values.bars(fewer) == []


def test_coverage_counts_what_is_there_and_what_is_not() -> None:
    (grid,) = coverage.grids(sl.read_table("vlm_ocr"))
    assert (grid.columns, grid.levels) == (
        ("1", "4", "16", "36", "64", "144", "576"),
        ("0.5B", "1.8B", "4B", "7B"),
    )
    assert grid.mean[0, 0] == pytest.approx(0.9021, abs=5e-5)
    assert grid.rows.sum() == 28
    assert grid.note == " · every cell measured"
    table = sl.read_table("vlm_ocr")
    (grid,) = coverage.grids(table[(table.n_params < 7e9) | (table.visual_tokens < 100)])
    assert np.isnan(grid.mean[3]).tolist() == [False] * 5 + [True] * 2
    assert grid.note == " · 2 cells not measured"


def test_a_band_that_runs_away_does_not_flatten_the_points(fitted: Any) -> None:
    data = curves.slices(fitted, "visual_tokens", "n_params")
    wild = dataclasses.replace(data.curves[0], high=np.full_like(data.curves[0].mean, 1e200))
    low, high = dataclasses.replace(data, curves=(wild, *data.curves[1:])).extent
    measured = np.concatenate([c.measured for c in data.curves])
    assert low <= measured.min()
    assert measured.max() <= high < 2 * measured.max()
