"""One rule for an option in every command that takes it: `cost`, `optimize`, `--contrast` and `calibrate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalelaw.errors import InputError, ScalelawError
from scalelaw.fit import fit_law
from scalelaw.plan import calibrate, contrast_budgets, explain_flops, find_cost, find_optimum, switch_points
from scalelaw.plan.sensitivity import relaxation
from scalelaw.plan.workload import make_query
from scalelaw.tokens import count_tokens

MODEL = "qwen1.5-7b"
NUMBERS = (
    "text_tokens",
    "generate",
    "images",
    "tiles",
    "cached_prefix",
    "questions_per_image",
    "usd_per_hour",
)
BAD = (float("nan"), float("inf"), -float("inf"), -1, 0, 1e12, 10**400, "", "x", None, True)
SEVERAL: dict[str, tuple[Any, ...]] = {
    "batch": (float("nan"), float("inf"), -1, 0, "", "x", "1,1", [2, 2], [], True),
    "dtype": ("", "x", "bf16,bf16", "nan", "BF16", " int8 "),
    "tower": ("x", "none", "NONE", "clip-vit-b-16"),
    "compressor": ("x", "", "none", "quecc"),
    "hardware": ("x", "", "h100", "H100", 3),
    "devices": (0, -1, 1, 2.5, float("nan"), float("inf"), "2", None, True),
    "mfu": (0, -1, 2, float("nan"), (0.2, 0.4), (0.4, 0.2), (0.1, 0.2, 0.3), "x"),
    "mbu": (0, -1, 2, float("nan"), (0.2, 0.4), (0.4, 0.2), (0.1, 0.2, 0.3), "x"),
    "cache_dtype": ("", "x", "fp8", "nan"),
    "seed": (1.5, "x", 3),
}
CASES = [
    *((name, value) for name in NUMBERS for value in BAD),
    *((name, value) for name, values in SEVERAL.items() for value in values),
]


def code_of(call: Callable[[], Any]) -> str:
    """The code of the error that a call ends in; empty where it ends in none."""
    try:
        call()
    except ScalelawError as error:
        return error.code
    return ""


@pytest.mark.parametrize(("name", "value"), CASES, ids=lambda value: str(value)[:20])
def test_an_option_of_the_query(reasoning: Any, name: str, value: Any) -> None:
    options = {"hardware": "h100", name: value}
    budget = {"flops": 1e40}
    codes = {
        "cost": code_of(lambda: find_cost(MODEL, 576, **options)),
        "optimize": code_of(
            lambda: find_optimum(reasoning, budget, models=MODEL, visual_tokens=576, **options)
        ),
        "contrast": code_of(
            lambda: contrast_budgets(reasoning, budget, models=MODEL, visual_tokens=576, **options)
        ),
        "relaxation": code_of(
            lambda: relaxation(reasoning, budget, models=MODEL, visual_tokens=576, **options)
        ),
    }
    assert len({code for code in codes.values() if code != "nothing_fits"}) == 1, codes
    assert "nothing_fits" not in codes.values() or codes["cost"] == ""


def table(path: Path, column: str, cell: str) -> Path:
    """Four measurements that tell mfu from the overhead, and one more with this cell."""
    lines = [f"model,visual_tokens,generate,batch,latency_ms{'' if column in COLUMNS else ',' + column}"]
    rows = [("576", "0", "1"), ("16", "0", "1"), ("576", "16", "16"), ("576", "0", "64")]
    rows.append(("16", "0", "16"))
    for at, (visual, generate, batch) in enumerate(rows):
        cells = {
            "model": MODEL,
            "visual_tokens": visual,
            "generate": generate,
            "batch": batch,
            "latency_ms": "90",
        }
        if at == len(rows) - 1:
            cells[column] = cell
        cells.setdefault(column, "")
        lines.append(",".join(f'"{cells[name]}"' for name in lines[0].split(",")))
    path.write_text("\n".join(lines) + "\n")
    return path


COLUMNS = ("model", "visual_tokens", "generate", "batch")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            (name, v)
            for name in ("text_tokens", "generate")
            for v in (float("nan"), float("inf"), -1, 0, 1e12)
        ),
        *(("batch", v) for v in (float("nan"), float("inf"), -1, 0, "x", "1,1", "1,2")),
        *(("dtype", v) for v in ("x", "bf16,bf16", "fp8,int4", "INT8")),
        *(("tower", v) for v in ("x", "none", "clip-vit-b-16")),
        *(("visual_tokens", v) for v in (float("nan"), float("inf"), -1, 0, 0.5, "", "x", "4,4", 577, 1e12)),
        *(("images", v) for v in (0, 2, 1.5, -1)),
        *(("model", v) for v in ("", "x", "qwen1.5", f"{MODEL},{MODEL}")),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_column_of_measured_latencies(tmp_path: Path, name: str, value: Any) -> None:
    arguments = {"model": MODEL, "visual_tokens": 16, "hardware": "h100", name: value}
    cost = code_of(lambda: find_cost(**arguments))
    assert code_of(lambda: calibrate(table(tmp_path / "m.csv", name, str(value)), "h100")) == cost


@pytest.mark.parametrize("name", ["hardware", "devices"])
def test_an_argument_of_calibrate(tmp_path: Path, name: str) -> None:
    path = table(tmp_path / "m.csv", "generate", "4")
    for value in SEVERAL[name]:
        cost = code_of(lambda value=value: find_cost(MODEL, 16, **{"hardware": "h100", name: value}))
        assert code_of(lambda value=value: calibrate(path, **{"hardware": "h100", name: value})) == cost


def test_visual_tokens_that_no_command_takes(reasoning: Any) -> None:
    for value in (float("nan"), float("inf"), -1, 0.25, "", "x", 1e12, -float("inf")):
        assert code_of(lambda value=value: find_cost(MODEL, value)) == "bad_tokens"
        assert code_of(lambda value=value: find_optimum(reasoning, 8e11, visual_tokens=value)) == "bad_tokens"


def test_tokens_that_a_compressor_cannot_give_have_one_code(reasoning: Any) -> None:
    from scalelaw import plugins

    plugin = plugins.load("compressors", "quecc")
    arguments = {"visual_tokens": 15, "compressor": "quecc"}
    assert code_of(lambda: find_cost(MODEL, **arguments)) == "tokens_not_allowed"
    assert code_of(lambda: find_optimum(reasoning, 2e12, models=MODEL, **arguments)) == "tokens_not_allowed"
    assert code_of(lambda: plugin.Compressor((24, 24), 8, 32, 15, 8)) == "tokens_not_allowed"


@pytest.mark.parametrize("name", ["batch", "images", "tiles", "devices", "generate"])
def test_counts_are_whole_numbers_in_every_command(name: str, reasoning: Any) -> None:
    options: dict[str, Any] = {name: 1.5}
    for run in (
        lambda: find_cost(MODEL, 576, hardware="h100", **options),
        lambda: find_optimum(reasoning, 8e12, models=MODEL, hardware="h100", **options),
        lambda: make_query(**options),
    ):
        with pytest.raises(InputError) as caught:
            run()
        assert caught.value.code in ("bad_workload", "wrong_type")
    assert make_query(**{name: 2}).work is not None


def test_frames_are_whole_numbers() -> None:
    for frames in (1.5, 0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError):
            find_cost("qwen2.5-vl-7b", image=("640x640",), frames=frames)
        with pytest.raises(InputError):
            count_tokens("qwen2.5-vl-7b", ["640x640"], frames=frames)


def test_a_text_query_keeps_the_encoder_that_the_model_has() -> None:
    def weights(**options: Any) -> tuple[float, Any]:
        cost = find_cost(hardware="h100", **options)
        return cost.stages["memory_gb"]["weights"], dict(cost.warnings)

    for model in ("llava-1.5-7b", "qwen2.5-vl-7b", "gemma-3-4b", "smolvlm2-500m"):
        shown, _ = weights(model=model, visual_tokens=1)
        for text in ({"visual_tokens": 0}, {"images": 0}, {"visual_tokens": 0, "images": 0}):
            assert weights(model=model, **text)[0] == shown
    plain, warnings = weights(model="vicuna-7b", visual_tokens=0)
    assert plain < weights(model="vicuna-7b", visual_tokens=1)[0]
    assert "assumed_encoder" not in warnings


@pytest.mark.parametrize("visual_tokens", [None, 576, "1:576"])
def test_no_images_and_visual_tokens_are_refused(reasoning: Any, visual_tokens: Any) -> None:
    options: dict[str, Any] = {"models": MODEL, "visual_tokens": visual_tokens, "images": 0}
    for run in (
        lambda: find_optimum(reasoning, 7e11, **options),
        lambda: contrast_budgets(reasoning, {"flops": 7e11}, **options),
        lambda: relaxation(reasoning, {"flops": 7e11}, **options),
        lambda: switch_points(reasoning, **options),
    ):
        assert code_of(run) == "usage"
    assert code_of(lambda: find_cost(MODEL, 576, images=0)) == "usage"
    assert code_of(lambda: explain_flops(1e12, MODEL, 576, images=0)) == "usage"
    assert find_cost(MODEL, images=0).visual_tokens == 0


@pytest.mark.parametrize("scale", [{"visual_tokens": 1 / 576}, {"n_params": 1e-9}, {"n_params": 1e-6}])
def test_a_law_in_units_without_a_cost_is_refused(scale: dict[str, float]) -> None:
    fitted = fit_law("vlm_reasoning", scale=scale, as_is=True, bootstrap=0)
    for models in (None, MODEL):
        assert code_of(lambda models=models: find_optimum(fitted, 8e11, models=models)) == "unit_mismatch"
        assert code_of(lambda models=models: switch_points(fitted, models=models)) == "unit_mismatch"
