"""QueCC's one-query algebra against the plain way, the tower, and the making of scenes: `make bench`."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

from scalelaw.vlm.distributed_loop import Plan
from tests.compressors.test_quecc import kept_bytes

GRID, WIDTH, MULTI = (24, 24), 1024, 4096


@pytest.mark.parametrize("tokens", [1, 4, 36, 144, 576])
def bench_quecc(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tokens: int
) -> None:
    """Forward and backward of an image of 24 x 24 patches at the widths of CLIP-L/336, one thread, taken alternately
    with the plain way, which projects every patch to keys and values; and what each keeps for the backward pass."""
    import torch

    from scalelaw.compressors._attention import WindowAttention
    from scalelaw.compressors.quecc import Compressor

    torch.set_num_threads(1)
    module = Compressor(GRID, WIDTH, MULTI, tokens, WIDTH)
    inputs = (torch.randn(1, 576, WIDTH), torch.randn(1, 576, MULTI), torch.randn(1, WIDTH))
    selected = WindowAttention.__dict__["folded"]
    seconds: dict[str, list[float]] = {"as it is": [], "plain": []}
    kept = {}

    def round_of_both() -> None:
        for way in seconds:
            monkeypatch.setattr(WindowAttention, "folded", selected if way == "as it is" else False)
            module.zero_grad(set_to_none=True)
            start = time.process_time()
            module(*inputs).sum().backward()
            seconds[way].append(time.process_time() - start)

    for way in seconds:
        monkeypatch.setattr(WindowAttention, "folded", selected if way == "as it is" else False)
        kept[way] = kept_bytes(lambda: module(*inputs)) / 2**20
    benchmark.pedantic(round_of_both, rounds=4, warmup_rounds=1)
    ours, plain = (statistics.median(seconds[way][1:]) for way in seconds)
    benchmark.extra_info.update({"ratio": round(ours / plain, 3), "kept_mib": kept})
    with capsys.disabled():
        print(
            f"\nQueCC at V = {tokens}: {ours / plain:.2f} of the plain way's processor time "
            f"({ours:.2f} against {plain:.2f} s), {kept['as it is']:.1f} against {kept['plain']:.1f} MiB kept"
        )


def throughput(llm: Any, tower: Any, tokens: int, plan: Plan, text: int, device: str) -> tuple[float, float]:
    """(tokens a second, share of the device's peak) of training a model with weights of chance: `plan.steps` steps, two
    before them to warm up; conversations of `text` tokens about one image each, made beforehand."""
    import torch

    from scalelaw.costs import _compressor, _llm, _vision
    from scalelaw.model_shapes import from_config, tower_from_config
    from scalelaw.vlm.distributed_loop import train
    from scalelaw.vlm.meter import peak_flops
    from scalelaw.vlm.quecc import QueccConfig, QueccForConditionalGeneration

    config = QueccConfig(
        transformers.AutoConfig.from_pretrained(tower),
        transformers.AutoConfig.from_pretrained(llm),
        visual_tokens=tokens,
        image_token_index=1,
    )
    with torch.device(device):
        model = QueccForConditionalGeneration(config)
    model.train_stage(2)
    ids = torch.full((plan.micro, tokens + text), 2)
    ids[:, :tokens] = 1
    batch = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "labels": ids.masked_fill(ids == 1, -100),
        "pixel_values": torch.randn(plan.micro, 3, *config.image_size),
        "question_ids": ids[:, -16:],
        "question_lengths": torch.full((plan.micro,), 16),
    }
    train(model, lambda *_: batch, replace(plan, steps=2), stage="warm", progress=lambda _: None)
    seen = train(model, lambda *_: batch, plan, stage="timed", progress=lambda _: None)
    shape, seeing = from_config(str(llm)), tower_from_config(str(tower))
    parts = sum(_llm.prefill(shape, float(tokens + text)).values()) + _llm.head(shape, float(tokens + text))
    joining = _compressor.compressor_flops("quecc", seeing, float(tokens), shape.width)
    joining += _vision.projector_flops(seeing.width, shape.width, tokens)
    question = sum(_llm.prefill(shape, 16.0).values())
    flops = seen.rows * (_vision.tower_flops(seeing, seeing.patches) + question + 3 * (joining + parts))
    return seen.tokens / seen.seconds, float(flops) / seen.seconds / (
        peak_flops(torch.device(device)) or math.nan
    )


def bench_half_a_billion_on_a_gpu(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Qwen1.5-0.5B behind CLIP ViT-L/14-336 and QueCC at V = 64, second stage, bf16, 280 text tokens a conversation."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device with 40 GB or more")
    folder = Path(__file__).parents[2] / "experiments" / "llava_qwen"
    plan = Plan(steps=10, rows=32, micro=32, learning_rate=1e-5, precision="bf16")
    arguments = (folder / "qwen1.5-0.5b", folder / "clip-vit-large-patch14-336", 64, plan, 280, "cuda")
    speed, share = benchmark.pedantic(throughput, arguments, rounds=1, iterations=1)
    with capsys.disabled():
        print(
            f"\na .5 B LLM at V = 64: {speed:,.0f} tokens a second, {share:.0%} of the bf16 peak (aim: 40%)"
        )


def bench_tower_step(benchmark: Any) -> None:
    """Forward and backward of the default tower on a batch of 64 images, one thread."""
    import torch

    from scalelaw.config import Vision
    from scalelaw.vlm.tower import Tower

    torch.set_num_threads(1)
    tower = Tower((32, 32), Vision())
    images = torch.randint(0, 256, (64, 32, 32, 3), dtype=torch.uint8)
    benchmark.pedantic(lambda: tower(images)[-1].sum().backward(), rounds=10, warmup_rounds=1)


def bench_scenes(benchmark: Any) -> None:
    """A thousand images with their questions."""
    from scalelaw.datasets.scenes import Dataset

    dataset, indices = Dataset(0), np.arange(1000)
    benchmark(lambda: (dataset.images("train", indices), dataset.examples("train", indices)))
