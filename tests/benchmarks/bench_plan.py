"""How long a plan takes, over the whole catalogue: `make bench`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scalelaw as sl
from scalelaw.plan.budget import kinds
from scalelaw.plan.catalogue import find_models
from scalelaw.plan.grid import compute_costs
from scalelaw.plan.workload import make_query

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
    costs = benchmark(compute_costs, models, counts, query.work, kinds(), "layer_flops", len(query.setups))
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


def _many(count: int, **more: Any) -> list[dict[str, Any]]:
    sizes = np.geomspace(5e8, 7e9, count)
    return [
        {"name": f"m{i}{more.get('config', '')}", "n_params": float(n), **more} for i, n in enumerate(sizes)
    ]


def test_a_plan_over_5000_models(benchmark: Any, fitted: Any) -> None:
    """5,000 sizes x 7 token counts, linear FLOPs: 5 s."""
    options = {"models": _many(5000), "visual_tokens": "1,4,16,36,64,144,576"}
    benchmark.pedantic(sl.find_optimum, (fitted, 8e11), options, rounds=1)


def test_a_plan_over_5000_models_under_six_budgets(benchmark: Any, fitted: Any) -> None:
    """5,000 models with shapes x 7 token counts, six kinds of budget at once: 15 s."""
    models = _many(2500, config="qwen1.5-1.8b") + _many(2500, config="qwen1.5-4b")
    budget = {"flops": 1e13, "latency_ms": 200, "ttft_ms": 150, "memory_gb": 40, "energy_j": 1e3,
              "usd_per_million": 1e4}  # fmt: skip
    options = {"models": models, "visual_tokens": "1,4,16,36,64,144,576", "hardware": "h100", "usd_per_hour": 3.0,
             "generate": 8}  # fmt: skip
    benchmark.pedantic(sl.find_optimum, (fitted, budget), options, rounds=1)
