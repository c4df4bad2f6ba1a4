"""FLOPs from pixels to the tokens that the LLM sees: tower and projector (the compressor has its own file).

Counts products (matrices, convolutions, attention); leaves out softmax, norms, activations, pooling without
weights. Patches (what the tower sees) and visual tokens (what the LLM sees) are separate axes: compression
after the tower lowers only the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalelaw.errors import InputError
from scalelaw.model_shapes import TowerShape


def tower_flops(tower: TowerShape, patches: Any = None) -> Any:
    """One pass of one image (or tile): 2 n C p^2 d + 2 (n + extra) N_blk + 4 L (n + extra)^2 d.

    patches: n, where the image is made smaller; None for the tower's own. Raises InputError for a smaller image of
    an encoder that was counted at its own size.
    """
    if tower.counted:
        if patches is not None and np.any(np.asarray(patches) != tower.patches):
            raise InputError(
                f"{tower.name} was counted at {tower.patches} patches only.",
                code="cannot_count",
                hint="Name an encoder with a closed form: scalelaw list towers.",
            )
        return tower.counted[1] + 0.0 * (0 if patches is None else patches)
    n = tower.patches if patches is None else patches
    tokens = n + tower.extra_tokens
    patching = 2.0 * n * tower.channels * tower.patch**2 * tower.width
    return patching + 2.0 * tokens * tower.block_params + 4.0 * tower.layers * tokens**2 * tower.width


def pooled_head_flops(tower: TowerShape) -> float:
    """The head on the tower's pooled output (CLIP's projection, SigLIP's attention pool); no VLM runs it."""
    d, n = tower.width, tower.patches
    pool = (
        2.0 * (2 * n * d * d + 2 * d * d + 2 * n * d + 2 * d * tower.feed_forward)
        if tower.attention_pool
        else 0.0
    )
    return pool + 2.0 * d * tower.projection


def projector_flops(tower_width: int, llm_width: int, visual_tokens: Any) -> Any:
    """Linear(d_v -> d), GELU, Linear(d -> d) at every visual token."""
    return 2.0 * visual_tokens * (tower_width * llm_width + llm_width**2)


def projector_params(tower_width: int, llm_width: int) -> int:
    """Parameters of the projector, biases included."""
    return tower_width * llm_width + llm_width**2 + 2 * llm_width
