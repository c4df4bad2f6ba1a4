"""A pick outside the measured points extrapolates, though each of its inputs lies in the measured range."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scalelaw.plan import blend, find_optimum, hull

SIZES = [0.5e9, 1.8e9, 4e9, 7e9]
GRID = {"n_params": np.repeat(SIZES, 4), "visual_tokens": np.tile([1, 16, 144, 576], 4)}
LINE = {"n_params": SIZES, "visual_tokens": [1, 16, 144, 576]}


def test_a_place_in_the_hull_of_a_grid_is_among_its_points() -> None:
    rng = np.random.default_rng(0)
    inside = {
        "n_params": np.exp(rng.uniform(*np.log([0.5e9, 7e9]), 2000)),
        "visual_tokens": np.exp(rng.uniform(0, np.log(576), 2000)),
    }
    assert hull.among(GRID, inside).all()
    assert not hull.among(GRID, {"n_params": [8e9, 1e9, 0.4e9], "visual_tokens": [16, 900, 16]}).any()


@pytest.mark.parametrize("seed", range(3))
def test_the_facets_agree_with_a_linear_program(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for dimensions in (2, 3):
        points = rng.normal(size=(12, dimensions))
        places = rng.normal(size=(60, dimensions))
        inside = hull._inside(points, places)
        exact = np.array([hull._is_mixture(points, place) for place in places])
        assert (inside == exact).mean() > 0.95  # they differ only within the tolerance
        assert 0 < inside.sum() < len(inside)


@pytest.mark.parametrize("seed", range(3))
def test_the_hull_in_a_plane_agrees_with_qhull(seed: int) -> None:
    from scipy.spatial import ConvexHull

    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 4)), axis=-1).reshape(-1, 2)
    turned = grid @ np.array([[0.8, 0.6], [-0.6, 0.8]])
    for points in (grid, turned, rng.normal(size=(50, 2)), np.array([[0, 0], [1, 0], [0, 1.0]])):
        places = rng.normal(size=(500, 2))
        sides, facets = (
            (places @ each[:, :-1].T + each[:, -1]).max(axis=1)
            for each in (hull._sides(points), ConvexHull(points).equations)
        )
        assert np.abs(sides - facets).max() < 1e-12


def test_points_on_a_line_hold_only_what_lies_on_it() -> None:
    n, v = np.sqrt(0.5e9 * 7e9), 24.0
    line = {"n_params": [0.5e9, n, 7e9], "visual_tokens": [1, v, 576]}
    assert hull.among(line, line).all()
    assert not hull.among(line, {"n_params": [0.5e9, 7e9], "visual_tokens": [576, 1]}).any()
    one = {"n_params": [1e9, 7e9], "visual_tokens": [576, 576]}
    assert hull.among(one, {"n_params": [3e9], "visual_tokens": [576]}).all()
    assert not hull.among(one, {"n_params": [3e9], "visual_tokens": [500]}).any()
    assert hull.among(
        {"n_params": [1e9], "visual_tokens": [4]}, {"n_params": [1e9], "visual_tokens": [4]}
    ).all()


def test_a_pick_outside_confounded_measurements_extrapolates(reasoning: Any) -> None:
    for inputs, outside in ((GRID, False), (LINE, True)):
        law = replace(reasoning, points={"inputs": inputs})
        for fitted in (law, blend({"a": law, "b": law})):
            optimum = find_optimum(fitted, 8e11)  # a large model with few tokens
            assert optimum.extrapolates == outside
            assert ("extrapolates" in dict(optimum.warnings)) == outside


def test_a_loss_may_exceed_1(reasoning: Any) -> None:
    params = {**reasoning.params, "D": 3.0}
    law = replace(reasoning, params=params, draws={})
    assert {"impossible_error", "impossible_errors"} <= set(dict(find_optimum(law, 8e11).warnings))
    law.target_kind = "loss"
    for fitted in (law, blend({"a": law, "b": law})):
        assert not {"impossible_error", "impossible_errors"} & set(dict(find_optimum(fitted, 8e11).warnings))
