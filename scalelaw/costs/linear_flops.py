"""Linear FLOPs: 2 N (Q + V + G), the cost of the published law.

N parameters, Q text tokens, V visual tokens, G generated tokens: each token meets each parameter in one
multiply and one add. Source: arXiv 2411.03312, section 3.2 (Q + V), with the generated tokens added.
V is of every image, and is shared by the questions asked of one (unless the compressor reads the question); a cached
prefix is not computed again. Of a mixture whose shape is known, N is what one token meets, whatever the law counts.
Counts the LLM's products with its weights. Leaves out attention over the context, the vision tower, the
compressor and the projector; counts the embedding if N does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalelaw.costs import _compressor
from scalelaw.costs._workload import Workload

kinds = {"flops": "FLOPs per query"}
needs: tuple[str, ...] = ()


def parts(n_params: Any, shape: Any, visual_tokens: Any, workload: Workload) -> dict[str, Any]:
    """FLOPs of one query, {visual, text, generated}; n_params and visual_tokens broadcast."""
    met = n_params if shape is None or not shape.experts else shape.active_params
    per_token = 2.0 * np.asarray(met, dtype=float)
    reads = _compressor.reads_question(workload.compressor)
    images = workload.images / (1 if reads else workload.questions_per_image)
    return {
        "visual": per_token * images / workload.images * workload.in_prompt(visual_tokens)
        if workload.images
        else 0.0 * per_token * np.asarray(visual_tokens, dtype=float),
        "text": per_token * (1 - workload.cached_prefix) * workload.text_tokens,
        "generated": per_token * workload.generate,
    }
