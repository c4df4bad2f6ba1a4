"""What would change the answer: checked against the planner's own answers to other budgets and targets."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

import scalelaw as sl
from scalelaw.plan import contrast_budgets
from scalelaw.report.collect import gather
from scalelaw.report.study import Study
from scalelaw.report.text import format as fmt
from scalelaw.report.text.what_would_change import would_change

QUERY: dict[str, Any] = {"text_tokens": 50, "cost": "linear_flops"}


def text_of(*items: Any) -> str:
    return would_change(gather(list(items)).studies[0])


def pick(fitted: Any, flops: float) -> str:
    return fmt.configuration(sl.find_optimum(fitted, {"flops": flops}, **QUERY).best)


@pytest.mark.parametrize("budget", [1.5e11, 2e11, 4e11, 8e11])
def test_below_and_above_stands_what_the_planner_picks_there(fitted: Any, budget: float) -> None:
    text = text_of(fitted, sl.find_optimum(fitted, {"flops": budget}, **QUERY))
    own = sl.find_optimum(fitted, {"flops": budget}, **QUERY).best["model"]
    ends = {
        way: float(number) * {"GFLOPs": 1e9, "TFLOPs": 1e12}[unit]
        for way, number, unit in re.findall(r"a budget (below|from) ([\d.]+) (\wFLOPs)", text)
    }
    assert ends
    if "below" in ends:
        assert f"then {pick(fitted, ends['below'] * 0.995)}" in text
        assert own in pick(fitted, ends["below"] * 1.005)
    if "from" in ends:
        assert f"then {pick(fitted, ends['from'] * 1.005)}" in text
        assert own in pick(fitted, ends["from"] * 0.995)


def test_where_more_buys_tokens_only_it_is_no_change(fitted: Any, optimum: Any) -> None:
    text = text_of(fitted, optimum)
    assert text == (
        "What would change it: a budget below 756 GFLOPs per query (5.5% less): then Qwen-1.5 4B with 44 "
        "visual tokens. "
        "What would not: a larger budget, which gives more visual tokens for the same LLM; "
        "the noise of the measurements."
    )
    assert pick(fitted, 5e13).startswith("Qwen-1.5 7B")


def test_uncertain_picks_say_that_new_measurements_might_change_them(fitted: Any, optimum: Any) -> None:
    uncertain = dataclasses.replace(optimum, best={**optimum.best, "p_model": 0.7})
    assert "new measurements: another LLM is best in 30% of the refits" in text_of(fitted, uncertain)
    outside = dataclasses.replace(optimum, extrapolates=True)
    assert "which lies outside the measured range" in text_of(fitted, outside)


def test_a_target_names_the_nearest_targets_with_another_pick(fitted: Any) -> None:
    optimum = sl.find_optimum(fitted, None, target_error=0.52, **QUERY)
    text = text_of(fitted, optimum)
    below, looser = (
        re.search(r"a target below (0\.\d+)", text),
        re.search(r"a target of (0\.\d+) or more", text),
    )
    assert below
    assert looser
    for target, other in (
        (float(below[1]) - 2e-4, True),
        (float(below[1]) + 2e-4, False),
        (float(looser[1]) + 2e-4, True),
    ):
        best = sl.find_optimum(fitted, None, target_error=target, **QUERY).best["model"]
        assert (best != optimum.best["model"]) is other


def test_another_kind_of_budget_that_picks_otherwise_is_named(fitted: Any) -> None:
    query: dict[str, Any] = {"models": "qwen1.5", "hardware": "h100-sxm", "generate": 128, "batch": 8}
    contrast = contrast_budgets(fitted, 4e12, **query)
    own, *others = (row["best"]["model"] for row in contrast.rows)
    assert {own, *others} == {"qwen1.5-7b", "qwen1.5-14b"}
    text = text_of(fitted, sl.find_optimum(fitted, 4e12, **query), contrast)
    assert re.search(
        r"instead of this budget one of [\d.]+ ms .*: then qwen1.5-14b with 20 visual tokens", text
    )


def test_a_law_alone_names_where_it_was_not_measured(fitted: Any) -> None:
    assert would_change(Study(fitted)) == (
        "What would change it: measurements beyond LLM size 7B or visual tokens 576, the largest measured values."
    )
