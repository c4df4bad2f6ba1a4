"""QueCC's one-query algebra against the plain way, the tower, and the making of scenes: `make bench`."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import pytest

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
    given = (torch.randn(1, 576, WIDTH), torch.randn(1, 576, MULTI), torch.randn(1, WIDTH))
    chosen = WindowAttention.__dict__["folded"]
    seconds: dict[str, list[float]] = {"as it is": [], "plain": []}
    kept = {}

    def round_of_both() -> None:
        for way in seconds:
            monkeypatch.setattr(WindowAttention, "folded", chosen if way == "as it is" else False)
            module.zero_grad(set_to_none=True)
            start = time.process_time()
            module(*given).sum().backward()
            seconds[way].append(time.process_time() - start)

    for way in seconds:
        monkeypatch.setattr(WindowAttention, "folded", chosen if way == "as it is" else False)
        kept[way] = kept_bytes(lambda: module(*given)) / 2**20
    benchmark.pedantic(round_of_both, rounds=4, warmup_rounds=1)
    ours, plain = (statistics.median(seconds[way][1:]) for way in seconds)
    benchmark.extra_info.update({"ratio": round(ours / plain, 3), "kept_mib": kept})
    with capsys.disabled():
        print(
            f"\nQueCC at V = {tokens}: {ours / plain:.2f} of the plain way's processor time "
            f"({ours:.2f} against {plain:.2f} s), {kept['as it is']:.1f} against {kept['plain']:.1f} MiB kept"
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
