"""FLOPs of a compressor: closed forms of those that every plan may ask, and what any other in the drawer says itself.

Counts products (matrices, convolutions, attention); leaves out softmax, norms, activations and pooling without
weights. The question's pass through the LLM, for a compressor that reads it, is counted beside.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.ladder import TowerShape

CLOSED = {"average_pool": False, "quecc": True}
"""Compressors with a closed form, and whether they read the question; they need no torch."""

MULTI = 4
"""Hidden states of the tower that a compressor may see side by side (arXiv 2411.03312, section 5)."""


def reads_question(compressor: str | None) -> bool:
    """Whether the compressor sees the question, so that it must pass the LLM first and nothing of it is shared.

    Raises InputError for one that is not in the drawer.
    """
    if compressor is None:
        return False
    return CLOSED[compressor] if compressor in CLOSED else bool(_drawer(compressor).Compressor.reads_question)


def allowed_tokens(compressor: str | None, tower: TowerShape) -> np.ndarray | None:
    """The numbers of tokens that a compressor can give from one image (or tile), rising; None for any."""
    if compressor is None:
        return None
    side = math.isqrt(tower.patches)
    if compressor in CLOSED:
        return np.array([(side // k) ** 2 for k in range(side, 0, -1) if side % k == 0], dtype=float)
    return np.array(sorted(_drawer(compressor).allowed_tokens((side, side))), dtype=float)


def compressor_flops(compressor: str | None, tower: TowerShape, visual_tokens: Any, text_width: int) -> Any:
    """The compressor's own products for one image (or tile) that becomes `visual_tokens` tokens.

    quecc: attention's key and value projections are folded onto the query and the attended sum where that costs
    less (one query a window), as the compressor does. A compressor without a closed form is asked at the counts it
    allows; between them the answer is interpolated.
    """
    visual = np.asarray(visual_tokens, dtype=float)
    if compressor is None or compressor == "average_pool":
        return 0.0 * visual
    if compressor == "quecc":
        return _quecc(tower.width, tower.patches, visual, text_width)
    counts, flops = _asked(compressor, tower, text_width)
    return np.interp(visual, counts, flops)


def _quecc(d: int, patches: int, visual: np.ndarray, text_width: int) -> np.ndarray:
    heads = next(h for h in (8, 4, 2, 1) if d % h == 0)
    mlps = patches * (2 * d * d + 2 * (MULTI * d * d + d * d))
    folded = visual * 2 * d * d + 2.0 * patches * heads * d
    plain = patches * 2.0 * d * d + 2.0 * patches * d
    attention = np.where(heads + d * visual / patches < d, folded, plain)
    return 2.0 * (text_width * d + mlps + patches * d + visual * 2 * d * d + attention)


@cache
def _asked(compressor: str, tower: TowerShape, text_width: int) -> tuple[np.ndarray, np.ndarray]:
    counts = allowed_tokens(compressor, tower)
    assert counts is not None
    side, make = math.isqrt(tower.patches), _drawer(compressor).Compressor
    built = [make((side, side), tower.width, MULTI * tower.width, int(count), text_width) for count in counts]
    return counts, np.array([float(module.flops()) for module in built])


def _drawer(compressor: str) -> Any:
    module = plugins.load("compressors", compressor)
    missing = [name for name in ("Compressor", "allowed_tokens") if not hasattr(module, name)]
    if missing or not hasattr(module.Compressor, "flops"):
        raise InputError(
            f"The compressor '{compressor}' lacks {(missing or ['Compressor.flops'])[0]}.",
            code="unreadable_compressor",
        )
    return module
