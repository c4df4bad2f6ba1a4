"""Seconds of a forward pass, as the sum of its products, its attention, its small kernels and its all-reduces.

    product      max(2 m n k / (peak x share), (weights + activations) / (bandwidth x share)) + launch
    attention    decode: cache / (bandwidth x share) + launch; prefill and vision: FLOPs / (peak x share)
                 + what is read and written / (bandwidth x share) + launch
    small        5 kernels a layer: launch + what is read and written / (bandwidth x share)
    all-reduce   2 a layer over several devices: launch + 2 m width / (bytes a second)
    head         one product in bf16; its weights are not narrowed

m: tokens of the pass. Tensor parallelism divides n of the first and k of the second product of each pair by the number
of devices; a device has at least one key-value head. Source of the shares and launches: `Constants`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalelaw.costs import _llm, memory
from scalelaw.costs._constants import NumberType, Rate, number_types
from scalelaw.costs._workload import Device, Workload
from scalelaw.model_shapes import LLMShape, TowerShape

SMALL_KERNELS = 5
"""A layer's kernels beside products and attention: two norms, rotation, cache write, activation."""

BF16 = 2.0


class Pass:
    """The seconds of passes of one model on one device; arrays of setups [S] broadcast last."""

    def __init__(self, device: Device, workload: Workload) -> None:
        assert device.constants is not None
        self.device, self.constants = device, device.constants
        self.types = number_types(workload.weight_type, workload.weight_bytes)
        self.cache_bytes = np.asarray(workload.cache_bytes, dtype=float)
        self.parallel = device.count

    def llm(
        self,
        shape: LLMShape,
        tokens: Any,
        attention: Any,
        positions: Any,
        *,
        across: Any = 0.0,
        stage: str = "prefill",
    ) -> Any:
        """One pass of the LLM over `tokens` tokens of a batch; `attention`: its seconds; positions: of the head."""
        products = sum(self._product(*one) for one in layer_products(shape, tokens, across, self.parallel))
        layers = shape.layers + shape.cross_layers
        small = layers * self._small(shape, tokens)
        head = self._matrix(positions, shape.vocab / self.parallel, shape.width, 1.0, (_BF16,))
        reduced = self.all_reduces(layers, tokens * shape.width * BF16)
        scale = self.constants.factor(stage)
        return scale * (products + attention + small + head) + reduced

    def decode_attention(self, shape: LLMShape, cached_bytes: Any) -> Any:
        """Attention of one step that reads this many bytes of cache."""
        rate = _of(
            self.constants.decode_attention, ("fp8", "bf16") if np.all(self.cache_bytes <= 1) else ("bf16",)
        )
        layers = shape.layers + shape.cross_layers
        shared = max(1 / self.parallel, 1 / shape.kv_heads)
        moved = cached_bytes * shared / (self.device.bandwidth_bytes * rate.bandwidth)
        return moved + layers * rate.launch_us * 1e-6

    def prefill_attention(self, shape: LLMShape, flops: Any, tokens: Any, batch: Any) -> Any:
        """Causal attention of a batch of prompts, each with these FLOPs over these tokens."""
        rate = self.constants.prefill_attention
        layers = shape.layers + shape.cross_layers
        moved = batch * tokens * layers * 2.0 * BF16 * shape.head_size * (shape.heads + shape.kv_heads)
        return self._attention(rate, batch * flops / self.parallel, moved / self.parallel, layers)

    def vision(self, tower: VisionWork, batch: Any) -> Any:
        """One pass of the encoder, compressor and projector over the images of a batch of queries."""
        tokens = batch * tower.tokens
        weights = tower.n_params * BF16
        flops = batch * (tower.flops - tower.attention_flops)
        rate = _of(self.constants.products, ("bf16",))
        peak = self.device.peak("bf16") * rate.compute
        compute, moved = flops / peak, weights / (self.device.bandwidth_bytes * rate.bandwidth)
        launches = tower.layers * (4 * rate.launch_us + SMALL_KERNELS * self.constants.small_kernel.launch_us)
        read = tokens * tower.layers * BF16 * 14 * tower.width
        own = self.constants.vision_attention
        attention = self._attention(
            own, batch * tower.attention_flops, tower.layers * tokens * 4 * BF16 * tower.width, tower.layers
        )
        small = read / (self.device.bandwidth_bytes * self.constants.small_kernel.bandwidth)
        busy = np.maximum(compute, moved) + launches * 1e-6 + attention + small
        return self.constants.factor("image") * np.where(tower.flops > 0, busy, 0.0)

    def _attention(self, rate: Rate, flops: Any, moved: Any, layers: float) -> Any:
        compute = flops / (self.device.peak("bf16") * rate.compute)
        return (
            compute + moved / (self.device.bandwidth_bytes * rate.bandwidth) + layers * rate.launch_us * 1e-6
        )

    def all_reduces(self, layers: float, message_bytes: Any) -> Any:
        """The two all-reduces of every layer; none on one device."""
        if self.parallel == 1:
            return 0.0 * np.asarray(message_bytes, dtype=float)
        link = self.constants.link(self.parallel)
        once = link.launch_us * 1e-6 + message_bytes / (link.gb_s * 1e9)
        return self.constants.factor("all_reduce") * 2 * layers * once

    def _small(self, shape: LLMShape, tokens: Any) -> Any:
        rate = self.constants.small_kernel
        wide = 3 * shape.feed_forward * max(shape.experts_active, 1) + 3 * shape.shared
        heads = 2 * (shape.heads + 2 * shape.kv_heads) * shape.head_size
        moved = BF16 * tokens * (8 * shape.width + (heads + wide) / self.parallel)
        return SMALL_KERNELS * rate.launch_us * 1e-6 + moved / (self.device.bandwidth_bytes * rate.bandwidth)

    def _product(self, m: Any, n: float, k: float, times: Any, read: Any, launches: float) -> Any:
        return launches * self._launch() + times * self._matrix(m, n, k, read, self.types, launch=False)

    def _launch(self) -> Any:
        return _per_setup([_of(self.constants.products, kind.rates).launch_us * 1e-6 for kind in self.types])

    def _matrix(
        self, m: Any, n: float, k: float, read: Any, types: Sequence[NumberType], *, launch: bool = True
    ) -> Any:
        """m x k by k x n; read: how many such matrices the weights are, of which each token meets one."""
        rates = [_of(self.constants.products, kind.rates) for kind in types]
        peaks = _per_setup([
            self.device.peak(*kind.compute) * rate.compute for kind, rate in zip(types, rates, strict=True)
        ])  # fmt: skip
        band = _per_setup([self.device.bandwidth_bytes * rate.bandwidth for rate in rates])
        weights = _per_setup([kind.weight_bytes for kind in types])
        activations = _per_setup([kind.activation_bytes for kind in types])
        moved = read * n * k * weights + m * k * activations + m * n * BF16
        seconds = np.maximum(2.0 * m * n * k / peaks, moved / band)
        return seconds + (_per_setup([rate.launch_us * 1e-6 for rate in rates]) if launch else 0.0)


@dataclass(frozen=True)
class VisionWork:
    """What the encoder does for one query: FLOPs, those of attention among them, tokens, layers, width, parameters."""

    flops: Any
    attention_flops: Any
    tokens: Any
    layers: float
    width: float
    n_params: float


def layer_products(
    shape: LLMShape, tokens: Any, across: Any, parallel: int
) -> list[tuple[Any, float, float, float, Any, float]]:
    """(m, n, k, times, matrices read, launches) of every product of all layers, on one of `parallel` devices."""
    if shape.counted:
        side = (shape.block_params / max(shape.layers, 1) / 4) ** 0.5
        return [(tokens, side / parallel, side, 4.0 * shape.layers, 1.0, 4.0 * shape.layers)]
    layers, d, hd = shape.layers + shape.cross_layers, shape.width, shape.head_size
    keys = max(shape.kv_heads / parallel, 1.0)
    query = shape.heads / parallel
    products = [
        (tokens, (query + 2 * keys) * hd, d, float(layers), 1.0, float(layers)),
        (tokens, d, query * hd, float(layers), 1.0, float(layers)),
    ]
    first = 2 if shape.gated else 1

    def feed_forward(times: float, wide: float, read: Any = 1.0, m: Any = tokens) -> None:
        products.append((m, first * wide / parallel, d, times, read, times))
        products.append((m, d, wide / parallel, times, read, times))

    if not shape.experts:
        feed_forward(float(layers), shape.feed_forward)
        return products
    mixtures = float(shape.layers - shape.dense_layers)
    met = shape.experts * (1 - (1 - shape.experts_active / shape.experts) ** tokens)
    feed_forward(mixtures, shape.feed_forward, met, tokens * shape.experts_active)
    if shape.shared:
        feed_forward(mixtures, shape.shared)
    if shape.dense_layers:
        feed_forward(float(shape.dense_layers), shape.dense_feed_forward)
    return products


def prefill_s(one: Pass, shape: LLMShape, batch: Any, prompt: Any, computed: Any, across: Any) -> Any:
    """Seconds of the prefill of a batch of prompts, `computed` tokens of each not cached."""
    flops = _llm.prefill(shape, prompt, prompt - computed, causal=True, across=across)["attention"]
    attention = one.prefill_attention(shape, flops, computed, batch)
    return one.llm(shape, batch * computed, attention, batch, across=across)


def step_s(one: Pass, shape: LLMShape, batch: Any, context: Any, workload: Workload, across: Any) -> Any:
    """Seconds of one decode step of a batch, each query with `context` tokens before."""
    cached = batch * memory.cache_bytes(shape, context, workload, across)
    return one.llm(shape, batch, one.decode_attention(shape, cached), batch, across=across, stage="decode")


def tower_work(tower: TowerShape, flops: Any, patches: Any, tiles: float, n_params: float) -> VisionWork:
    """The work of a tower on some tiles of `patches` patches, with the FLOPs of all that comes with it."""
    tokens = np.asarray(patches, dtype=float) + tower.extra_tokens
    attention = 0.0 if tower.counted else tiles * 4.0 * tower.layers * tokens**2 * tower.width
    return VisionWork(
        flops, np.minimum(attention, flops), tiles * tokens, tower.layers, tower.width, n_params
    )


def _of(rates: Any, names: tuple[str, ...]) -> Rate:
    rate: Rate = next((rates[name] for name in names if name in rates), rates["bf16"])
    return rate


def _per_setup(values: list[float]) -> Any:
    """A number for one setup, an array [S] for several."""
    return values[0] if len(values) == 1 else np.array(values)


_BF16 = number_types("bf16", None)[0]
