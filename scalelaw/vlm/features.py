"""The features that a cell trains on: those shared by all cells, or its compressor's own, of a smaller image say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional

from scalelaw.config import Experiment
from scalelaw.errors import InputError
from scalelaw.vlm.tower import PATCH, Tower, load_tower


def needs_its_own(compressor: Any) -> bool:
    """Whether the compressor is given other features than the shared ones."""
    return hasattr(compressor, "image_grid") or getattr(compressor, "reads_attention", False)


class Store(Protocol):
    """Features by image: store[rows] -> float16 [rows, patches, channels]."""

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Those of these images."""


class AsNeeded:
    """Features that are computed on each access."""

    def __init__(self, make: Callable[[np.ndarray], np.ndarray]) -> None:
        self.make = make

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.make(rows)


def kept(experiment: Experiment, images: int, patches: int, channels: int) -> bool:
    """Whether the features of `count` images are stored, by `vision.features_gb`."""
    return 2 * images * patches * channels <= experiment.vision.features_gb * 1e9


def features_of(
    experiment: Experiment,
    dataset: Any,
    compressor: Any,
    split: str,
    count: int,
    tower: Path,
    shared: Path,
    device: torch.device,
) -> Store:
    """The features of a split's first images: `shared`/SPLIT.npy where that will do.

    A compressor with an `image_grid` gets the patches of the image averaged down to it; one that reads attention gets
    it as one more channel, the last. Both are made here, by the frozen tower, and kept in memory. What is too large to
    be kept (`vision.features_gb`) is made as it is needed: the same numbers but for the last digit of float16, for
    sums over another batch may be added in another order.
    Raises InputError for attention where there is none (`vision.select` names the stem).
    """
    own, vision = needs_its_own(compressor), experiment.vision
    if not own and json.loads((shared / "facts.json").read_text(encoding="utf-8")).get("kept", True):
        try:
            store: np.ndarray = np.load(shared / f"{split}.npy", mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:  # of a truncated file
            raise InputError(
                f"The features in {shared} cannot be read: {error}.",
                code="bad_features",
                hint="Run the sweep again: it makes a stage again whose files have changed.",
            ) from error
        return store
    model = load_tower(dataset.image_size, vision, tower).to(device)

    def make(indices: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(dataset.images(split, indices)).to(device)
        features = _of_images(model, images, compressor if own else None, vision.features, vision.select)
        return features.half().cpu().numpy()

    one = make(np.arange(1))
    if not own or not kept(experiment, count, *one.shape[1:]):
        return AsNeeded(make)
    step = experiment.evaluation.batch
    return np.concatenate([make(np.arange(at, min(at + step, count))) for at in range(0, count, step)])


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
