"""The continuous optimum against its closed form, and for laws that have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scalelaw.plan import find_optimum
from scalelaw.plan.continuous import least_error


@settings(max_examples=60, deadline=None)
@given(
    alpha=st.floats(0.01, 0.5),
    beta=st.floats(0.005, 0.5),
    tokens=st.floats(0, 400),
    flops=st.floats(1e10, 1e14),
    D=st.floats(0, 0.3),
)
def test_the_closed_form(alpha: float, beta: float, tokens: float, flops: float, D: float) -> None:
    assume(abs(alpha - beta) > 1e-3)
    best = least_error(
        lambda n, v: 0.6 * (n / 1e9) ** -alpha * v**-beta + D, lambda v: flops / (2 * (tokens + v)), 1, 576
    )
    exact = float(np.clip(beta * tokens / (alpha - beta), 1, 576)) if alpha > beta else 576.0
    assert best["visual_tokens"] == pytest.approx(exact, rel=1e-6)
    assert best["n_params"] == pytest.approx(flops / (2 * (tokens + exact)), rel=1e-6)


@pytest.mark.parametrize(("text_tokens", "generate"), [(50, 0), (0, 0), (50, 8), (300, 20)])
def test_within_a_plan(reasoning: Any, text_tokens: float, generate: float) -> None:
    plan = find_optimum(reasoning, 8e11, text_tokens, generate)
    query = text_tokens + generate
    exact = max(1.0, 0.01510 * query / (0.07094 - 0.01510))
    assert plan.continuous is not None
    assert plan.continuous["visual_tokens"] == pytest.approx(exact, rel=1e-8)
    assert plan.continuous["n_params"] == pytest.approx(8e11 / (2 * (query + exact)), rel=1e-8)
    assert plan.continuous["error"] <= plan.best["error"]


def test_the_published_optimum_at_50_text_tokens() -> None:
    best = least_error(lambda n, v: n**-0.077 * v**-0.015, lambda v: 8e11 / (2 * (50 + v)), 1, 576)
    assert round(best["visual_tokens"], 1) == 12.1


def test_a_law_with_two_valleys_gives_the_deeper() -> None:
    def error(n: Any, v: Any) -> Any:
        u = np.log(v)
        return 1 - 0.4 * np.exp(-((u - 1) ** 2) * 8) - 0.5 * np.exp(-((u - 4) ** 2) * 8)

    assert least_error(error, lambda v: 1e9 + 0 * v, 1, 576)["visual_tokens"] == pytest.approx(
        np.exp(4), rel=1e-4
    )


def test_a_kinked_law_is_no_worse_than_the_grid() -> None:
    best = least_error(lambda n, v: np.abs(np.log(v) - 2.2), lambda v: 1e9 + 0 * v, 1, 576)
    assert best["visual_tokens"] == pytest.approx(np.exp(2.2), rel=1e-6)


def test_the_memory_of_the_device_is_respected(reasoning: Any) -> None:
    options = {"models": "qwen1.5", "hardware": "h100"}
    loose = find_optimum(reasoning, {"flops": 1e15}, **options)
    assert loose.continuous is not None
    assert 32e9 < loose.continuous["n_params"] < 72e9  # 80 GB hold between 32 and 72 B in two bytes
    half = find_optimum(reasoning, {"flops": 1e15}, dtype="int8", **options)
    assert half.continuous is not None
    assert 72e9 < half.continuous["n_params"] <= 110e9
    tight = find_optimum(reasoning, {"flops": 1e15, "memory_gb": 10}, **options)
    assert tight.continuous is not None
    assert 1.8e9 < tight.continuous["n_params"] < 7e9


@pytest.mark.parametrize(
    "ways", [{"dtype": "bf16,int8"}, {"dtype": "int8,bf16"}, {"batch": "64,1", "dtype": "int8"}]
)
def test_every_way_to_serve_is_considered(reasoning: Any, ways: dict[str, str]) -> None:
    options = {"models": "qwen1.5", "hardware": "h100", "text_tokens": 2000, "generate": 100}
    several = find_optimum(reasoning, {"latency_ms": 2000}, **options, **ways).continuous
    alone = find_optimum(reasoning, {"latency_ms": 2000}, **options, dtype="int8").continuous
    assert several is not None
    assert several == alone


def test_mixtures_are_left_out_where_there_are_dense_models(reasoning: Any) -> None:
    dense = find_optimum(reasoning, 2e12, models="qwen3").continuous
    assert find_optimum(reasoning, 2e12, models="qwen3,qwen3-moe").continuous == dense


@pytest.mark.parametrize("flops", [4e11, 8e11, 3e12])
def test_a_catalogue_of_many_families_is_no_worse_with_every_size_allowed(
    reasoning: Any, flops: float
) -> None:
    plan = find_optimum(reasoning, flops, models="qwen1.5,qwen2.5,qwen3,gemma-3,smollm2")
    assert plan.continuous is not None
    assert plan.continuous["error"] <= plan.best["error"] + 1e-9


def test_which_sizes_are_allowed_is_said_and_those_beyond_the_measured_are_warned_of(reasoning: Any) -> None:
    unbounded = find_optimum(reasoning, 5e13)
    assert unbounded.searched["sizes_allowed"] == "any size, without bound"
    assert unbounded.continuous is not None
    assert unbounded.continuous["n_params"] > 1e11
    printed = dict(unbounded.warnings)["continuous_extrapolates"]
    assert "above the largest measured (7e+09)" in printed
    assert printed.endswith("Beyond a factor of 4 no law is reliable.")
    between = find_optimum(reasoning, 5e13, models="all", visual_tokens="1:576")
    assert between.searched["sizes_allowed"].endswith("mixtures are left out")
    assert "continuous_extrapolates" not in dict(find_optimum(reasoning, 2e11).warnings)


@pytest.mark.filterwarnings("error")
def test_a_size_that_only_some_token_counts_allow_gives_no_raw_warning(reasoning: Any, tmp_path: Any) -> None:
    (tmp_path / "config.json").write_text(
        '{"model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 22, "num_attention_heads": 32, '
        '"num_key_value_heads": 4, "intermediate_size": 5632, "vocab_size": 32000}'
    )
    (tmp_path / "models.yaml").write_text(
        "models:\n- {name: a, config: config.json}\n- {name: b, n_params: 6e9, config: config.json}\n"
    )
    optimum = find_optimum(reasoning, 8e11, models=str(tmp_path / "models.yaml"))
    printed = dict(optimum.warnings)["n_params_differ"]
    assert "b is given 6e+09 parameters; its configuration has 1.1e+09" in printed
