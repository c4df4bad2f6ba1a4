"""Plans under several budgets, kinds, setups and rules."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from scalelaw.errors import InputError, NoAnswer
from scalelaw.plan import find_cost, find_models, find_optimum, list_models, switch_points
from scalelaw.plan.catalogue import Model
from scalelaw.plan.workload import make_query

CARD = {"models": "qwen1.5", "hardware": "h100", "generate": 8}


def test_known_shapes_are_counted_layer_by_layer(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, 8e11, models="qwen1.5")
    assert optimum.cost == "layer_flops"
    assert optimum.searched["tower"] == "clip-vit-l-14-336"
    assert (optimum.best["model"], optimum.best["visual_tokens"]) == ("qwen1.5-4b", 15)


def test_a_mixed_catalogue_is_counted_by_size_alone(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, 8e11, models=["qwen1.5", {"name": "mine", "n_params": 3e9}])
    assert optimum.cost == "linear_flops"
    assert "mine" in dict(optimum.warnings)["mixed_shapes"]


def test_under_latency_all_tokens_are_kept_where_flops_keep_few(reasoning: Any) -> None:
    few = find_optimum(reasoning, 9e11, generate=8, models="qwen1.5", cost="linear_flops")
    all_kept = find_optimum(reasoning, {"latency_ms": 80}, **CARD)
    assert few.best["visual_tokens"] < 20
    assert all_kept.best["visual_tokens"] == 576


def test_every_budget_holds_and_lifting_the_binding_one_helps(reasoning: Any) -> None:
    limits = {"latency_ms": 60, "flops": 5e12, "memory_gb": 40}
    optimum = find_optimum(reasoning, limits, **CARD)
    assert all(optimum.best["costs"][kind] <= limit for kind, limit in limits.items())
    binding = optimum.best["binding"]
    without = {kind: limit for kind, limit in limits.items() if kind != binding}
    assert find_optimum(reasoning, without, **CARD).best["error"] < optimum.best["error"]


def test_the_memory_of_the_card_is_a_limit_too(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, {"latency_ms": 1e6}, **CARD)
    assert optimum.best["costs"]["memory_gb"] <= 80
    assert optimum.best["binding"] == "memory_gb"
    assert optimum.searched["limits"]["memory_gb"] == 80
    two = find_optimum(reasoning, {"latency_ms": 1e6}, devices=2, **CARD)
    assert two.best["n_params"] > optimum.best["n_params"]


def test_a_stated_memory_never_exceeds_the_cards(reasoning: Any) -> None:
    more = find_optimum(reasoning, {"latency_ms": 1e6, "memory_gb": 300}, models="qwen1.5", hardware="h100")
    assert more.best["costs"]["memory_gb"] <= 80
    assert more.searched["limits"]["memory_gb"] == 80
    assert "80 GB is the limit" in dict(more.warnings)["memory_of_the_device"]
    less = find_optimum(reasoning, {"latency_ms": 1e6, "memory_gb": 20}, models="qwen1.5", hardware="h100")
    assert less.searched["limits"]["memory_gb"] == 20
    assert "memory_of_the_device" not in dict(less.warnings)


def test_hardware_has_its_say_at_the_measured_sizes_under_flops(known_law: Any, reasoning: Any) -> None:
    optimum = find_optimum(reasoning, 8e11, hardware="h100")
    assert optimum.best["costs"]["latency_ms"] > 0
    assert optimum.searched["limits"]["memory_gb"] == 80
    assert "qwen1.5" in optimum.searched["models_from"]
    assert "hardware_not_used" not in dict(optimum.warnings)
    points = {"inputs": {"n_params": [1.23e9, 4.56e9], "visual_tokens": [1, 576]}}
    odd = find_optimum(known_law(reasoning.params, points=points), 8e11, hardware="h100")
    assert "latency_ms" not in odd.best["costs"]
    assert "4.56B" in dict(odd.warnings)["hardware_not_used"]


def test_a_limit_that_nobody_gave_does_not_choose_the_way_to_serve(reasoning: Any) -> None:
    options = {
        "models": "qwen1.5-7b",
        "hardware": "h100",
        "batch": "1,8,32,64",
        "generate": 8,
        "usd_per_hour": 3,
    }
    tight, loose = (find_optimum(reasoning, {"usd_per_million": usd}, **options).best for usd in (30, 60))
    assert tight["batch"] == loose["batch"] == 64
    served = {"hardware": "h100", "batch": 64, "generate": 8, "usd_per_hour": 3}
    bill = find_cost("qwen1.5-7b", loose["visual_tokens"], **served)
    assert loose["costs"]["usd_per_million"] == pytest.approx(bill.costs["usd_per_million"], rel=1e-9)
    points = switch_points(reasoning, "usd_per_million", **options)
    assert points[0]["budget"] == pytest.approx(find_cost_at_one_token(), rel=1e-12)


def find_cost_at_one_token() -> float:
    """The cheapest of every batch at one visual token, by asking for the bill of each."""
    bills = [
        find_cost("qwen1.5-7b", 1, hardware="h100", batch=b, generate=8, usd_per_hour=3)
        for b in (1, 8, 32, 64)
    ]
    return min(b.costs["usd_per_million"] for b in bills if b.costs["memory_gb"] <= 80)


def test_the_front_is_the_least_error_at_each_cost(reasoning: Any) -> None:
    options = {
        "hardware": "h100",
        "batch": "1,8,64",
        "generate": 8,
        "usd_per_hour": 3,
        "visual_tokens": "1,16,64",
    }
    models = "qwen1.5-0.5b,qwen1.5-7b,qwen1.5-14b"
    front = find_optimum(reasoning, {"usd_per_million": 60}, models=models, **options).pareto
    every = []
    for name in models.split(","):
        for tokens in (1, 16, 64):
            for batch in (1, 8, 64):
                bill = find_cost(name, tokens, hardware="h100", batch=batch, generate=8, usd_per_hour=3)
                if bill.costs["memory_gb"] <= 80:
                    error = float(reasoning.predict(bill.n_params, tokens))
                    every.append((bill.costs["usd_per_million"], error))
    best = [(c, e) for c, e in every if not any((a, b) < (c, e) and b <= e for a, b in every)]
    pairs = [(row["costs"]["usd_per_million"], row["error"]) for row in front]
    assert len(pairs) == len(best)
    for row, brute in zip(pairs, sorted(best), strict=True):
        assert row == pytest.approx(brute, rel=1e-12)


def test_contradictory_budgets_are_named_with_the_excess(reasoning: Any) -> None:
    small = {"models": "qwen1.5-7b", "hardware": "h100", "usd_per_hour": 3, "generate": 8, "batch": "1,64"}
    limits = {"latency_ms": 80, "usd_per_million": 20}
    for kind, limit in limits.items():
        assert find_optimum(reasoning, {kind: limit}, **small).best["costs"][kind] <= limit
    with pytest.raises(
        NoAnswer, match=r"latency_ms and usd_per_million contradict: .* by at least [\d.]+%"
    ) as refusal:
        find_optimum(reasoning, limits, **small)
    assert refusal.value.code == "nothing_fits"


def test_the_cheapest_way_to_serve_that_fits_is_chosen(reasoning: Any) -> None:
    optimum = find_optimum(
        reasoning, {"usd_per_million": 30}, dtype="bf16,int4", batch="1,8,32", usd_per_hour=3, **CARD
    )
    assert optimum.best["batch"] > 1
    assert optimum.batch == optimum.best["batch"]
    assert optimum.searched["configurations"] == 8 * 576 * 6
    one = find_optimum(reasoning, {"usd_per_million": 30}, usd_per_hour=3, **CARD)
    assert optimum.best["error"] < one.best["error"]
    narrow = find_optimum(reasoning, {"memory_gb": 6}, dtype="bf16,int4", **CARD)
    assert narrow.best["dtype"] == "int4"
    assert "narrow_weights" in dict(narrow.warnings)


def test_the_cheapest_within_a_tolerance(reasoning: Any) -> None:
    least = find_optimum(reasoning, 1.6e12, models="qwen1.5", cost="linear_flops")
    cheap = find_optimum(reasoning, 1.6e12, models="qwen1.5", cost="linear_flops", within=0.02)
    assert cheap.best["error"] <= least.best["error"] + 0.02
    assert cheap.best["costs"]["flops"] < least.best["costs"]["flops"]
    n, v = np.meshgrid([0.5e9, 1.8e9, 4e9, 7e9, 14e9], np.arange(1, 577))
    good = reasoning.predict(n, v) <= least.best["error"] + 0.02
    assert cheap.best["costs"]["flops"] == (2 * n * (50 + v))[good].min()
    zero = find_optimum(reasoning, 1.6e12, models="qwen1.5", cost="linear_flops", within=0.0)
    assert zero.best == least.best


def test_the_cheapest_that_reaches_a_target(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, target_error=0.5, models="qwen1.5", cost="linear_flops")
    assert optimum.best["error"] <= 0.5
    n, v = np.meshgrid([0.5e9, 1.8e9, 4e9, 7e9, 14e9, 32e9], np.arange(1, 577))
    reached = reasoning.predict(n, v) <= 0.5
    assert optimum.best["costs"]["flops"] == (2 * n * (50 + v))[reached].min()
    assert optimum.best["regret"] is None
    assert 0 < optimum.best["p_best"] < 1
    with pytest.raises(NoAnswer, match="reaches an error of 0.1") as refusal:
        find_optimum(reasoning, target_error=0.1, models="qwen1.5")
    assert refusal.value.best["n_params"] == 110e9


def test_near_ties_and_the_cheapest_of_them(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, 1.6e12, models="qwen1.5", cost="linear_flops", tie=0.01)
    assert all(abs(c["error"] - optimum.best["error"]) <= 0.01 for c in optimum.near_ties)
    spent = [c["costs"]["flops"] for c in optimum.near_ties]
    assert spent == sorted(spent)
    assert optimum.best["model"] in {c["model"] for c in optimum.near_ties}


@pytest.mark.parametrize("rule", [{"within": 0.01}, {"target_error": 0.52}])
def test_near_ties_are_good_enough_themselves(reasoning: Any, rule: dict[str, float]) -> None:
    optimum = find_optimum(reasoning, 8e11, models="qwen1.5", cost="linear_flops", tie=0.05, **rule)
    least = find_optimum(reasoning, 8e11, models="qwen1.5", cost="linear_flops").best["error"]
    allowed = rule.get("target_error", least + rule.get("within", 0))
    assert all(choice["error"] <= allowed for choice in optimum.near_ties)
    assert optimum.near_ties[0]["visual_tokens"] == optimum.best["visual_tokens"]


def test_regret_is_the_mean_excess_over_the_draws(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, 8e11, models="qwen1.5", cost="linear_flops")
    second = optimum.runners_up[0]
    at = [reasoning.predict_draws(c["n_params"], c["visual_tokens"]) for c in (optimum.best, second)]
    assert optimum.best["regret"] < second["regret"]
    assert second["regret"] >= (at[1] - at[0]).mean() - 1e-12


def test_ranges_of_the_efficiencies_lower_the_certainty(reasoning: Any) -> None:
    sure = find_optimum(reasoning, {"latency_ms": 45}, **CARD)
    unsure = find_optimum(reasoning, {"latency_ms": 45}, mfu=(0.2, 0.7), mbu=(0.5, 0.95), **CARD)
    assert sure.best["p_model"] == 1
    assert unsure.best["p_model"] < 1
    again = find_optimum(reasoning, {"latency_ms": 45}, mfu=(0.2, 0.7), mbu=(0.5, 0.95), **CARD)
    assert unsure.to_json() == again.to_json()


def test_the_continuous_optimum_between_known_shapes(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, 2e12, models="qwen1.5")
    assert optimum.continuous is not None
    assert 4e9 < optimum.continuous["n_params"] < 32e9
    assert optimum.continuous["error"] <= optimum.best["error"] + 1e-3


def test_a_default_tower_that_is_too_small_is_left_out_and_said_to_be(known_law: Any, reasoning: Any) -> None:
    law = known_law(reasoning.params, measured_range={"n_params": (0.5e9, 7e9), "visual_tokens": (1, 2880)})
    optimum = find_optimum(law, 8e12, models="qwen1.5")
    assert "tower_left_out" in dict(optimum.warnings)
    tiled = find_optimum(law, 8e12, models="qwen1.5", tiles=5)
    assert "tower_left_out" not in dict(tiled.warnings)
    config = find_optimum(law, 8e12, models="qwen1.5", tower="clip-vit-l-14-336")
    assert config.searched["visual_tokens"] == [1, 576]
    with pytest.raises(InputError, match="2880 visual tokens are more than the 576 patches"):
        find_optimum(law, 8e12, models="qwen1.5", tower="clip-vit-l-14-336", visual_tokens="1:2880")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"budget": {"latency_ms": 80}, "models": [1e9]}, "cost_needs_more"),
        ({"budget": {"latency_ms": 80}, "models": "qwen1.5"}, "cost_needs_more"),
        ({"budget": {"usd_per_million": 80}, "models": "qwen1.5", "hardware": "h100"}, "cost_needs_more"),
        ({"budget": {"energy_j": 80}, "models": "qwen1.5", "hardware": "tpu-v5e"}, "cost_needs_more"),
        ({"budget": {"ms_per_token": 9}, "models": "qwen1.5", "hardware": "h100"}, "cost_needs_more"),
        (
            {"within": 0.1, "minimise": "ms_per_token", "models": "qwen1.5", "hardware": "h100"},
            "bad_objective",
        ),
        ({"budget": None}, "bad_budget"),
        ({"within": 0.1, "target_error": 0.1}, "bad_objective"),
        ({"within": -1}, "bad_objective"),
        ({"target_error": "low"}, "wrong_type"),
        ({"within": 0.1, "minimise": "latency_ms"}, "bad_objective"),
    ],
)
def test_what_is_missing_or_contradictory_gets_a_sentence(
    reasoning: Any, arguments: dict[str, Any], code: str
) -> None:
    with pytest.raises(InputError) as refusal:
        find_optimum(reasoning, **{"budget": 8e11, **arguments})
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("images", -1, "bad_workload"),
        ("tiles", 0, "bad_workload"),
        ("cached_prefix", 1.5, "bad_workload"),
        ("questions_per_image", 0, "bad_workload"),
        ("dtype", "bf8", "unknown_dtype"),
        ("dtype", "", "bad_workload"),
        ("cache_dtype", "x", "unknown_dtype"),
        ("tower", "clip", "unknown_tower"),
        ("compressor", "magic", "unknown_compressor"),
        ("batch", "1,x", "bad_workload"),
        ("mfu", 2, "bad_workload"),
        ("mbu", (0.9, 0.1), "bad_workload"),
        ("usd_per_hour", -1, "bad_workload"),
        ("devices", 0, "bad_workload"),
    ],
)
def test_options_out_of_range_get_a_sentence(option: str, value: Any, code: str) -> None:
    with pytest.raises(InputError) as refusal:
        make_query(**{"hardware": "h100", option: value})
    assert refusal.value.code == code


def test_a_mixture_of_experts_gets_a_warning(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, 2e12, models="qwen3-moe")
    assert "mixture" in dict(optimum.warnings)


def test_a_compressor_allows_only_its_own_counts(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, 2e12, models="qwen1.5", compressor="quecc")
    assert optimum.best["visual_tokens"] in (1, 4, 9, 16, 36, 64, 144, 576)
    assert "quecc" in optimum.searched["visual_tokens_from"]
    plain = find_optimum(reasoning, 2e12, models="qwen1.5", visual_tokens="16")
    options = find_optimum(reasoning, 2e12, models="qwen1.5", visual_tokens="16", compressor="quecc")
    assert (
        options.best["costs"]["flops"] > plain.best["costs"]["flops"]
        or options.best["model"] != plain.best["model"]
    )
    some = find_optimum(reasoning, 2e12, models="qwen1.5", visual_tokens="1:100", compressor="quecc")
    assert some.best["visual_tokens"] in (1, 4, 9, 16, 36, 64)
    assert "tokens_not_allowed" in dict(some.warnings)
    with pytest.raises(InputError, match="quecc can give none") as refusal:
        find_optimum(reasoning, 2e12, models="qwen1.5", visual_tokens="15", compressor="quecc")
    assert refusal.value.hint == "It gives: 1, 4, 9, 16, 36, 64, 144, 576."


def test_a_compressor_of_ones_own_is_asked_for_its_cost(reasoning: Any, tmp_path: Any) -> None:
    (tmp_path / "half.py").write_text(
        "def allowed_tokens(grid):\n    return [grid[0] * grid[1], grid[0] * grid[1] // 2]\n\n"
        "class Compressor:\n    reads_question = False\n\n"
        "    def __init__(self, grid, width, multi, visual_tokens, text_width):\n        self.n = visual_tokens\n\n"
        "    def flops(self):\n        return 1e9 * self.n\n"
    )
    optimum = find_optimum(reasoning, 1e13, models="qwen1.5-0.5b", compressor=str(tmp_path / "half.py"))
    assert optimum.best["visual_tokens"] == 576
    bare = find_optimum(reasoning, 1e13, models="qwen1.5-0.5b", visual_tokens=576)
    assert optimum.best["costs"]["flops"] - bare.best["costs"]["flops"] == pytest.approx(576e9)


def test_a_kind_of_cost_of_ones_own_can_be_budgeted(reasoning: Any, tmp_path: Any) -> None:
    (tmp_path / "carbon.py").write_text(
        '"""Counts grams; leaves out all else."""\nkinds = {"flops": "FLOPs", "carbon_g": "grams"}\nneeds = ()\n\n'
        "def parts(n_params, shape, visual_tokens, workload):\n"
        "    return {'all': 2 * n_params * (workload.text_tokens + visual_tokens)}\n\n"
        "def totals(parts, workload):\n    return {'flops': parts['all'], 'carbon_g': parts['all'] / 1e12}\n"
    )
    optimum = find_optimum(reasoning, {"carbon_g": 0.8}, cost=str(tmp_path / "carbon.py"))
    assert (optimum.best["n_params"], optimum.best["visual_tokens"]) == (7e9, 7)
    assert optimum.best["costs"]["carbon_g"] == pytest.approx(0.798)


def test_what_has_no_effect_is_said(reasoning: Any) -> None:
    options = {"cost": "linear_flops", "tower": "clip-vit-b-16", "tiles": 2, "batch": "1,8"}
    messages = [
        message for code, message in find_optimum(reasoning, 8e11, **options).warnings if code == "no_effect"
    ]
    assert messages == [
        "tower, tiles: no effect on flops, as linear_flops counts it.",
        "batch and dtype: no effect on flops; each configuration is served in the first way that fits.",
    ]
    counted = find_optimum(reasoning, 8e11, images=2, generate=3, models="qwen1.5", tower="clip-vit-b-16")
    assert "no_effect" not in dict(counted.warnings)
    assert counted.searched["visual_tokens"] == [1, 196]
    latency = find_optimum(reasoning, {"ms_per_token": 20}, images=2, **CARD, tower="clip-vit-b-16")
    assert "tower: no effect on ms_per_token" in dict(latency.warnings)["no_effect"]


def test_a_price_without_hardware_has_no_effect(reasoning: Any) -> None:
    assert "usd_per_hour" in dict(find_optimum(reasoning, 8e11, usd_per_hour=3).warnings)["no_effect"]


def test_a_cost_that_counts_no_flops_is_no_accounting(reasoning: Any) -> None:
    with pytest.raises(InputError, match="FLOP accounting") as refusal:
        find_optimum(reasoning, 8e11, cost="latency")
    assert "layer_flops" in str(refusal.value.hint) + str(refusal.value)


def test_a_law_of_sizes_in_billions_is_refused(known_law: Any, reasoning: Any) -> None:
    ranges = {"n_params": (0.5, 7.0), "visual_tokens": (1, 576)}
    law = known_law(reasoning.params, measured_range=ranges)
    with pytest.raises(InputError) as refusal:
        find_optimum(law, 8e11)
    assert refusal.value.code == "unit_mismatch"


def test_the_checklist_names_the_tower_only_where_it_is_counted(reasoning: Any) -> None:
    assert find_optimum(reasoning, 8e11).searched["tower"] == "none"
    assert find_optimum(reasoning, 8e11, models="qwen1.5").searched["tower"] == "clip-vit-l-14-336"
    assert find_optimum(reasoning, 8e11, models="qwen1.5", tower="none").searched["tower"] == "none"


def test_shapes_that_are_assumed_are_named(reasoning: Any) -> None:
    assumed = dict(find_optimum(reasoning, {"latency_ms": 80}, hardware="h100").warnings)
    assert "taken to be those of qwen1.5" in assumed["shapes_assumed"]
    optimum = find_optimum(reasoning, {"latency_ms": 80}, models="qwen1.5", hardware="h100")
    assert "shapes_assumed" not in dict(optimum.warnings)


def test_the_count_that_a_mixture_is_known_by_is_marked(reasoning: Any, tmp_path: Any) -> None:
    optimum = find_optimum(reasoning, 2e12, models="qwen3,qwen3-moe")
    marked = {c["model"]: c["counted_as"] for c in [optimum.best, *optimum.runners_up] if "counted_as" in c}
    message = "the geometric mean of all and of active parameters (3.05e+10 in all, 3.35e+09 active)"
    assert marked["qwen3-30b-a3b"] == message
    assert message in list_models()["qwen3-30b-a3b"]
    assert message in dict(find_cost("qwen3-30b-a3b").warnings)["mixture"]
    shape = find_models("qwen3-30b-a3b")[0].shape
    for size, named in ((shape.n_params, "all parameters"), (shape.active_params, "the active parameters"),
                        (6e9, "a number of its own")):  # fmt: skip
        assert Model("mine", size, shape).counted_as.startswith(named)
    assert not find_models("qwen3-8b")[0].counted_as


def test_a_tower_may_be_a_config_of_ones_own(tmp_path: Any) -> None:
    fields = {"model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "image_size": 336,
              "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps({"vision_config": fields}))
    assert (
        find_cost("llava-1.5-7b", tower=str(tmp_path / "config.json")).flops
        == find_cost("llava-1.5-7b").flops
    )
