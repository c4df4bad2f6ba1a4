"""The roofline of whole stages: two shares and an overhead for everything, for cards in the older form.

    image        max(FLOPs / (peak mfu), tower weight bytes / (bandwidth mbu))     tower, compressor, projector
    prefill      max(B FLOPs / (peak mfu), weight bytes / (bandwidth mbu))
    decode step  max(B FLOPs / (peak mfu), (weight bytes + B cache bytes) / (bandwidth mbu)), taken at the middle
                 of the answer; plus the device's overhead for every pass

Used where a card holds mfu and mbu and no constants of operators, and where --mfu or --mbu is named.
A mixture reads only the experts that its tokens meet: E (1 - (1 - k/E)^tokens) of E on average.
Source: the roofline model (Williams et al. 2009); mfu .5, mbu .8 unless given or calibrated.
Counts compute and memory traffic of weights and cache, perfectly overlapped; peak is the dense bf16 peak for every
weight type (weights are widened before use). Leaves out waiting in a queue, network, tokenising, image decoding,
communication between devices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalelaw.costs import _llm, layer_flops, memory
from scalelaw.costs._workload import Device, Workload
from scalelaw.model_shapes import LLMShape


def stages(shape: LLMShape, visual_tokens: Any, workload: Workload) -> tuple[dict[str, Any], Any]:
    """({image, question_pass, prefill}, one decode step) in seconds, of a batch served at once."""
    device = workload.device
    assert device is not None, "latency needs a device"
    visual = workload.in_prompt(visual_tokens)
    batch = np.asarray(workload.batch, dtype=float)
    image = layer_flops.vision(shape, visual_tokens, workload)
    question = image.pop("question_pass", 0 * visual)
    prompt, computed = layer_flops.prefill(shape, visual_tokens, workload)
    flops = prompt["products"] + prompt["attention"] + _llm.head(shape, 1)
    reading = read_bytes(shape, batch * computed, workload)
    inside, across = _llm.places(shape, visual_tokens, workload)
    times = {"prefill": _pass(device, batch * flops, reading)}
    if (workload.tower is not None or workload.load is not None) and workload.images > 0:
        towers = workload.encoder_params * np.asarray(workload.weight_bytes, dtype=float)
        times["image"] = _pass(device, batch * sum(image.values()), towers)
    if np.any(question > 0):
        question_bytes = read_bytes(shape, batch * workload.text_tokens, workload)
        times["question_pass"] = _pass(device, batch * question, question_bytes)
    return times, step_s(shape, workload.text_tokens + inside, workload, device, across)


def step_s(shape: LLMShape, context: Any, workload: Workload, device: Device, across: Any = 0.0) -> Any:
    """Seconds of one decode step of the batch, at the middle of the answer."""
    batch = np.asarray(workload.batch, dtype=float)
    before = context + np.maximum(workload.generate - 1, 0) / 2
    one = _llm.decode(shape, before, 1.0, across)
    cache = memory.cache_bytes(shape, before, workload, across)
    moved = read_bytes(shape, batch, workload) + batch * cache
    return _pass(device, batch * sum(one.values()), moved)


def read_bytes(shape: LLMShape, tokens: Any, workload: Workload) -> Any:
    """Bytes of the LLM's weights that a pass over some tokens reads (the input embedding is looked up, not read)."""
    fixed = (
        shape.n_params
        - shape.experts * shape.expert_params
        - (0 if shape.tied else shape.vocab * shape.width)
    )
    if shape.experts:
        met = shape.experts * (1 - (1 - shape.experts_active / shape.experts) ** tokens)
        fixed = fixed + met * shape.expert_params
    return fixed * np.asarray(workload.weight_bytes, dtype=float)


def _pass(device: Device, flops: Any, moved: Any) -> Any:
    return np.maximum(flops / device.flops_per_s, moved / device.bytes_per_s) + device.overhead_s
