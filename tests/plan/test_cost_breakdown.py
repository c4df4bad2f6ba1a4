"""The bill of one query, the conventions in circulation, and which of them gives a published number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scalelaw.errors import InputError
from scalelaw.plan import explain_flops, find_cost, find_optimum


def test_the_bill_of_llava_adds_up() -> None:
    bill = find_cost("llava-1.5-7b", 576, 50)
    assert round(bill.flops / 1e12, 6) == 8.719755
    assert sum(part["flops"] for part in bill.parts) == pytest.approx(bill.flops, rel=1e-14)
    assert sum(part["share"] for part in bill.parts) == pytest.approx(1, rel=1e-12)
    assert bill.parts[0]["part"] == "prefill_products"
    assert bill.n_params_exact == 6_738_939_904
    assert not bill.warnings
    assert json.loads(bill.to_json())["schema"] == "scalelaw.cost/1"


def test_a_bill_on_a_card() -> None:
    bill = find_cost("llava-1.5-7b", hardware="h100", generate=8, usd_per_hour=3)
    assert set(bill.costs) == {
        "flops",
        "memory_gb",
        "latency_ms",
        "ttft_ms",
        "ms_per_token",
        "usd_per_million",
        "usd_per_million_tokens",
        "energy_j",
    }
    assert bill.costs["latency_ms"] == pytest.approx(sum(bill.stages["latency_ms"].values()))
    assert bill.costs["usd_per_million"] == pytest.approx(3 / 3.6 * bill.costs["latency_ms"])
    assert bill.costs["energy_j"] == pytest.approx(0.67 * 0.7 * bill.costs["latency_ms"])
    assert bill.largest_batch is not None
    full = find_cost("llava-1.5-7b", hardware="h100", generate=8, batch=bill.largest_batch)
    more = find_cost("llava-1.5-7b", hardware="h100", generate=8, batch=bill.largest_batch + 1)
    assert full.costs["memory_gb"] <= 80 < more.costs["memory_gb"]


@pytest.mark.parametrize(("model", "batch", "gb"), [("qwen3-30b-a3b", 1, "61."), ("llava-1.5-7b", 1e8, "")])
def test_what_does_not_fit_the_card_is_not_priced_in_silence(model: str, batch: float, gb: str) -> None:
    message = dict(find_cost(model, generate=10, hardware="a10g", batch=batch).warnings)["does_not_fit"]
    assert message.startswith(gb)
    assert "do not fit into the 24 GB of 1 x a10g" in message
    assert "does_not_fit" not in dict(find_cost("qwen1.5-0.5b", hardware="a10g").warnings)


def test_a_range_of_efficiencies_and_a_price_of_nothing_are_said() -> None:
    ranged = find_cost("llava-1.5-7b", hardware="h100", mfu=(0.3, 0.6))
    assert dict(ranged.warnings)["middle_of_range"].endswith("mfu 0.45, mbu 0.8.")
    middle = find_cost("llava-1.5-7b", hardware="h100", mfu=0.45)
    assert ranged.costs == pytest.approx(middle.costs)
    assert "middle_of_range" not in dict(middle.warnings)
    assert "usd_per_hour" in dict(find_cost("llava-1.5-7b", usd_per_hour=3).warnings)["no_effect"]


def test_no_images_cost_no_time_in_the_tower() -> None:
    bill = find_cost("llava-1.5-7b", hardware="h100", images=0)
    assert "image" not in bill.stages["latency_ms"]
    assert bill.costs["flops"] == find_cost("llava-1.5-7b", 0, tower="none").costs["flops"]


def test_the_tower_that_dominates_is_named() -> None:
    assert "tower_dominates" in dict(find_cost("qwen1.5-0.5b", 1).warnings)
    assert "tower_left_out" in dict(find_cost("qwen1.5-0.5b", 1, tower="none").warnings)


@pytest.mark.parametrize(
    ("convention", "tokens", "value"),
    [
        ("exact", 576, "8.719755e12"),
        ("all-logits", 576, "8.883922e12"),
        ("vtw", 576, "8.477845e12"),
        ("fastv", 562, "9.933e10"),
        ("pyramiddrop", 526, "3.817e12"),
    ],
)
def test_the_conventions_in_circulation(convention: str, tokens: float, value: str) -> None:
    digits = len(value.split("e")[0].split(".")[1])
    assert f"{find_cost('llava-1.5-7b', tokens, 50, convention).flops:.{digits}e}".replace("e+", "e") == value


def test_of_attention_the_causal_convention_counts_what_the_mask_keeps() -> None:
    exact, causal = (find_cost("llava-1.5-7b", convention=c).flops for c in ("exact", "useful-causal"))
    assert exact - causal == 4 * 32 * 4096 * (626**2 - 626 * 627 / 2)
    assert find_cost("llava-1.5-7b", convention="2N").flops == 2 * 6_738_939_904 * 626


SEVERAL = {"images": 3, "tiles": 5, "generate": 4}


def test_every_image_and_tile_has_its_tower_in_every_whole_convention() -> None:
    bill = find_cost("llava-1.5-7b", 576, 50, **SEVERAL)
    assert {p["part"]: p["flops"] for p in bill.parts}["tower"] == 15 * 381_918_216_192
    first = explain_flops(bill.flops, "llava-1.5-7b", 576, 50, **SEVERAL)[0]
    assert (first["convention"], first["tokens"], first["known_length"]) == ("exact", 3 * 576 + 50, True)
    logits, causal = (
        find_cost("llava-1.5-7b", 576, 50, c, **SEVERAL).flops for c in ("all-logits", "useful-causal")
    )
    assert logits - bill.flops == (3 * 576 + 49) * 2 * 4096 * 32064
    tokens = 3 * 576 + 50
    assert bill.flops - causal == 4 * 32 * 4096 * (tokens**2 - tokens * (tokens + 1) / 2)


def test_without_images_a_number_is_explained_by_the_text() -> None:
    bill = find_cost("llava-1.5-7b", text_tokens=50, images=0)
    assert bill.visual_tokens == 0
    first = explain_flops(bill.flops, "llava-1.5-7b", text_tokens=50, images=0)[0]
    assert (first["convention"], first["tokens"], first["known_length"]) == ("exact", 50, True)


@pytest.mark.parametrize(
    ("printed", "convention", "tokens"),
    [
        ("3.82e12", "pyramiddrop", 576),
        (3.82e12, "pyramiddrop", 576),
        ("3.82T", "pyramiddrop", 576),
        (np.float64(3.82e12), "pyramiddrop", 576),
        ("99.3B", "fastv", 612),
        ("8.48e12", "vtw", 626),
        ("8.883922e12", "all-logits", 626),
        ("8.719755T", "exact", 626),
    ],
)
def test_a_published_number_is_explained(printed: Any, convention: str, tokens: float) -> None:
    first = explain_flops(printed, "llava-1.5-7b")[0]
    assert (first["convention"], first["tokens"], first["digits_met"]) == (convention, tokens, True)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"model": "qwen1.5"}, "bad_catalogue"),
        ({"model": [1e9]}, "cost_needs_more"),
        ({"model": "llava-1.5-7"}, "unknown_model"),
        ({"model": "nowhere/config.json"}, "no_such_file"),
        ({"model": "x" * 5000}, "unknown_model"),
        ({"tower": "x" * 5000}, "unknown_tower"),
        ({"visual_tokens": 577}, "too_many_visual_tokens"),
        ({"visual_tokens": -1}, "bad_tokens"),
        ({"convention": "3N"}, "unknown_convention"),
    ],
)
def test_bad_input_gets_a_sentence(arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(InputError) as refusal:
        find_cost(**{"model": "llava-1.5-7b", **arguments})
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "value", ["", "abc", "-1e12", "0", "1e", "3.82X", "1e400", "1e99999", "1e-400", float("inf")]
)
def test_what_is_no_number_of_flops_is_refused(value: Any) -> None:
    with pytest.raises(InputError):
        explain_flops(value, "llava-1.5-7b")


WIDTHS = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
          "vocab_size": 100, "tie_word_embeddings": False}  # fmt: skip


def config_of(folder: Path, **fields: Any) -> Path:
    (folder / "config.json").write_text(json.dumps({**WIDTHS, **fields}))
    return folder / "config.json"


def test_an_unknown_architecture_is_counted_by_itself(tmp_path: Path) -> None:
    options = {"generate": 3, "tower": "none"}
    llama = find_cost(config_of(tmp_path, model_type="llama"), 16, 20, **options)
    assert "counted" not in dict(llama.warnings)
    granite = find_cost(config_of(tmp_path, model_type="granite"), 16, 20, **options)
    assert "granite" in dict(granite.warnings)["counted"]
    assert granite.flops == llama.flops
    assert (granite.model, granite.n_params_exact) == (tmp_path.name, llama.n_params_exact)
    assert explain_flops(granite.flops, tmp_path, 16, 20, **options)[0]["convention"] == "exact"


def test_a_counted_model_may_be_planned_with(tmp_path: Path, reasoning: Any) -> None:
    config_of(tmp_path, model_type="granite")
    (tmp_path / "mine.yaml").write_text("models: [{name: mine, n_params: 2e9, config: config.json}]")
    optimum = find_optimum(reasoning, 8e11, models=tmp_path / "mine.yaml")
    assert "counted" in dict(optimum.warnings)


def test_what_can_neither_be_read_nor_counted_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mamba9") as refusal:
        find_cost(config_of(tmp_path, model_type="mamba9"), 16)
    assert refusal.value.code == "cannot_count"
    assert "unknown_family" in dict(find_cost(config_of(tmp_path), 16).warnings)
