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
from scalelaw.model_shapes import TowerShape

MULTI = 4
"""Hidden states of the tower that a compressor may see side by side (arXiv 2411.03312, section 5)."""

WINDOWED = ("average_pool", "downsample", "pixel_shuffle", "quecc", "token_packer")
"""Compressors that give one token for each square window of the grid."""

MOST = {"attention_prune": None, "matryoshka_query": 256, "resampler": None}
"""Compressors that give any number of tokens, and the most that they give (None: as many as there are patches)."""

CLOSED = (*WINDOWED, *MOST, "none")
"""Compressors with a closed form: a plan with them needs no torch."""


def reads_question(compressor: str | None) -> bool:
    """Whether the compressor sees the question, so that it must pass the LLM first and nothing of it is shared.

    Raises InputError for one that is not in the drawer.
    """
    if compressor is None or compressor in CLOSED:
        return compressor == "quecc"
    return bool(_drawer(compressor).Compressor.reads_question)


def allowed_tokens(compressor: str | None, tower: TowerShape) -> np.ndarray | None:
    """The numbers of tokens that a compressor can give from one image (or tile), rising; None for any."""
    if compressor is None:
        return None
    side = math.isqrt(tower.patches)
    if compressor in WINDOWED:
        return np.array([(side // k) ** 2 for k in range(side, 0, -1) if side % k == 0], dtype=float)
    if compressor in MOST:
        return np.arange(1.0, min(MOST[compressor] or side * side, side * side) + 1)
    if compressor == "none":
        return np.array([side * side], dtype=float)
    return np.array(sorted(_drawer(compressor).allowed_tokens((side, side))), dtype=float)


def patches_seen(compressor: str | None, tower: TowerShape, visual_tokens: Any) -> Any:
    """How many patches the tower makes of one image (or tile): all, but for `downsample`, which makes it smaller."""
    visual = np.asarray(visual_tokens, dtype=float)
    return visual if compressor == "downsample" else tower.patches + 0 * visual


def compressor_flops(compressor: str | None, tower: TowerShape, visual_tokens: Any, text_width: int) -> Any:
    """The compressor's own products for one image (or tile) that becomes `visual_tokens` tokens.

    quecc and token_packer: attention's key and value projections are folded onto the query and the attended sum where
    that costs less (one query a window), as the compressors do. A compressor without a closed form is asked at the
    counts it allows; between them the answer is interpolated.
    """
    visual, d, patches = np.asarray(visual_tokens, dtype=float), tower.width, tower.patches
    if compressor in (None, "average_pool", "downsample", "attention_prune", "none"):
        return 0.0 * visual
    keys_and_values = 2.0 * patches * 2 * (MULTI * d * d + d * d)
    if compressor == "quecc":
        queries = 2.0 * (text_width * d + patches * 2 * d * d + patches * d)
        return queries + keys_and_values + _window_attention(d, patches, visual)
    if compressor == "token_packer":
        return 2.0 * visual * d * d + keys_and_values + _window_attention(d, patches, visual)
    if compressor == "pixel_shuffle":
        return 2.0 * patches * d * d + 0 * visual
    if compressor == "matryoshka_query":
        return _cross_attention(d, visual, patches)
    if compressor == "resampler":
        return 2 * (_cross_attention(d, visual, patches + visual) + 16.0 * visual * d * d)
    counts, flops = _asked(str(compressor), tower, text_width)
    return np.interp(visual, counts, flops)


def _window_attention(d: int, patches: int, windows: np.ndarray) -> np.ndarray:
    """One query a window over its own patches, whichever way costs less; query and output projections with it."""
    heads = next(h for h in (8, 4, 2, 1) if d % h == 0)
    folded = windows * 2 * d * d + 2.0 * patches * heads * d
    plain = patches * 2.0 * d * d + 2.0 * patches * d
    return 2.0 * (windows * 2 * d * d + np.where(heads + d * windows / patches < d, folded, plain))


def _cross_attention(d: int, queries: np.ndarray, keys: Any) -> np.ndarray:
    """All queries over all keys, with the four projections."""
    return 2.0 * (2 * queries * d * d + 2 * keys * d * d + 2 * queries * keys * d)


@cache
def _asked(compressor: str, tower: TowerShape, text_width: int) -> tuple[np.ndarray, np.ndarray]:
    counts = allowed_tokens(compressor, tower)
    assert counts is not None
    side, make = math.isqrt(tower.patches), _drawer(compressor).Compressor
    shape = ((side, side), tower.width, MULTI * tower.width)
    return counts, np.array([float(make(*shape, int(count), text_width).flops()) for count in counts])


def _drawer(compressor: str) -> Any:
    module = plugins.load("compressors", compressor)
    missing = [name for name in ("Compressor", "allowed_tokens") if not hasattr(module, name)]
    if missing or not hasattr(module.Compressor, "flops"):
        raise InputError(
            f"The compressor '{compressor}' lacks {(missing or ['Compressor.flops'])[0]}.",
            code="unreadable_compressor",
        )
    return module
