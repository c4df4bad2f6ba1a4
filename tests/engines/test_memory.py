"""The memory rules against what engines printed when they started; the source of each line stands beside it."""

from __future__ import annotations

from typing import Any

import pytest

from scalelaw.engines import _memory, llama_cpp, lmdeploy, sglang, tensorrt_llm, vllm
from scalelaw.engines._contract import Deployment
from scalelaw.model_shapes import LLMShape

GIB = 1024**3
QWEN_7B = LLMShape("qwen2.5-7b", 28, 3584, 28, 4, 128, 18944, 152064)
LLAMA_8B = LLMShape("llama-3-8b", 32, 4096, 32, 8, 128, 14336, 128256)
QWEN3_1_7B = LLMShape("qwen3-1.7b", 28, 2048, 16, 8, 128, 6144, 151936, tied=True, qk_norm=True)
QWEN3_32B = LLMShape("qwen3-32b", 64, 5120, 64, 8, 128, 25600, 151936, qk_norm=True)
QWEN3_235B = LLMShape(
    "qwen3-235b-a22b", 94, 4096, 64, 4, 128, 1536, 151936, qk_norm=True, experts=128, experts_active=8
)


def deployment(shape: LLMShape, **more: Any) -> Deployment:
    return Deployment("m", prompt_tokens=1, generate=1, shape=shape, **more)


STARTS = {
    # QwenLM/Qwen3-VL issue 1057: vLLM 0.8.2, Qwen2.5-VL-7B, H100 SXM 80 GB, the LLM class with its defaults, and one
    # image of the largest size.
    "qwen2.5-vl-7b, h100, 0.8.2": (
        {"shape": QWEN_7B, "encoder_params": 676_679_168.0, "visual_tokens": 16384, "patches": 65536},
        79.2,
        {"max_num_seqs": 1024, "max_num_batched_tokens": 16384, "max_model_len": 128_000, "version": (0, 8)},
        905_648,
        7.08,
    ),
    # A published log of UI-TARS-7B (Qwen2-VL-7B) on a card of 23.67 GiB: vLLM 0.6.6, 5,102 blocks of 16. That version
    # profiles a multimodal model with one sequence that fills the length.
    "ui-tars-7b, 24 GB, 0.6.6": (
        {"shape": QWEN_7B, "encoder_params": 675_888_128.0},
        23.67,
        {"max_num_seqs": 1, "max_num_batched_tokens": 8192, "max_model_len": 8192, "version": (0, 6)},
        81_632,
        9.96,
    ),
    # vllm-project/vllm pull request 10511: Llama-3-8B on a card of 79.22 GiB, 53.29 GiB of KV cache. The bytes a logit
    # of the sampler before 0.9 are of this line.
    "llama-3-8b, h100, 0.6": (
        {"shape": LLAMA_8B},
        79.22,
        {"max_num_seqs": 256, "max_num_batched_tokens": 8192, "max_model_len": 8192, "version": (0, 6)},
        436_551,
        53.29,
    ),
    # vllm-project/vllm issue 10517: Llama-3.1-8B on an RTX 3090 at two lengths, 1,952 and 1,478 blocks of 16.
    "llama-3.1-8b, rtx 3090, 20,000": (
        {"shape": LLAMA_8B},
        23.58,
        {"max_num_seqs": 256, "max_num_batched_tokens": 20_000, "max_model_len": 20_000, "version": (0, 6)},
        31_232,
        1.56,
    ),
    "llama-3.1-8b, rtx 3090, 29,000": (
        {"shape": LLAMA_8B},
        23.58,
        {"max_num_seqs": 256, "max_num_batched_tokens": 29_000, "max_model_len": 29_000, "version": (0, 6)},
        23_648,
        0.82,
    ),
}


@pytest.mark.parametrize("name", STARTS)
def test_kv_tokens_and_concurrency_are_within_three_percent_of_logged_starts(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, total, options, tokens, concurrency = STARTS[name]
    monkeypatch.setitem(_memory.REPORTED_GIB, "card", total)
    memory = vllm.memory(deployment(**served, device="card", memory_gb=1.0), vllm.Options(**options))
    assert memory is not None
    assert memory.kv_tokens == pytest.approx(tokens, rel=0.03)
    assert memory.concurrency == pytest.approx(concurrency, rel=0.03)


@pytest.mark.parametrize(
    ("vocab", "utilization", "weights", "cache"),
    [(201_088, 0.65, 13.72, 36.56), (262_144, 0.9, 48.5, 21.5)],
)
def test_the_reserve_of_later_versions(vocab: int, utilization: float, weights: float, cache: float) -> None:
    """vLLM 0.19 on an A100 80 GB, as published with GPT-OSS-20B (whose line chose the bytes a logit) and with
    Gemma-4-26B-A4B, in GiB."""
    shape = LLMShape("x", 24, 2880, 64, 8, 64, 2880, vocab)
    options = vllm.Options(256, 2048, utilization=utilization, version=(0, 19))
    memory = vllm.memory(deployment(shape, device="a100-sxm-80", memory_gb=80.0), options)
    assert memory is not None
    assert memory.total_gb * 1e9 / GIB - weights - memory.reserve_gb * 1e9 / GIB == pytest.approx(
        cache, rel=0.03
    )


@pytest.mark.parametrize(
    ("shape", "devices", "gibibytes", "tokens"),
    [
        # vllm-project/vllm issue 33263, Qwen3-1.7B
        (QWEN3_1_7B, 1, 18.78, 175_856),
        # baidu/vLLM-Kunlun pull request 330, a Qwen3-VL of 32B
        (QWEN3_32B, 1, 41.98, 171_904),
        # vllm-project/vllm issue 21348, SGLang with Qwen3-235B-A22B on four cards: keys and values of 8.23 GiB each
        (QWEN3_235B, 4, 16.46, 367_404),
    ],
)
def test_bytes_of_a_token(shape: LLMShape, devices: int, gibibytes: float, tokens: int) -> None:
    each = _memory.token_bytes(deployment(shape, devices=devices))
    assert gibibytes * GIB / each == pytest.approx(tokens, rel=1e-3)


def test_weights_of_a_logged_start() -> None:
    """15.6271 GiB of Qwen2.5-VL-7B and 15.5083 of Qwen2-VL-7B, in the same logs."""
    for parameters, logged in ((676_679_168.0, 15.6271), (675_888_128.0, 15.5083)):
        weights = _memory.weight_bytes(deployment(QWEN_7B, encoder_params=parameters))
        assert weights / GIB == pytest.approx(logged, rel=0.01)


def test_a_narrow_type_leaves_embeddings_head_and_encoder_wide() -> None:
    wide, narrow = (
        _memory.weight_bytes(deployment(QWEN_7B, dtype=dtype, encoder_params=676e6))
        for dtype in ("bf16", "fp8")
    )
    assert wide - narrow == pytest.approx(_memory.LOADED_SHARE * QWEN_7B.block_params, rel=1e-6)


def test_a_layer_with_a_window_keeps_no_more_than_it() -> None:
    sliding = LLMShape("s", 30, 1024, 8, 4, 128, 4096, 32000, window=1024, window_layers=25)
    whole = LLMShape("w", 30, 1024, 8, 4, 128, 4096, 32000)
    long = 100_000
    kept = _memory.request_bytes(deployment(sliding), long)
    assert kept == pytest.approx(
        _memory.request_bytes(deployment(whole), long) * (5 * long + 25 * 1024) / (30 * long)
    )
    memory = vllm.memory(
        deployment(sliding, device="h100-sxm", memory_gb=80.0), vllm.Options(8, 2048, max_model_len=long)
    )
    plain = vllm.memory(
        deployment(whole, device="h100-sxm", memory_gb=80.0), vllm.Options(8, 2048, max_model_len=long)
    )
    assert memory is not None
    assert plain is not None
    assert memory.concurrency == pytest.approx(plain.concurrency * 5.7, rel=0.03)


def test_key_value_heads_are_copied_where_there_are_fewer_than_cards() -> None:
    two, eight = (_memory.token_bytes(deployment(QWEN_7B, devices=n)) for n in (2, 8))
    one = _memory.token_bytes(deployment(QWEN_7B))
    assert (two, eight) == (one / 2, one / 4)


@pytest.mark.parametrize("engine", [vllm, sglang, lmdeploy, tensorrt_llm])
def test_more_requests_than_fit_are_a_warning(engine: Any) -> None:
    small = Deployment("m", 20_000, 500, batch=64, shape=QWEN_7B, device="a10g", memory_gb=24.0)
    codes = [code for code, _ in engine.serve(small).warnings]
    assert "concurrency_not_reached" in codes
    fits = Deployment("m", 300, 100, batch=4, shape=QWEN_7B, device="h100-sxm", memory_gb=80.0)
    assert "concurrency_not_reached" not in [code for code, _ in engine.serve(fits).warnings]
    memory = engine.serve(fits).memory
    assert memory.kv_gb + memory.weights_gb + memory.reserve_gb <= memory.total_gb * (1 + 1e-9)


def test_a_context_that_does_not_fit_is_refused_by_llama_cpp() -> None:
    from scalelaw.errors import InputError

    with pytest.raises(InputError) as caught:
        llama_cpp.serve(Deployment("m", 20_000, 500, batch=64, shape=QWEN_7B, device="a10g", memory_gb=24.0))
    assert caught.value.code == "engine_cannot"


def test_without_a_card_or_a_shape_there_is_no_rule() -> None:
    for engine in (vllm, sglang, lmdeploy, tensorrt_llm, llama_cpp):
        assert engine.memory(deployment(QWEN_7B)) is None
        assert engine.memory(Deployment("m", 1, 1, device="h100-sxm", memory_gb=80.0)) is None
