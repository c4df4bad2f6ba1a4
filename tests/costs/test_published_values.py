"""The published and counted values of LLaVA-1.5-7B and common towers, to the printed digits."""

from __future__ import annotations

import pytest

from scalelaw.costs import _llm, _vision, layer_flops, memory
from scalelaw.costs._workload import Workload
from scalelaw.model_shapes import from_fields
from scalelaw.plan.catalogue import find_tower

TOWER = find_tower("clip-vit-l-14-336")
assert TOWER is not None
VICUNA = from_fields(
    {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
     "intermediate_size": 11008, "vocab_size": 32064}, "vicuna-7b as in LLaVA-1.5 (64 tokens added)",
)  # fmt: skip


@pytest.mark.parametrize(
    ("tower", "pooled", "gflops"),
    [
        ("clip-vit-l-14-336", False, 381.918216192),
        ("clip-vit-l-14-224", True, 162.03),
        ("clip-vit-b-16", True, 35.13),
        ("siglip-so400m-14-384", True, 670.35),
    ],
)
def test_towers(tower: str, pooled: bool, gflops: float) -> None:
    shape = find_tower(tower)
    assert shape is not None
    flops = _vision.tower_flops(shape) + (_vision.pooled_head_flops(shape) if pooled else 0)
    digits = 9 if gflops == 381.918216192 else 2
    assert round(flops / 1e9, digits) == gflops


def test_projector_and_blocks() -> None:
    assert round(_vision.projector_flops(1024, 4096, 576) / 1e9, 3) == 24.159
    parts = _llm.prefill(VICUNA, 626)
    assert round(parts["products"] / 1e12, 6) == 8.107959
    assert round(parts["attention"] / 1e12, 6) == 0.205456
    assert round(sum(parts.values()) / 1e12, 6) == 8.313415


def test_the_whole_forward_pass() -> None:
    parts = layer_flops.parts(VICUNA.n_params, VICUNA, 576, Workload(50, tower=TOWER))
    assert round(float(sum(parts.values())) / 1e12, 6) == 8.719755
    every = float(sum(parts.values())) + _llm.head(VICUNA, 625)
    assert round(every / 1e12, 6) == 8.883922


def test_one_decode_step() -> None:
    step = _llm.decode(VICUNA, 626, 1)
    assert round((step["products"] + step["attention"]) / 1e9, 3) == 13.281


def test_parameters() -> None:
    projector = _vision.projector_params(1024, 4096)
    head = VICUNA.vocab * VICUNA.width
    assert TOWER.n_params == 303_507_456
    assert projector == 20_979_712
    assert VICUNA.n_params - head == 6_607_605_760
    assert head == 131_334_144
    assert VICUNA.n_params + TOWER.n_params + projector == 7_063_427_072


def test_cache() -> None:
    assert memory.cache_bytes(VICUNA, 1, Workload()) == 2**19
    assert memory.cache_bytes(VICUNA, 576, Workload()) == 288 * 2**20


def test_the_tower_dominates_a_small_model_at_one_token() -> None:
    work = Workload(50, tower=TOWER)
    for size, vocab, width, layers, heads, feed, share in (
        (0.5e9, 151936, 1024, 24, 16, 2816, 0.92),
        (7e9, 151936, 4096, 32, 32, 11008, 0.37),
    ):
        fields = {"model_type": "qwen2", "hidden_size": width, "num_hidden_layers": layers, "vocab_size": vocab,
                  "num_attention_heads": heads, "intermediate_size": feed}  # fmt: skip
        parts = layer_flops.parts(size, from_fields(fields, "qwen1.5"), 1, work)
        assert float(parts["tower"] / sum(parts.values())) == pytest.approx(share, abs=0.02)
