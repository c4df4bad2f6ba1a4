"""QueCC's one-query algebra against the plain way, the tower, and the making of scenes: `make bench`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

GRID, WIDTH, MULTI = (24, 24), 1024, 4096


@pytest.mark.parametrize("way", ["as it is", "plain"])
@pytest.mark.parametrize("tokens", [1, 4, 36, 144, 576])
def bench_quecc(benchmark: Any, monkeypatch: pytest.MonkeyPatch, tokens: int, way: str) -> None:
    """Forward and backward of an image of 24 x 24 patches at the widths of CLIP-L/336, one thread; `plain` projects
    every patch to keys and values. extra_info: MiB kept for the backward pass."""
    import torch

    from scalelaw.compressors._attention import WindowAttention
    from scalelaw.compressors.quecc import Compressor

    torch.set_num_threads(1)
    if way == "plain":
        monkeypatch.setattr(WindowAttention, "folded", False)
    module = Compressor(GRID, WIDTH, MULTI, tokens, WIDTH)
    patches, multi = torch.randn(1, 576, WIDTH), torch.randn(1, 576, MULTI)
    question, kept = torch.randn(1, WIDTH), {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = module(patches, multi, question).sum()
    benchmark.extra_info["kept_mib"] = round(sum(kept.values()) / 2**20, 1)
    del loss

    def step() -> None:
        module(patches, multi, question).sum().backward()

    benchmark.pedantic(step, rounds=4, warmup_rounds=1)


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
