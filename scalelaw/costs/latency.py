"""Latency: the operators of every pass, from the first pixel to the last token, in milliseconds.

    product     max(2 m n k / (peak of the type x share), bytes / (bandwidth x share)) + launch; from `gemm`
    attention   prefill: causal FLOPs / (peak x share) + bytes / (bandwidth x share) + launch; `context_attention`
                decode: cache bytes / (bandwidth x share) + launch; `generation_attention`
                vision: FLOPs / (peak x share) + bytes / (bandwidth x share) + launch; `encoder_attention`
    small       5 kernels a layer: launch, and bytes / (bandwidth x share); `scale_matrix`
    all-reduce  2 a layer: launch + bytes / (bytes a second), over several devices; `custom_allreduce`
    pass        layers x (products + attention + small + all-reduce) + head
    image       the encoder's pass, compressor and projector
    prefill     a pass over the prompt
    decode      a pass for each generated token, taken at the middle of the answer
    host        image_ms x megapixels + request_ms: decoding and resizing images, tokenizing, scheduling

Serving: a `batch` comes together. In a `closed` loop of B queries the time per token is step(B) + (B / generated)
(prefill + image) of one query, because the prefills of the others come between the steps; the wait before the own
prefill is half a step and the queue of M/D/1 (Pollaczek-Khinchine): steady arrivals, not a benchmark's first burst.
Source: the constants are medians of public operator tables (experiments/latency; data/latency_constants.yaml), class
defaults where a card has none; none is fitted to a served request. A card file with mfu and mbu keeps the roofline of
whole stages (costs/_roofline.py). A mixture reads only the experts that its tokens meet: E (1 - (1 - k/E)^tokens).
Counts the device's time and, with images, the host's. Leaves out the network, and pipeline and expert parallelism.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from scalelaw.costs import _compressor, _llm, _passes, _roofline, layer_flops
from scalelaw.costs._ranges import time_factors
from scalelaw.costs._serving import closed_loop
from scalelaw.costs._workload import Workload
from scalelaw.model_shapes import LLMShape

kinds = {
    "latency_ms": "milliseconds from the request to the last token, of a batch",
    "ttft_ms": "milliseconds to the first token, of a batch",
    "ms_per_token": "milliseconds between generated tokens",
}
needs = ("shape", "device")
kind_needs = {"ms_per_token": ("answer",)}


def parts(n_params: Any, shape: LLMShape, visual_tokens: Any, workload: Workload) -> dict[str, Any]:
    """Milliseconds in {image, question_pass, host, wait, prefill, decode}; of a batch, or of one query in a loop."""
    global _latest
    arguments = (shape, visual_tokens, workload)
    # prices and energies ask for the stages of the same objects again
    if _latest is None or any(mine is not its for mine, its in zip(arguments, _latest[0], strict=True)):
        _latest = arguments, _parts(*arguments)
    return dict(_latest[1])


_latest: tuple[tuple[Any, ...], dict[str, Any]] | None = None


def _parts(shape: LLMShape, visual_tokens: Any, workload: Workload) -> dict[str, Any]:
    assert workload.device is not None, "latency needs a device"
    if workload.serving == "batch":
        stages, step = _stages(shape, visual_tokens, workload)
        stages["decode"] = workload.generate * step
    else:
        alone = replace(workload, batch=1, serving="batch")

        def step_of(batch: Any) -> Any:
            return _stages(shape, visual_tokens, replace(workload, batch=batch, serving="batch"))[1]

        stages, _ = _stages(shape, visual_tokens, alone)
        work = sum(stages.values()) - stages.get("host", 0.0)
        loop = closed_loop(step_of, work, workload.generate, np.asarray(workload.batch, dtype=float))
        stages |= {"wait": loop.wait, "decode": workload.generate * loop.per_token}
    nothing = 0 * workload.in_prompt(visual_tokens)
    return {stage: 1e3 * seconds + nothing for stage, seconds in stages.items()}


def totals(parts: dict[str, Any], workload: Workload) -> dict[str, Any]:
    """The kinds of latency; between tokens, 0 where none is generated."""
    whole = sum(parts.values())
    return {
        "latency_ms": whole,
        "ttft_ms": whole - parts["decode"],
        "ms_per_token": parts["decode"] / (workload.generate or 1),
    }


def range_factors(kind: str, workload: Workload) -> tuple[float, float]:
    """What to multiply a kind with, for the 90% range of measured times."""
    return time_factors(kind, workload)


def _stages(shape: LLMShape, visual_tokens: Any, workload: Workload) -> tuple[dict[str, Any], Any]:
    """({image, question_pass, host, prefill}, one decode step) in seconds, of a batch."""
    device = workload.device
    assert device is not None
    if device.constants is None:
        return _roofline.stages(shape, visual_tokens, workload)
    one = _passes.Pass(device, workload)
    batch = np.asarray(workload.batch, dtype=float)
    inside, across = _llm.places(shape, visual_tokens, workload)
    context = workload.text_tokens + inside
    _, computed = layer_flops.prefill(shape, visual_tokens, workload)
    stages = {"prefill": _passes.prefill_s(one, shape, batch, context, computed, across)}
    image = layer_flops.vision(shape, visual_tokens, workload)
    if np.any(image.pop("question_pass", 0) > 0):
        text = np.asarray(float(workload.text_tokens))
        stages["question_pass"] = _passes.prefill_s(one, shape, batch, text, text, 0.0)
    if image and workload.images > 0:
        stages["image"] = one.vision(_vision_work(image, visual_tokens, workload), batch)
    if (host := _host_s(visual_tokens, workload)) is not None:
        stages["host"] = batch * host * one.constants.factor("host")
    middle = context + np.maximum(workload.generate - 1, 0) / 2
    return stages, _passes.step_s(one, shape, batch, middle, workload, across)


def _vision_work(image: dict[str, Any], visual_tokens: Any, workload: Workload) -> _passes.VisionWork:
    """What the encoder does for one query; where an image serves several questions, the share of one."""
    flops = sum(image.values())
    share = 1 / workload.questions_per_image
    if load := workload.load:
        layers, width = load.layers or 24.0, load.width or 1024.0
        attention = share * np.asarray(load.attention_flops, dtype=float)
        return _passes.VisionWork(flops, attention, share * load.tokens, layers, width, load.n_params)
    tower = workload.tower
    assert tower is not None
    visual = np.asarray(visual_tokens, dtype=float)
    patches = _compressor.patches_seen(workload.compressor, tower, visual / workload.tiles)
    tiles = share * workload.images * workload.tiles
    return _passes.tower_work(tower, flops, patches, tiles, workload.encoder_params)


def _host_s(visual_tokens: Any, workload: Workload) -> Any:
    """Seconds of host work for one query; None where the card's constants have none."""
    constants = workload.device.constants if workload.device else None
    if constants is None or (constants.request_ms == 0 and constants.image_ms == 0):
        return None
    megapixels: Any = 0.0
    if workload.load:
        megapixels = workload.load.megapixels
    elif workload.tower:
        megapixels = workload.images * workload.tiles * workload.tower.image**2 / 1e6
    share = 1 / workload.questions_per_image
    return 1e-3 * (constants.request_ms + constants.image_ms * share * megapixels)
