"""What one query is, and what it runs on: the prompt, the answer, how many run at once, the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scalelaw.costs._constants import Constants
from scalelaw.model_shapes import TowerShape


@dataclass(frozen=True)
class Device:
    """What queries run on: `count` of them share every product (tensor parallelism). peak_flops: dense bf16 FLOP/s;
    bandwidth_bytes: of the memory, bytes/s; watts: board power, None where it is not published (all of one device).
    peaks: FLOP/s of other number types (`tf32`, `fp8`, `int8`, `fp4`); link_bytes: bytes/s to another device, one way.
    constants: of the sum of operators (`_passes`). Without them the roofline of a whole stage holds, with mfu and mbu,
    the shares of peak and of bandwidth that are reached, and overhead_s, added to every forward pass.
    """

    name: str
    peak_flops: float
    bandwidth_bytes: float
    memory_bytes: float
    watts: float | None = None
    count: int = 1
    mfu: float = 0.5
    mbu: float = 0.8
    overhead_s: float = 0.0
    calibrated: bool = False
    peaks: Mapping[str, float] = field(default_factory=dict)
    link_bytes: float | None = None
    constants: Constants | None = None

    def peak(self, *types: str) -> float:
        """FLOP/s of the first of these number types that the device multiplies."""
        for name in types:
            if name in self.peaks:
                return float(self.peaks[name])
        return self.peak_flops / 2 if types[0] in ("tf32", "fp32") else self.peak_flops

    @property
    def flops_per_s(self) -> float:
        """FLOP/s that are reached."""
        return self.count * self.peak_flops * self.mfu

    @property
    def bytes_per_s(self) -> float:
        """Bytes/s that are reached."""
        return self.count * self.bandwidth_bytes * self.mbu


@dataclass(frozen=True)
class ImageLoad:
    """What the images of a query are to encoder and LLM, where they were counted from their pixels.

    name: of the encoder; n_params: of encoder and projector. tower_flops, projector_flops: of all images of a query;
    markers: tokens that the processor writes around them. attention_flops: the part of tower_flops between patches;
    tokens: of the encoder. These and the first three broadcast with the visual tokens. layers, width: of the encoder.
    megapixels: of all images before they are resized.
    """

    name: str
    n_params: float
    tower_flops: Any
    projector_flops: Any
    markers: Any = 0.0
    attention_flops: Any = 0.0
    tokens: Any = 0.0
    layers: float = 0.0
    width: float = 0.0
    megapixels: Any = 0.0


@dataclass(frozen=True)
class Workload:
    """One query. Tokens are counted as the LLM sees them; a mean over queries may be fractional.

    text_tokens: of the prompt, without the images. generate: generated tokens. batch: queries served at once.
    images: per query; tiles: the tower runs on so many tiles of each, whatever the LLM then sees of it.
    cached_prefix: share of the text tokens whose keys and values are cached. questions_per_image: queries that
    share the tower's work on an image (and the image's prefill, unless the compressor reads the question).
    weight_bytes, cache_bytes: of one parameter, of one number of the key-value cache (and of activations).
    tower: None leaves it out, with compressor and projector. compressor: a name, None for none that costs.
    load: the images counted from their pixels; tower, tiles and compressor then have no part in them.
    price_per_hour: of one device. batch, weight_bytes and cache_bytes may be arrays that broadcast.
    weight_type: the number type of the weights, one name or one for each of weight_bytes; None: what the bytes say.
    serving: `batch` (all queries of a batch come together and are served to the end) or `closed` (as many queries as
    the batch are always in flight).
    """

    text_tokens: float = 50
    generate: float = 0
    batch: Any = 1
    images: float = 1
    tiles: float = 1
    cached_prefix: float = 0
    questions_per_image: float = 1
    weight_bytes: Any = 2.0
    cache_bytes: Any = 2.0
    tower: TowerShape | None = None
    compressor: str | None = None
    device: Device | None = None
    price_per_hour: float | None = None
    load: ImageLoad | None = None
    weight_type: Any = None
    serving: str = "batch"

    def in_prompt(self, visual_tokens: Any) -> Any:
        """Tokens of all images in the prompt, with the markers around them."""
        markers = self.load.markers if self.load else 0.0
        return self.images * np.asarray(visual_tokens, dtype=float) + markers

    def of_setup(self, at: int) -> Workload:
        """The workload served in one of its ways: batch, weights and their type as numbers."""
        types = self.weight_type
        one = types if types is None or isinstance(types, str) else str(np.atleast_1d(types)[at])
        return replace(
            self,
            batch=float(np.atleast_1d(self.batch)[at]),
            weight_bytes=float(np.atleast_1d(self.weight_bytes)[at]),
            weight_type=one,
        )

    @property
    def encoder_params(self) -> float:
        """Parameters of the encoder; with those of the projector where the images were counted from pixels."""
        if self.load:
            return self.load.n_params
        return self.tower.n_params if self.tower else 0.0

    @property
    def patches(self) -> float:
        """Patches of one image, over its tiles; 0 without a tower."""
        return self.tiles * self.tower.patches if self.tower else 0.0
