"""The search: the published table of picks, what binds, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scalelaw as sl
from scalelaw.errors import InputError, NoAnswer
from scalelaw.fit.bootstrap import RAISED
from scalelaw.plan import find_optimum, load_optimum
from scalelaw.plan.p_best import spread
from scalelaw.plan.workload import RANGES

SIZES = [0.5e9, 1.8e9, 4e9, 7e9, 14e9]
GF = 1e9


@pytest.mark.parametrize(
    ("text_tokens", "gflops", "n_params", "visual_tokens"),
    [
        (0, 5, 1.8e9, 1),
        (0, 20, 7e9, 1),
        (0, 50, 14e9, 1),
        (50, 100, 0.5e9, 50),
        (50, 200, 1.8e9, 5),
        (50, 400, 1.8e9, 61),
        (50, 800, 7e9, 7),
        (50, 1600, 14e9, 7),
        (50, 3200, 14e9, 64),
    ],
)
@pytest.mark.parametrize("models", [SIZES, "qwen1.5"])
def test_the_published_table_of_picks(
    reasoning: Any, text_tokens: float, gflops: float, n_params: float, visual_tokens: int, models: Any
) -> None:
    optimum = find_optimum(
        reasoning, gflops * GF, text_tokens, models=models, visual_tokens="1:576", cost="linear_flops"
    )
    assert (optimum.best["n_params"], optimum.best["visual_tokens"]) == (n_params, visual_tokens)
    assert optimum.best["costs"]["flops"] == 2 * n_params * (text_tokens + visual_tokens)
    assert optimum.best["binding"] == "flops"
    assert optimum.extrapolates == (n_params > 7e9)


def test_by_default_the_measured_sizes_and_range_are_searched(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, {"flops": 8e11})
    assert optimum.searched["models"] == ["0.5B", "1.8B", "4B", "7B"]
    assert optimum.searched["visual_tokens"] == [1, 576]
    assert optimum.searched["configurations"] == 4 * 576
    assert (optimum.best["model"], optimum.best["visual_tokens"], optimum.cost) == ("7B", 7, "linear_flops")
    assert [choice["model"] for choice in optimum.runners_up] == ["4B", "1.8B", "0.5B"]


def test_no_configuration_of_the_grid_betters_the_pick(reasoning: Any) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        counts = np.unique(rng.integers(1, 600, 12))
        flops, text = float(np.exp(rng.uniform(24, 30))), float(rng.integers(0, 200))
        every = [(reasoning.predict(n, v), 2 * n * (text + v)) for n in SIZES for v in counts]
        feasible = [error for error, cost in every if cost <= flops]
        if not feasible:
            with pytest.raises(NoAnswer):
                find_optimum(reasoning, flops, text, models=SIZES, visual_tokens=counts)
            continue
        optimum = find_optimum(reasoning, flops, text, models=SIZES, visual_tokens=counts)
        assert optimum.best["error"] == pytest.approx(min(feasible), rel=1e-14)
        assert optimum.best["costs"]["flops"] <= flops


def test_the_share_of_draws_counts_each_draw_once(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, 8e11, models=SIZES)
    best = 0
    for alpha, beta in zip(reasoning.draws["alpha"], reasoning.draws["beta"], strict=True):
        errors = {
            (n, v): (n / 1e9) ** -alpha * v**-beta
            for n in SIZES
            for v in range(1, 577)
            if 2 * n * (50 + v) <= 8e11
        }
        best += min(errors, key=lambda key: errors[key]) == (7e9, 7)
    assert optimum.best["p_best"] == best / 200
    assert optimum.best["p_best"] + sum(c["p_best"] for c in optimum.runners_up) == pytest.approx(1)
    low, high = optimum.best["error_interval"]
    assert low < optimum.best["error"] < high


def test_equal_errors_go_to_the_cheaper_also_in_every_draw(known_law: Any) -> None:
    flat = {"A": 0.5, "alpha": 0.1, "beta": 0.0, "D": 0.0}
    law = known_law(flat, {name: np.full(5, value) for name, value in flat.items()})
    best = find_optimum(law, 1e13, models=SIZES).best
    assert (best["n_params"], best["visual_tokens"], best["p_best"], best["binding"]) == (14e9, 1, 1.0, None)


@pytest.mark.parametrize("rule", [{"within": 0.02}, {"target_error": 0.53}, {}])
@pytest.mark.parametrize("models", ["qwen1.5-7b", "qwen1.5"])
def test_identical_draws_are_sure_of_the_pick(
    known_law: Any, reasoning: Any, rule: dict[str, float], models: str
) -> None:
    law = known_law(reasoning.params, {name: np.full(50, value) for name, value in reasoning.params.items()})
    options = {"models": models, "hardware": "h100", "tower": "none", "text_tokens": 20}
    best = find_optimum(law, {"latency_ms": 50}, **options, **rule).best
    assert (best["p_best"], best["p_model"]) == (1.0, 1.0)


def test_without_draws_the_certainty_is_unknown_and_said_to_be(known_law: Any, reasoning: Any) -> None:
    optimum = find_optimum(known_law(reasoning.params), 8e11)
    assert optimum.best["p_best"] is None
    assert optimum.best["error_interval"] is None
    assert "no_draws" in dict(optimum.warnings)


def test_the_pareto_set_is_the_least_error_at_each_cost(reasoning: Any) -> None:
    pareto = find_optimum(reasoning, 8e11, models=SIZES).pareto
    costs = [point["costs"]["flops"] for point in pareto]
    errors = [point["error"] for point in pareto]
    assert costs == sorted(costs)
    assert errors == sorted(errors, reverse=True)
    assert len(set(errors)) == len(errors)
    assert (pareto[0]["n_params"], pareto[0]["visual_tokens"]) == (0.5e9, 1)
    assert (pareto[-1]["n_params"], pareto[-1]["visual_tokens"]) == (14e9, 576)


def test_nothing_fits_names_the_cheapest(reasoning: Any) -> None:
    with pytest.raises(NoAnswer, match=r"0\.5B with 1 visual token\(s\): flops 5\.1e\+10") as refusal:
        find_optimum(reasoning, 1e9)
    assert refusal.value.code == "nothing_fits"
    assert refusal.value.best["costs"]["flops"] == 2 * 0.5e9 * 51


def test_warnings_at_the_edges(reasoning: Any) -> None:
    beyond = dict(find_optimum(reasoning, 3.2e12, models=SIZES, visual_tokens="1:4").warnings)
    assert "a factor of 2 above the largest measured" in beyond["extrapolates"]
    assert {"largest_model", "most_visual_tokens"} <= set(beyond)
    inside = find_optimum(reasoning, 2e11, models=SIZES)
    assert not inside.warnings
    assert not inside.extrapolates


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"budget": 0}, "bad_budget"),
        ({"budget": 10**400}, "bad_value"),
        ({"text_tokens": 10**400}, "bad_value"),
        ({"text_tokens": 1e300}, "bad_workload"),
        ({"generate": 1e300}, "bad_workload"),
        ({"images": 1e300}, "bad_workload"),
        ({"tiles": 1e300}, "bad_workload"),
        ({"batch": 1e300}, "bad_workload"),
        ({"questions_per_image": 1e300}, "bad_workload"),
        ({"hardware": "h100", "devices": 1e300}, "wrong_type"),
        ({"usd_per_hour": 1e300}, "bad_workload"),
        ({"budget": 1e-300}, "bad_budget"),
        ({"models": {"a": 1e300}}, "bad_catalogue"),
        ({"models": "ladder:1e9:1e300"}, "bad_catalogue"),
        ({"visual_tokens": "1e300"}, "bad_tokens"),
        ({"models": {"a": 10**400}}, "bad_catalogue"),
        ({"budget": None, "target_error": 10**400}, "bad_value"),
        ({"budget": {}}, "bad_budget"),
        ({"budget": {"flop": 1e12}}, "unknown_budget"),
        ({"text_tokens": -1}, "bad_workload"),
        ({"text_tokens": "many"}, "wrong_type"),
        ({"generate": float("nan")}, "bad_workload"),
        ({"batch": 0}, "bad_workload"),
        ({"models": "qwen9"}, "unknown_model"),
        ({"models": []}, "empty_catalogue"),
        ({"models": {"a": -1}}, "bad_catalogue"),
        ({"visual_tokens": "0,4"}, "bad_tokens"),
        ({"visual_tokens": "9:4"}, "bad_tokens"),
        ({"visual_tokens": "2.5"}, "bad_tokens"),
        ({"hardware": "h1000"}, "unknown_hardware"),
        ({"cost": "cubic_flops"}, "unknown_cost"),
    ],
)
def test_bad_input_gets_a_sentence(reasoning: Any, arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(InputError) as refusal:
        find_optimum(reasoning, **{"budget": 8e11, **arguments})
    assert refusal.value.code == code
    assert refusal.value.message.endswith(".") or refusal.value.message.endswith("?")


def test_a_law_of_other_inputs_is_refused(known_law: Any, reasoning: Any) -> None:
    law = known_law(reasoning.params, law="chinchilla", inputs=("n_params", "train_tokens"))
    with pytest.raises(InputError, match="sees n_params, train_tokens; a plan needs"):
        find_optimum(law, 8e11)


def test_an_optimum_comes_back_from_its_file(reasoning: Any, tmp_path: Any) -> None:
    optimum = find_optimum(reasoning, 8e11, models=SIZES)
    (tmp_path / "optimum.json").write_text(optimum.to_json())
    assert load_optimum(tmp_path / "optimum.json") == optimum


def test_a_real_fit_gives_the_published_picks() -> None:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=200)
    optimum = sl.find_optimum(fitted, budget={"flops": 8e11}, models=SIZES)
    assert (optimum.best["n_params"], optimum.best["visual_tokens"]) == (7e9, 7)
    assert optimum.continuous is not None
    assert optimum.continuous["visual_tokens"] == pytest.approx(13.52, abs=0.01)
    assert optimum.best["p_best"] > 0.95


def test_a_law_that_depends_on_the_text_receives_its_tokens() -> None:
    fitted = sl.fit_law("vlm_reasoning", law="total_token_power", inputs={"text_tokens": 50.0}, bootstrap=50)
    here, there = (find_optimum(fitted, 8e11, text) for text in (50, 20))
    assert here.best["error"] == pytest.approx(
        float(fitted.predict(n_params=7e9, visual_tokens=here.best["visual_tokens"], text_tokens=50.0))
    )
    assert not here.extrapolates
    assert there.extrapolates
    assert "text_tokens (20)" in dict(there.warnings)["extrapolates"]


def test_wild_draws_are_drawn_in_for_a_decision() -> None:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=50)
    assert fitted.draws_method == "wild"
    assert spread(fitted) == pytest.approx((24 / 28) ** (RAISED - 0.5))
    assert spread(replace(fitted, draws_method="residual")) == 1
    assert spread(replace(fitted, bounds={**fitted.bounds, "D": (0.0, 0.0)})) == pytest.approx(
        (25 / 28) ** (RAISED - 0.5)
    )
    assert spread(replace(fitted, n_points=5)) == 1


@pytest.mark.filterwarnings("error")
def test_the_largest_numbers_allowed_overflow_nothing(reasoning: Any) -> None:
    most = {name: RANGES[name][1] for name in ("generate", "images", "tiles", "batch", "usd_per_hour")}
    options = {**most, "models": "qwen1.5", "hardware": "h100", "text_tokens": 1e9, "cost": "layer_flops"}
    for budget in ({"usd_per_million": 1e-12}, {"flops": 1e-12, "latency_ms": 1e-12}):
        with pytest.raises(NoAnswer, match="No configuration fits"):
            find_optimum(reasoning, budget, **options)


WRONG: list[tuple[str, Any]] = [
    ("budget", {"flops": "much"}), ("budget", None), ("text_tokens", "50"), ("batch", None), ("cost", 3),
    ("best", {}), ("best", None), ("best", []), ("best.costs", {}), ("best.costs", {"flops": "x"}),
    ("best.model", 7), ("best.error", "small"), ("best.p_best", "sure"), ("best.error_interval", [1]),
    ("best.n_params", None), ("best.binding", 3), ("runners_up", 5), ("runners_up", [{}]), ("pareto", None),
    ("pareto", [[1, 2]]), ("near_ties", "none"), ("continuous", []), ("continuous", {"n_params": 1}),
    ("extrapolates", "no"), ("warnings", "none"), ("warnings", [{"code": 1}]), ("searched", 3),
    ("text_tokens", -1), ("best.n_params", -1), ("best.visual_tokens", 1e300), ("searched.tower", []),
    ("searched.models", [["a"]]), ("searched.calibrated", "yes"), ("best.binding", "x"),
    ("searched.visual_tokens", [1]), ("searched.models", "all"), ("searched.limits", 3), ("law", 4),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value"), WRONG)
def test_an_optimum_with_wrong_insides_gets_a_sentence(
    reasoning: Any, tmp_path: Any, place: str, value: Any
) -> None:
    answer = json.loads(find_optimum(reasoning, 8e11, models=SIZES).to_json())
    *outer, name = place.split(".")
    inside = answer["data"]
    for key in outer:
        inside = inside[key]
    inside[name] = value
    (tmp_path / "optimum.json").write_text(json.dumps(answer))
    with pytest.raises(InputError) as refusal:
        load_optimum(tmp_path / "optimum.json")
    assert place.split(".")[0] in refusal.value.message
    assert refusal.value.code == "wrong_schema"


def test_an_optimum_whose_budget_has_no_cost_gets_a_sentence(reasoning: Any, tmp_path: Any) -> None:
    answer = json.loads(find_optimum(reasoning, 8e11, models=SIZES).to_json())
    answer["data"]["budget"] = {"carbon_g": 1.0}
    (tmp_path / "optimum.json").write_text(json.dumps(answer))
    with pytest.raises(InputError, match="its best has no cost of kind 'carbon_g'"):
        load_optimum(tmp_path / "optimum.json")


def test_errors_that_tie_are_a_matter_of_choice(reasoning: Any) -> None:
    few, many = (find_optimum(reasoning, 8e11, models=SIZES, tie=tie).near_ties for tie in (0.0, 0.02))
    assert len(few) == 1 < len(many)
    with pytest.raises(InputError, match="tie must be an error"):
        find_optimum(reasoning, 8e11, tie=-1)


def test_a_pick_that_was_measured_otherwise_says_so() -> None:
    """One cell of the grid failed to learn: the smooth law passes it by, and picks it."""
    table = sl.read_table("vlm_reasoning")
    stuck = (table["n_params"] == 7e9) & (table["visual_tokens"] == 1)
    query: dict[str, Any] = {"budget": {"flops": 2e12}, "text_tokens": 50, "visual_tokens": [1]}
    query["models"] = [{"name": "7B", "n_params": 7e9}]
    for frame, expected in ((table, False), (table.assign(error=table["error"].where(~stuck, 0.95)), True)):
        fitted = sl.fit_law(frame, bootstrap=0)
        warnings = dict(find_optimum(fitted, **query).warnings)
        assert ("measured_otherwise" in warnings) == expected
    assert "with an error of 0.95" in warnings["measured_otherwise"]


def test_what_was_measured_better_inside_the_budget_is_said() -> None:
    """Digits of the scenes: the laws fall with tokens for ever, the measurements do not."""
    fitted = sl.fit_law("scenes", where={"benchmark": "scenes_digits"}, bootstrap=200)
    query: dict[str, Any] = {"text_tokens": 7, "visual_tokens": [1, 4, 16, 64]}
    optimum = find_optimum(fitted, budget={"flops": 1e8}, **query)
    assert (optimum.best["model"], optimum.best["visual_tokens"]) == ("160x2", 64)
    message = dict(optimum.warnings)["measured_better"]
    assert message.startswith(
        "80x2 with 16 visual tokens is inside the budget and was measured with a lower error: 0.0187"
    )
    tolerant = find_optimum(fitted, budget={"flops": 1e8}, within=0.05, **query)
    assert "measured_better" not in dict(tolerant.warnings)
    relations = sl.fit_law("scenes", where={"benchmark": "scenes_relations"}, bootstrap=200)
    assert "measured_better" not in dict(find_optimum(relations, budget={"flops": 5e6}, **query).warnings)
    for name in ("vlm_reasoning", "vlm_ocr"):
        plan = find_optimum(sl.fit_law(name, bootstrap=0), budget={"flops": 8e11}, text_tokens=50)
        assert not {"measured_better", "measured_otherwise"} & set(dict(plan.warnings))


def test_errors_that_cannot_be_stand_as_the_law_has_them_and_are_counted(reasoning: Any) -> None:
    options: dict[str, Any] = {"models": [1e5, 7e9], "visual_tokens": "1:576", "cost": "linear_flops"}
    optimum = find_optimum(reasoning, {"flops": 8e11}, 50, **options)
    beyond = {
        (p["model"], p["visual_tokens"]) for p in [*optimum.runners_up, *optimum.pareto] if p["error"] > 1
    }
    assert beyond
    (text,) = (message for code, message in optimum.warnings if code == "impossible_errors")
    assert text.startswith(f"For {len(beyond)} of ")
    assert f"{max(p['error'] for p in optimum.pareto):.3g}) the law predicts an error outside 0 to 1" in text
    result = find_optimum(reasoning, {"flops": 8e11}, 50)
    assert "impossible_errors" not in dict(result.warnings)
    loss = replace(reasoning)
    loss.target = "loss"
    assert "impossible_errors" not in dict(find_optimum(loss, {"flops": 8e11}, 50, **options).warnings)


def test_a_plan_over_many_models_takes_time_in_proportion(reasoning: Any) -> None:
    law = replace(reasoning, draws={})
    law.rmse = 0.01
    points = {
        "inputs": {"n_params": np.repeat(np.geomspace(5e8, 7e9, 40), 2), "visual_tokens": [1, 576] * 40}
    }
    law.points = {**points, "target": np.full(80, 0.4)}

    def seconds(count: int) -> float:
        models = {f"m{i}": size for i, size in enumerate(np.geomspace(5e8, 7e9, count))}
        begun = time.process_time()
        find_optimum(law, 1e13, models=models, visual_tokens="1:64")
        return time.process_time() - begun

    seconds(10)
    assert seconds(2000) < 8 * max(seconds(500), 0.05)


@pytest.mark.parametrize("slope", ["falls", "constant", "mixed", "rises"])
@pytest.mark.parametrize("hardware", [None, "h100"])
def test_p_best_of_a_large_catalogue_is_that_of_every_configuration(
    known_law: Any, monkeypatch: pytest.MonkeyPatch, slope: str, hardware: str | None
) -> None:
    """The draws that only need the largest and the cheapest models give what the whole enumeration gives."""
    from scalelaw.plan import p_best

    rng = np.random.default_rng(3)
    alpha = {
        "falls": rng.uniform(0.01, 0.2, 40),
        "constant": np.zeros(40),
        "mixed": np.where(np.arange(40) % 3 == 0, 0.0, rng.normal(0.03, 0.03, 40)),
        "rises": rng.uniform(-0.2, -0.01, 40),
    }[slope]
    draws = {"A": np.full(40, 0.6), "alpha": alpha, "beta": rng.normal(0.02, 0.01, 40), "D": np.zeros(40)}
    law = known_law({"A": 0.6, "alpha": 0.07, "beta": 0.015, "D": 0.0}, draws)
    models = (
        "qwen1.5" if hardware else {f"m{i}": float(n) for i, n in enumerate(np.geomspace(5e8, 1.4e10, 30))}
    )
    options: dict[str, Any] = {"hardware": hardware, "mfu": (0.3, 0.6)} if hardware else {}
    budget = {"latency_ms": 60} if hardware else 8e11

    def certainty(chunk: int) -> list[tuple[Any, ...]]:
        monkeypatch.setattr(p_best, "CHUNK", chunk)
        plan = find_optimum(law, budget, models=models, visual_tokens="1:40,576", **options)
        return [(c["model"], c["p_best"], c["p_model"], c["regret"]) for c in [plan.best, *plan.runners_up]]

    assert certainty(100) == certainty(10**9)


def test_a_plan_loads_neither_scipy_nor_pandas(tmp_path: Path) -> None:
    (tmp_path / "fit.json").write_text(sl.fit_law("vlm_reasoning", bootstrap=50).to_json())
    code = (
        "import sys; from scalelaw.cli import main\n"
        "code = main(['optimize', 'fit.json', '--budget', '8e11', '-o', 'o.json'])\n"
        "sys.exit(code or bool({'scipy', 'pandas', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
