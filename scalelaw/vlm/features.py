"""The features that a cell trains on: those shared by all cells, or its compressor's own, of a smaller image say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from scalelaw.config import Experiment
from scalelaw.errors import InputError
from scalelaw.vlm.tower import PATCH, Tower, load_tower


def needs_its_own(compressor: Any) -> bool:
    """Whether the compressor is given other features than the shared ones."""
    return hasattr(compressor, "image_grid") or getattr(compressor, "reads_attention", False)


def features_of(
    experiment: Experiment,
    dataset: Any,
    compressor: Any,
    split: str,
    count: int,
    tower: Path,
    shared: Path,
    device: torch.device,
) -> np.ndarray:
    """float16 [count, patches, channels] of a split's first images: `shared`/SPLIT.npy where that will do.

    A compressor with an `image_grid` gets the patches of the image averaged down to it; one that reads attention gets
    it as one more channel, the last. Both are made here, by the frozen tower, and kept in memory.
    Raises InputError for attention where there is none (`vision.select` names the stem).
    """
    if not needs_its_own(compressor):
        store: np.ndarray = np.load(shared / f"{split}.npy", mmap_mode="r")
        return store
    vision = experiment.vision
    model = load_tower(dataset.image_size, vision, tower).to(device)
    parts = []
    for start in range(0, count, experiment.evaluation.batch):
        indices = np.arange(start, min(start + experiment.evaluation.batch, count))
        images = torch.from_numpy(dataset.images(split, indices)).to(device)
        parts.append(_of_images(model, images, compressor, vision.features, vision.select).half().cpu())
    return torch.cat(parts).numpy()


@torch.no_grad()
def _of_images(
    model: Tower, images: torch.Tensor, compressor: Any, layers: list[int], select: int
) -> torch.Tensor:
    if (grid := getattr(compressor, "image_grid", model.grid)) != model.grid:
        smaller = (grid[0] * PATCH, grid[1] * PATCH)
        images = functional.interpolate(images.permute(0, 3, 1, 2).float(), smaller, mode="area").permute(
            0, 2, 3, 1
        )
    features = model.features(images, layers)
    if not getattr(compressor, "reads_attention", False):
        return features
    layer = range(len(model.blocks) + 1)[select]
    if layer == 0:
        raise InputError(
            "The stem of the tower has no attention to prune by.",
            code="no_attention",
            hint="Let vision.select name a block, 1 or above.",
        )
    return torch.cat([features, model.attention(images, layer)[..., None]], dim=-1)
