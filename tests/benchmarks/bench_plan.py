"""How long a plan takes, over the whole catalogue: `make bench`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scalelaw as sl
from scalelaw.plan.budget import kinds
from scalelaw.plan.catalogue import find_models
from scalelaw.plan.grid import reckon
from scalelaw.plan.query import make_query

SERVING = {
    "hardware": "h100",
    "generate": 8,
    "usd_per_hour": 3.0,
    "dtype": "bf16,fp8,int4",
    "batch": "1,4,16,64",
}


@pytest.fixture(scope="module")
def fitted() -> Any:
    return sl.fit_law("vlm_reasoning", bootstrap=1000)


def test_all_costs_of_the_whole_catalogue(benchmark: Any) -> None:
    """49 models x 576 token counts x 3 dtypes x 4 batches, every kind of cost (338,688 configurations)."""
    query, models = make_query(**SERVING), find_models("all")
    counts = np.arange(1.0, 577)
    costs = benchmark(reckon, models, counts, query.work, kinds(), "layer_flops", len(query.setups))
    assert all(np.isfinite(values).all() for values in costs.values())


def test_a_plan_over_the_whole_catalogue_with_1000_draws(benchmark: Any, fitted: Any) -> None:
    """The same configurations, two budgets, p_best from 1,000 draws, the continuous optimum and the Pareto set."""
    budget = {"latency_ms": 300, "usd_per_million": 500}
    optimum = benchmark.pedantic(
        sl.find_optimum,
        (fitted, budget),
        {"models": "all", "visual_tokens": "1:576", **SERVING},
        rounds=3,
        warmup_rounds=1,
    )
    assert optimum.best["p_best"] is not None


def test_a_plan_on_the_measured_sizes(benchmark: Any, fitted: Any) -> None:
    """Four sizes x 576 token counts, linear FLOPs, 1,000 draws."""
    assert benchmark(sl.find_optimum, fitted, 8e11).best["p_best"] is not None
