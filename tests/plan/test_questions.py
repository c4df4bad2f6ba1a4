"""Contrast, inverse questions, several fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scalelaw.errors import InputError, NoAnswer
from scalelaw.plan import (
    blend,
    contrast_budgets,
    find_optimum,
    inverse_questions,
    relaxation,
    switch_points,
    tokens_against_text,
)

QWEN = {"models": "qwen1.5", "cost": "linear_flops"}


def test_the_kind_of_budget_flips_the_answer(reasoning: Any) -> None:
    contrast = contrast_budgets(
        reasoning, 8e11, generate=8, models="qwen1.5", hardware="h100", usd_per_hour=3
    )
    picks = {row["kind"]: row["best"] for row in contrast.rows}
    assert set(picks) == {"flops", "latency_ms", "ttft_ms", "memory_gb", "usd_per_million", "energy_j"}
    assert picks["flops"]["visual_tokens"] < 20
    assert picks["latency_ms"]["visual_tokens"] == 576
    assert "budgets_disagree" in dict(contrast.warnings)
    for row in contrast.rows:
        assert row["best"]["costs"][row["kind"]] <= row["limit"] * (1 + 1e-12)


def test_free_tokens_shrink_with_the_batch(reasoning: Any) -> None:
    free = [
        contrast_budgets(
            reasoning, 8e12, generate=8, models="qwen1.5-7b", hardware="h100", batch=b
        ).free_tokens["tokens"]
        for b in (1, 8, 64)
    ]
    assert free[0] > free[1] > free[2] >= 1


def test_what_a_contrast_lacks_is_named(reasoning: Any) -> None:
    bare = contrast_budgets(reasoning, 8e11)
    assert len(bare.rows) == 1
    message = dict(bare.warnings)["one_kind_of_budget"]
    assert all(need in message for need in ("a shape", "hardware", "usd_per_hour"))
    assert "one_kind_of_budget" not in dict(contrast_budgets(reasoning, 8e11, models="qwen1.5").warnings)


def test_a_contrast_starts_from_one_budget(reasoning: Any) -> None:
    with pytest.raises(InputError, match="one budget"):
        contrast_budgets(reasoning, {"flops": 1e12, "memory_gb": 20}, models="qwen1.5", hardware="h100")


def test_a_contrast_and_the_inverse_questions_need_a_budget(reasoning: Any) -> None:
    with pytest.raises(InputError, match="A contrast starts from one budget; there is none"):
        contrast_budgets(reasoning, None, models="qwen1.5")
    with pytest.raises(InputError, match="inverse questions start from a budget; there is none"):
        inverse_questions(reasoning, None, models="qwen1.5")


def test_from_a_switch_point_on_its_model_is_the_pick(reasoning: Any) -> None:
    points = switch_points(reasoning, text_tokens=50, **QWEN)
    assert [p["model"] for p in points[:5]] == [f"qwen1.5-{s}" for s in ("0.5b", "1.8b", "4b", "7b", "14b")]
    for point in points[1:]:
        at = find_optimum(reasoning, point["budget"], **QWEN).best
        assert (at["model"], at["visual_tokens"]) == (point["model"], point["visual_tokens"])
        assert find_optimum(reasoning, point["budget"] * 0.999, **QWEN).best["model"] == point["from_model"]
    with pytest.raises(NoAnswer):
        find_optimum(reasoning, points[0]["budget"] * 0.999, **QWEN)


def test_switch_points_hold_the_other_limits(reasoning: Any) -> None:
    options = {"models": "qwen1.5", "hardware": "h100"}
    limits = {"flops": 1e12, "latency_ms": 30}
    points = inverse_questions(reasoning, limits, **options)["switch_points"]
    assert "qwen1.5-110b" not in {p["model"] for p in points}
    for point in points:
        at = find_optimum(reasoning, {**limits, "flops": point["budget"]}, **options).best
        assert (at["model"], at["visual_tokens"]) == (point["model"], point["visual_tokens"])


def test_a_contrast_is_of_the_plan_that_was_asked(reasoning: Any) -> None:
    options = {"hardware": "h100", "generate": 8}
    plan = find_optimum(reasoning, 8e11, **options).best
    first = contrast_budgets(reasoning, 8e11, **options).rows[0]["best"]
    assert {key: plan[key] for key in first} == first


def test_a_contrast_and_the_inverse_questions_keep_the_tolerance(reasoning: Any) -> None:
    options = {"models": "qwen1.5", "within": 0.01}
    plan = find_optimum(reasoning, 2e12, **options).best
    assert plan["error"] > find_optimum(reasoning, 2e12, models="qwen1.5").best["error"]
    first = contrast_budgets(reasoning, 2e12, hardware="h100", **options).rows[0]["best"]
    assert (first["model"], first["visual_tokens"]) == (plan["model"], plan["visual_tokens"])
    answers = inverse_questions(reasoning, 2e12, **options)
    at_50 = next(row for row in answers["tokens_against_text"] if row["text_tokens"] == 50)
    assert (at_50["model"], at_50["visual_tokens"]) == (plan["model"], plan["visual_tokens"])
    twice = next(row for row in answers["relaxation"] if row["factor"] == 2)
    assert twice["error"] == find_optimum(reasoning, 4e12, **options).best["error"]
    for point in answers["switch_points"]:
        at = find_optimum(reasoning, point["budget"], **options).best
        assert (at["model"], at["visual_tokens"]) == (point["model"], point["visual_tokens"])
        if point["from_model"]:
            before = find_optimum(reasoning, point["budget"] * (1 - 1e-9), **options).best
            assert before["model"] == point["from_model"]


def test_free_tokens_grow_with_what_is_tolerated(reasoning: Any) -> None:
    options = {"generate": 8, "models": "qwen1.5-7b", "hardware": "h100", "batch": 8}
    few, many = (
        contrast_budgets(reasoning, 8e12, tolerance=t, **options).free_tokens["tokens"] for t in (0.01, 0.2)
    )
    assert few < many
    with pytest.raises(InputError, match="tolerance must be"):
        contrast_budgets(reasoning, 8e12, tolerance=-1, **options)


def test_tokens_follow_the_text(reasoning: Any) -> None:
    rows = tokens_against_text(reasoning, 8e11, (0, 50, 100, 1e6), **QWEN)
    exact = [1, 0.0151 * 50 / 0.05584, 0.0151 * 100 / 0.05584]
    assert [r["continuous"]["visual_tokens"] for r in rows[:3]] == pytest.approx(exact, rel=1e-8)
    assert rows[1]["model"] == "qwen1.5-7b"
    assert rows[3]["model"] is None


def test_relaxing_a_limit_never_hurts_and_the_slack_one_buys_nothing(reasoning: Any) -> None:
    rows = relaxation(
        reasoning, {"flops": 2e12, "memory_gb": 70}, (1.5, 2), models="qwen1.5", hardware="h100"
    )
    assert all(row["gained"] >= 0 for row in rows)
    assert all(row["gained"] == 0 for row in rows if row["kind"] == "memory_gb")
    assert any(row["gained"] > 0 for row in rows if row["kind"] == "flops")


def test_tasks_pull_in_opposite_directions(known_law: Any, reasoning: Any) -> None:
    ocr = known_law({"A": 0.917, "alpha": 0.0282, "beta": 0.0394, "D": 0.0})
    fits = {"ocr": ocr, "reasoning": reasoning}
    tokens = []
    for weight in (0.0, 0.3, 1.0):
        both = blend(fits, {"ocr": weight})
        assert both.weights == {"ocr": weight, "reasoning": 1 - weight}
        optimum = find_optimum(both, 8e11, **QWEN)
        errors = optimum.best["errors"]
        assert optimum.best["error"] == pytest.approx(
            weight * errors["ocr"] + (1 - weight) * errors["reasoning"]
        )
        tokens.append(optimum.best["visual_tokens"])
    assert tokens == sorted(tokens)
    assert (tokens[0], tokens[-1]) == (7, 576)


def test_draws_of_a_blend_are_independent(reasoning: Any) -> None:
    both = blend({"a": reasoning, "b": reasoning})
    draws = both.predict_draws(n_params=4e9, visual_tokens=np.array([16.0]))
    assert draws.shape == (200, 1)
    one = reasoning.predict_draws(4e9, np.array([16.0]))
    assert draws.std() == pytest.approx(one.std() / np.sqrt(2), rel=0.15)


def test_a_task_without_weight_decides_nothing(known_law: Any, reasoning: Any) -> None:
    far = {"n_params": (9e9, 99e9), "visual_tokens": (600, 900)}
    idle = known_law(reasoning.params, measured_range=far, status="not_identified",
                     points={"inputs": {"n_params": [99e9]}})  # fmt: skip
    both = blend({"a": reasoning, "idle": idle}, {"idle": 0})
    alone, beside = (find_optimum(law, 8e11) for law in (reasoning, both))
    assert beside.best["p_best"] == alone.best["p_best"]
    assert beside.best["error"] == alone.best["error"]
    assert set(beside.best["errors"]) == {"a", "idle"}
    assert both.status == "identified"
    assert not {"no_draws", "fit_not_identified", "extrapolates"} & set(dict(beside.warnings))


def test_fits_without_a_range_in_common_get_a_sentence(known_law: Any, reasoning: Any) -> None:
    far = known_law(reasoning.params, measured_range={"n_params": (0.5e9, 7e9), "visual_tokens": (600, 900)})
    with pytest.raises(InputError, match="one ends at 576, another begins at 600") as refusal:
        blend({"near": reasoning, "far": far})
    assert refusal.value.code == "no_common_range"


@pytest.mark.parametrize(
    "weights",
    [{"x": 0.5}, {"a": 1.5}, {"a": -0.1}, {"a": "much"}, {"a": 0.2, "b": 0.2}, {"a": 0.8, "b": 0.8}],
)
def test_weights_that_do_not_add_up_get_a_sentence(reasoning: Any, weights: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        blend({"a": reasoning, "b": reasoning}, weights)
    with pytest.raises(InputError):
        blend({})
