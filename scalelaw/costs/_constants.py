"""The constants of a card from which milliseconds are computed: what share of its peaks single operators reach.

Every constant is read from tables of single operators (experiments/latency), never from a served request. A card
without such tables has the constants of its class (data/latency_constants.yaml).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class NumberType:
    """A type of weights: bytes of one weight with its group scales, and of one activation that meets it.

    compute: the types whose peak the products run at, the first that the card has; weights of a type that the card
    cannot multiply are widened first. rates: the names of the constants of such products, the first that there is.
    """

    weight_bytes: float
    activation_bytes: float
    compute: tuple[str, ...]
    rates: tuple[str, ...]


NUMBER_TYPES = {
    "fp32": NumberType(4.0, 4.0, ("tf32", "fp32"), ("bf16",)),
    "bf16": NumberType(2.0, 2.0, ("bf16",), ("bf16",)),
    "fp16": NumberType(2.0, 2.0, ("bf16",), ("bf16",)),
    "fp8": NumberType(1.0, 1.0, ("fp8", "bf16"), ("fp8", "int8", "bf16")),
    "int8": NumberType(1.0, 1.0, ("int8", "bf16"), ("int8", "fp8", "bf16")),
    "int4": NumberType(0.5, 2.0, ("bf16",), ("int4", "bf16")),
    "w8a16": NumberType(1.0, 2.0, ("bf16",), ("w8a16", "bf16")),
    "w4a16": NumberType(0.5 + 2.5 / 128, 2.0, ("bf16",), ("int4", "bf16")),
    "nvfp4": NumberType(0.5 + 1 / 16, 0.5 + 1 / 16, ("fp4", "bf16"), ("fp4", "fp8", "int4", "bf16")),
    "mxfp4": NumberType(0.5 + 1 / 32, 0.5 + 1 / 32, ("fp4", "bf16"), ("fp4", "fp8", "int4", "bf16")),
    "q8_0": NumberType(34 / 32, 2.0, ("bf16",), ("w8a16", "bf16")),
    "q6_k": NumberType(210 / 256, 2.0, ("bf16",), ("int4", "bf16")),
    "q5_k_m": NumberType(0.711, 2.0, ("bf16",), ("int4", "bf16")),
    "q4_k_m": NumberType(0.604, 2.0, ("bf16",), ("int4", "bf16")),
    "q4_0": NumberType(18 / 32, 2.0, ("bf16",), ("int4", "bf16")),
}
"""Types of weights. int8 and fp8 are multiplied as such (W8A8), int4 is widened (W4A16).

Scales: w4a16 (AWQ, GPTQ) 16 + 4 bits for 128 weights; NVFP4 8 bits for 16; MXFP4 8 bits for 32; the q types as
llama.cpp's files hold them (q4_k_m and q5_k_m: the mean of an 8B model, bits a weight / 8).
"""

BY_BYTES = {4.0: "fp32", 2.0: "bf16", 1.0: "fp8", 0.5: "int4"}
"""The type that a number of bytes stands for where none is named."""


@dataclass(frozen=True)
class Rate:
    """What one kind of operator reaches: shares of the peak and of the bandwidth, and microseconds of a launch.

    error: the median absolute error (0.05 = 5%) of the rows that it was read from; rows: their number, 0 for a default.
    """

    compute: float
    bandwidth: float
    launch_us: float
    error: float = 0.0
    rows: int = 0


@dataclass(frozen=True)
class Link:
    """All-reduce over a number of devices: microseconds of a launch, and GB (1e9 bytes) of the message per second."""

    launch_us: float
    gb_s: float
    error: float = 0.0
    rows: int = 0


@dataclass(frozen=True)
class Constants:
    """The constants of one card.

    Attributes:
        products: by number type (`bf16`, `fp8`, `int8`, `int4`, `fp4`), of matrix products.
        decode_attention: by type of the cache (`bf16`, `fp8`); only bandwidth and launch count.
        prefill_attention: causal attention over a prompt.
        vision_attention: attention among the patches of an image.
        small_kernel: norms, activations, rotations: bandwidth and launch.
        all_reduce: by number of devices.
        request_ms: host time of a request: tokenizing, scheduling, the first answer.
        image_ms: host time of a megapixel: decoding, resizing, normalizing.
        scale: factors on the time of a stage (`image`, `prefill`, `decode`, `all_reduce`, `host`), 1 unless calibrated.
        source: the tables, with versions and date; or the class whose defaults these are.
        measured: the constants were read from tables of this card, or calibrated on it.
        spread: by kind of latency (`time`: of all), the standard deviation of log(measured / computed).
    """

    products: Mapping[str, Rate]
    decode_attention: Mapping[str, Rate]
    prefill_attention: Rate
    vision_attention: Rate
    small_kernel: Rate
    all_reduce: Mapping[int, Link]
    request_ms: float = 0.0
    image_ms: float = 0.0
    scale: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    measured: bool = False
    spread: Mapping[str, float] = field(default_factory=dict)

    def factor(self, stage: str) -> float:
        """The factor on the time of a stage."""
        return float(self.scale.get(stage, 1.0))

    def link(self, devices: int) -> Link:
        """All-reduce over this many devices; beyond the largest number known, at the bandwidth of that one."""
        if devices in self.all_reduce:
            return self.all_reduce[devices]
        known = sorted(self.all_reduce)
        nearest = next((number for number in known if number >= devices), known[-1])
        return self.all_reduce[nearest]


def number_types(names: Any, weight_bytes: Any) -> list[NumberType]:
    """The number types of some names, or of some numbers of bytes where names are None; one for each setup."""
    if names is None:
        sizes = np.atleast_1d(np.asarray(weight_bytes, dtype=float)).ravel()
        names = [BY_BYTES.get(float(size), "bf16") for size in sizes]
    return [NUMBER_TYPES[str(name)] for name in np.atleast_1d(np.asarray(names, dtype=object)).ravel()]
