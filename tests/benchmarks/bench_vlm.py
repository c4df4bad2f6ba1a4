"""QueCC's one-query algebra against the plain way, the tower, and the making of scenes: `make bench`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

GRID, WIDTH, MULTI, BATCH = (24, 24), 256, 1024, 4


@pytest.mark.parametrize("way", ["folded", "plain"])
@pytest.mark.parametrize("tokens", [1, 36, 144])
def bench_quecc(benchmark: Any, monkeypatch: pytest.MonkeyPatch, tokens: int, way: str) -> None:
    """Forward and backward of 4 images of 24 x 24 patches at a quarter of CLIP-L's widths, one thread."""
    import torch

    from scalelaw.compressors._attention import WindowAttention
    from scalelaw.compressors.quecc import Compressor

    torch.set_num_threads(1)
    monkeypatch.setattr(WindowAttention, "folded", way == "folded")
    module = Compressor(GRID, WIDTH, MULTI, tokens, WIDTH)
    patches, multi = torch.randn(BATCH, 576, WIDTH), torch.randn(BATCH, 576, MULTI)
    question = torch.randn(BATCH, WIDTH)

    def step() -> None:
        module(patches, multi, question).sum().backward()

    benchmark.pedantic(step, rounds=5, warmup_rounds=1)


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
