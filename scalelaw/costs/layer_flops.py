"""Layer FLOPs: one query from pixels to its last token, layer by layer.

    prefill(T) = 2 T N_blk + 4 L h hd T^2 + 2 d vocab            T = text + images x visual tokens
    decode(G)  = 2 G N_blk + 4 L h hd (G T + G (G+1)/2) + 2 G d vocab
    tower      = 2 n C p^2 d_v + 2 (n + cls) N_tower + 4 L_v (n + cls)^2 d_v, once a tile
    compressor, its question's pass prefill(Q), projector = 2 V (d_v d + d^2)

Source: the architectures' definitions; tested against torch's flop counter to the last digit, component by component.
Counts products with weights, attention's two products, convolutions. Leaves out softmax, norms, activations,
rotations, look-ups and sampling (together under 0.5%), and whatever a kernel computes and throws away.
Attention is counted as commonly computed, every query with every key (see costs/_llm.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalelaw.costs import _compressor, _llm, _vision
from scalelaw.costs._workload import Workload
from scalelaw.model_shapes import LLMShape

kinds = {"flops": "FLOPs per query"}
needs = ("shape",)


def parts(
    n_params: Any, shape: LLMShape, visual_tokens: Any, workload: Workload, causal: bool = False
) -> dict[str, Any]:
    """FLOPs of one query, part by part, in the shape of visual_tokens."""
    prompt, done = prefill(shape, visual_tokens, workload, causal)
    inside, across = _llm.places(shape, visual_tokens, workload)
    answer = _llm.decode(shape, workload.text_tokens + inside, workload.generate, across)
    return {
        **vision(shape, visual_tokens, workload, causal),
        "prefill_products": prompt["products"],
        "prefill_attention": prompt["attention"],
        "head": _llm.head(shape, 1.0) + 0 * done,
        "decode_products": answer["products"] + answer["head"],
        "decode_attention": answer["attention"],
    }


def vision(shape: LLMShape, visual_tokens: Any, workload: Workload, causal: bool = False) -> dict[str, Any]:
    """FLOPs before the LLM sees the images, per query; the tower's work is shared by the questions of an image."""
    if workload.load is not None:
        share = 1 / workload.questions_per_image
        nothing = 0 * np.asarray(visual_tokens, dtype=float)
        return {
            "tower": share * workload.load.tower_flops + nothing,
            "projector": share * workload.load.projector_flops + nothing,
        }
    if workload.tower is None:
        return {}
    tower, images = workload.tower, workload.images
    visual = np.asarray(visual_tokens, dtype=float)
    reads = _compressor.reads_question(workload.compressor)
    share = images if reads else images / workload.questions_per_image
    question = _llm.prefill(shape, workload.text_tokens, causal=causal) if reads else {}
    patches = _compressor.patches_seen(workload.compressor, tower, visual / workload.tiles)
    return {
        "tower": images * workload.tiles / workload.questions_per_image * _vision.tower_flops(tower, patches),
        "compressor": share
        * workload.tiles
        * _compressor.compressor_flops(workload.compressor, tower, visual / workload.tiles, shape.width),
        "question_pass": sum(question.values()) + 0 * visual,
        "projector": share * _vision.projector_flops(tower.width, shape.width, visual),
    }


def prefill(
    shape: LLMShape, visual_tokens: Any, workload: Workload, causal: bool = False
) -> tuple[dict[str, Any], Any]:
    """{products, attention} of the mean prompt, and how many of its tokens are computed.

    A cached prefix is not computed again; neither are an image's tokens for the second and later questions about
    it, unless the compressor made them for the question.
    """
    inside, across = _llm.places(shape, visual_tokens, workload)
    total, cached = workload.text_tokens + inside, workload.cached_prefix * workload.text_tokens
    first = _llm.prefill(shape, total, cached, causal, across)
    if workload.questions_per_image == 1 or _compressor.reads_question(workload.compressor):
        return first, total - cached
    later = _llm.prefill(shape, total, cached + inside, causal, across, keys_known=True)
    share = 1 / workload.questions_per_image
    mean = {part: share * first[part] + (1 - share) * later[part] for part in first}
    return mean, total - cached - (1 - share) * inside
