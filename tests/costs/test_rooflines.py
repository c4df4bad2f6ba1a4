"""Windows, cached prefixes, shared images, mixtures; latency and memory by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scalelaw.costs import _llm, _roofline, _vision, dollars, energy, latency, layer_flops, memory
from scalelaw.costs._workload import Device, Workload
from scalelaw.model_shapes import LLMShape, TowerShape

SHAPE = LLMShape("small", 4, 256, 4, 2, 64, 512, 1000)
TOWER = TowerShape("tower", 2, 64, 128, 14, 336)
CARD = Device("card", 1e14, 1e12, 24e9, 300.0)


def total(work: Workload, visual: float = 144, shape: LLMShape = SHAPE) -> float:
    return float(sum(layer_flops.parts(shape.n_params, shape, visual, work).values()))


@pytest.mark.parametrize("window", [1, 3, 7, 8, 20])
def test_windowed_pairs_by_counting(window: int) -> None:
    for tokens in (1, 5, 7, 8, 30):
        counted = sum(min(i, window) for i in range(1, tokens + 1))
        assert _llm.causal_pairs(float(tokens), window) == counted
    shape = replace(SHAPE, window=window, window_layers=3)
    full, banded = _llm.prefill(SHAPE, 30.0)["attention"], _llm.prefill(shape, 30.0)["attention"]
    per_layer = 4 * SHAPE.heads * SHAPE.head_size
    band = 2 * sum(min(i, window) for i in range(1, 31)) - 30
    assert full - banded == 3 * per_layer * (900 - band)
    assert _llm.prefill(replace(shape, window=30), 30.0)["attention"] == full


def test_decoding_is_the_difference_of_causal_prompts() -> None:
    steps = sum(_llm.decode(SHAPE, 20 + i, 1)["attention"] for i in range(6))
    assert _llm.decode(SHAPE, 20, 6)["attention"] == steps
    long, short = (_llm.prefill(SHAPE, t, causal=True)["attention"] for t in (26.0, 20.0))
    assert steps == long - short


def test_a_prompt_in_two_pieces_costs_the_causal_whole() -> None:
    first = _llm.prefill(SHAPE, 30.0, causal=True)
    rest = _llm.prefill(SHAPE, 100.0, 30.0, causal=True)
    whole = _llm.prefill(SHAPE, 100.0, causal=True)
    assert {k: first[k] + rest[k] for k in whole} == whole


def test_a_cached_prefix_and_a_shared_image_save_what_they_hold() -> None:
    base = Workload(100, tower=TOWER)
    assert total(replace(base, cached_prefix=0.5)) < total(base)
    shared = layer_flops.parts(0, SHAPE, 144, replace(base, questions_per_image=4))
    alone = layer_flops.parts(0, SHAPE, 144, base)
    assert shared["tower"] == alone["tower"] / 4
    products = 2 * SHAPE.block_params * (100 + 144 / 4)
    assert shared["prefill_products"] == pytest.approx(products)
    work = replace(base, questions_per_image=4, compressor="quecc")
    assert layer_flops.parts(0, SHAPE, 144, work)["prefill_products"] == alone["prefill_products"]


def test_patches_and_tokens_are_separate_axes() -> None:
    one, five = Workload(50, tower=TOWER), Workload(50, tower=TOWER, tiles=5)
    a, b = (layer_flops.parts(0, SHAPE, 144, w) for w in (one, five))
    assert b["tower"] == 5 * a["tower"]
    assert {k: v for k, v in a.items() if k != "tower"} == {k: v for k, v in b.items() if k != "tower"}
    two = layer_flops.parts(0, SHAPE, 144, Workload(50, tower=TOWER, images=2))
    assert two["tower"] == 2 * a["tower"]
    assert two["prefill_products"] == 2 * SHAPE.block_params * (50 + 288)


def test_a_question_conditioned_compressor_pays_for_the_question() -> None:
    parts = layer_flops.parts(0, SHAPE, 16, Workload(50, tower=TOWER, compressor="quecc"))
    assert parts["question_pass"] == sum(_llm.prefill(SHAPE, 50).values())
    assert parts["compressor"] > 0


def test_latency_by_hand() -> None:
    work = Workload(50, 10, 1, device=CARD)
    parts = latency.parts(SHAPE.n_params, SHAPE, 144, work)
    read = 2 * (SHAPE.n_params - SHAPE.vocab * SHAPE.width)
    assert parts["prefill"] == pytest.approx(1e3 * max(
        (sum(_llm.prefill(SHAPE, 194).values()) + 2 * 256 * 1000) / 0.5e14, read / 0.8e12))  # fmt: skip
    cache = 2 * 2 * 2 * 64 * 4 * (194 + 4.5)
    assert parts["decode"] == pytest.approx(1e3 * 10 * (read + cache) / 0.8e12)
    totals = latency.totals(parts, work)
    assert totals["ttft_ms"] == pytest.approx(parts["prefill"])
    assert totals["ms_per_token"] == pytest.approx(parts["decode"] / 10)
    half = replace(work, generate=0.5)
    parts = latency.parts(SHAPE.n_params, SHAPE, 144, half)
    assert latency.totals(parts, half)["ms_per_token"] == pytest.approx(2 * parts["decode"])


@pytest.mark.parametrize("batch", [1, 7, 400])
@pytest.mark.parametrize("count", [1, 3])
def test_a_batch_by_hand(batch: int, count: int) -> None:
    work = Workload(50, 10, batch, device=replace(CARD, count=count), price_per_hour=2.0)
    flops, moved = count * 0.5e14, count * 0.8e12
    read = 2 * (SHAPE.n_params - SHAPE.vocab * SHAPE.width)
    prefill = max(batch * (sum(_llm.prefill(SHAPE, 194).values()) + 2 * 256 * 1000) / flops, read / moved)
    step = max(
        batch * sum(_llm.decode(SHAPE, 198.5, 1.0).values()) / flops,
        (read + batch * 2 * 2 * 2 * 64 * 4 * 198.5) / moved,
    )
    parts = latency.parts(SHAPE.n_params, SHAPE, 144, work)
    assert parts["prefill"] == pytest.approx(1e3 * prefill)
    assert parts["decode"] == pytest.approx(1e4 * step)
    joules = energy.parts(SHAPE.n_params, SHAPE, 144, work)
    assert sum(joules.values()) == pytest.approx(0.67 * count * 300 * (prefill + 10 * step) / batch)
    usd = dollars.parts(SHAPE.n_params, SHAPE, 144, work)
    assert sum(usd.values()) == pytest.approx(1e6 * count * 2.0 / 3600 * (prefill + 10 * step) / batch)


def test_the_tower_of_a_batch_by_hand() -> None:
    work = Workload(50, 0, 8, images=3, tiles=2, tower=TOWER, device=CARD)
    image = 3 * 2 * _vision.tower_flops(TOWER) + 3 * _vision.projector_flops(64, 256, 144)
    parts = latency.parts(SHAPE.n_params, SHAPE, 144, work)
    assert parts["image"] == pytest.approx(1e3 * max(8 * image / 0.5e14, 2 * TOWER.n_params / 0.8e12))
    small = latency.parts(SHAPE.n_params, SHAPE, 144, replace(work, batch=1, images=0.001))
    assert small["image"] == pytest.approx(1e3 * 2 * TOWER.n_params / 0.8e12)


@pytest.mark.parametrize(
    ("change", "widest"),
    [
        ({}, 3 * 512),
        ({"gated": False}, 2 * 512),
        ({"experts": 8, "experts_active": 2, "shared": 100}, 3 * (2 * 512 + 100)),
        (
            {"experts": 8, "experts_active": 2, "dense_layers": 1, "dense_feed_forward": 5000},
            3 * 5000,
        ),
    ],
)
def test_activations_by_hand(change: dict[str, int], widest: int) -> None:
    shape = replace(SHAPE, **change)
    parts = memory.parts(0, shape, 48, Workload(50, 6, 4, images=3, cache_bytes=1.0))
    assert parts["activations"] == pytest.approx(
        4 * (194 * (2 * 256 + widest) * 1.0 + 4 * 1000) / 1e9, rel=1e-14
    )
    assert parts["cache"] == 4 * 200 * 2 * 4 * 2 * 64 * 1 / 1e9


def test_weights_hold_the_tower_and_the_projector() -> None:
    weights = memory.weight_bytes(SHAPE, Workload(tower=TOWER, weight_bytes=0.5))
    assert weights == 0.5 * (SHAPE.n_params + TOWER.n_params + _vision.projector_params(64, 256))


def test_overheads_are_paid_by_every_pass() -> None:
    slow = replace(CARD, overhead_s=0.001)
    work = Workload(50, 10, 1, tower=TOWER, device=CARD)
    fast = sum(latency.parts(0, SHAPE, 144, work).values())
    assert sum(latency.parts(0, SHAPE, 144, replace(work, device=slow)).values()) == pytest.approx(fast + 12)


def test_a_mixture_reads_the_experts_that_its_tokens_meet() -> None:
    mixture = replace(SHAPE, experts=8, experts_active=2)
    work = Workload(weight_bytes=1.0)
    one, many = (_roofline.read_bytes(mixture, tokens, work) for tokens in (1, 1e6))
    assert many == mixture.n_params - mixture.vocab * mixture.width
    assert one == many - 6 * mixture.expert_params
    assert mixture.block_params == mixture.fixed_params + 2 * mixture.expert_params


def test_memory_by_hand() -> None:
    parts = memory.parts(0, SHAPE, 144, Workload(50, 6, 4))
    assert parts["weights"] == 2 * SHAPE.n_params / 1e9
    assert parts["cache"] == 4 * 200 * 2 * 4 * 2 * 64 * 2 / 1e9
    windowed = replace(SHAPE, window=100, window_layers=4)
    assert memory.parts(0, windowed, 144, Workload(50, 6, 4))["cache"] == parts["cache"] / 2


def test_the_largest_batch_fits_and_the_next_does_not() -> None:
    visual = np.array([1.0, 144, 576])
    batch = memory.largest_batch(SHAPE, visual, Workload(50, 6, 4), 0.5)
    for size, limit in ((batch, True), (batch + 1, False)):
        for v, b in zip(visual, size, strict=True):
            assert (sum(memory.parts(0, SHAPE, v, Workload(50, 6, b)).values()) <= 0.5) == limit
    assert memory.largest_batch(SHAPE, 1, Workload(), 1e-6) == 0
