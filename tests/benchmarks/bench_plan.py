"""How long a plan takes: `make bench`."""

from __future__ import annotations

from typing import Any

import scalelaw as sl


def bench_one_plan_with_draws(benchmark: Any) -> None:
    """Five sizes x 576 token counts with 1,000 draws."""
    fitted = sl.fit_law("vlm_reasoning", bootstrap=1000)
    optimum = benchmark(sl.find_optimum, fitted, 8e11, models="qwen1.5", cost="linear_flops")
    assert optimum.best["p_best"] is not None
