"""FLOPs from pixels to the tokens that the LLM sees: tower, compressor, projector.

Counts products (matrices, convolutions, attention); leaves out softmax, norms, activations, pooling without
weights. Patches (what the tower sees) and visual tokens (what the LLM sees) are separate axes: compression
after the tower lowers only the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalelaw.errors import unknown
from scalelaw.ladder import TowerShape

COMPRESSORS = {"average_pool": False, "quecc": True}
"""Compressors whose cost is known in closed form, and whether they read the question."""

MULTI = 4
"""Hidden states of the tower that QueCC's keys and values see side by side (arXiv 2411.03312, section 5)."""


def tower_flops(tower: TowerShape) -> float:
    """One pass of one image (or tile): 2 n C p^2 d + 2 (n + extra) N_blk + 4 L (n + extra)^2 d."""
    n, tokens = tower.patches, tower.patches + tower.extra_tokens
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


def reads_question(compressor: str | None) -> bool:
    """Whether the compressor sees the question, so that it must pass the LLM first and nothing of it is shared.

    Raises InputError for a compressor whose cost is not known.
    """
    if compressor is None:
        return False
    if compressor not in COMPRESSORS:
        raise unknown("compressor", compressor, COMPRESSORS, code="unknown_compressor_cost")
    return COMPRESSORS[compressor]


def compressor_flops(
    compressor: str | None, width: int, patches: Any, visual_tokens: Any, text_width: int
) -> Any:
    """The compressor's own products for one image; the question's pass through the LLM is not in it.

    quecc (8 heads, MULTI hidden states), attention's key and value projections folded onto the query and the
    attended sum where that costs less (one query a window), as the compressor itself does.
    """
    if not reads_question(compressor):
        return 0.0 * np.asarray(visual_tokens, dtype=float)
    d, heads = width, next(h for h in (8, 4, 2, 1) if width % h == 0)
    text = text_width * d
    mlps = patches * (2 * d * d + 2 * (MULTI * d * d + d * d))
    convolution = patches * d
    per_token = visual_tokens * 2 * d * d
    folded = heads + d * visual_tokens / patches < d
    attention = np.where(
        folded,
        visual_tokens * 2 * d * d + 2.0 * patches * heads * d,
        patches * 2.0 * d * d + 2.0 * patches * d,
    )
    return 2.0 * (text + mlps + convolution + per_token + attention)
