"""FLOPs of a compressor: closed forms of the bundled ones, and the own count of any other.

Counts products (matrices, convolutions, attention); leaves out softmax, norms, activations and pooling without
weights. The question's pass through the LLM, for a compressor that reads it, is counted beside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.files.paths import bundled
from scalelaw.files.safe_load import read_yaml
from scalelaw.model_shapes import TowerShape

MULTI = 4
"""Hidden states of the tower that a compressor may see side by side (arXiv 2411.03312, section 5)."""

CLOSED_FORM = ("zero", "question_windows", "windows", "matrix", "cross_attention", "two_layers")
"""Names of the closed forms of `closed_form`, as data/compressors.yaml has them."""


@dataclass(frozen=True)
class Facts:
    """What a plan needs of a compressor without loading it.

    tokens: `windows` (one for each square window that tiles the grid), `any` (any number up to `most`, or up to the
    patches) or `all` (one for each patch). flops: its closed form. patches: how many patches the encoder makes of the
    image, `all` or one for each visual token (`tokens`).
    """

    reads_question: bool
    tokens: str
    flops: str
    most: int | None = None
    patches: str = "all"


@cache
def bundled_facts() -> dict[str, Facts]:
    """The facts of every bundled compressor, generated from their code: a plan with them needs no torch."""
    rows: dict[str, dict[str, Any]] = read_yaml(bundled("compressors.yaml"))["compressors"]
    return {name: Facts(**row) for name, row in rows.items()}


def reads_question(compressor: str | None) -> bool:
    """Whether the compressor sees the question, so that it must pass the LLM first and nothing of it is shared.

    Raises InputError for an unknown compressor.
    """
    if compressor is None:
        return False
    if facts := bundled_facts().get(compressor):
        return facts.reads_question
    return bool(_plugin(compressor).Compressor.reads_question)


def gives_any_number(compressor: str | None) -> bool:
    """Whether the compressor gives any number of tokens up to a limit, so that a mean is possible too."""
    facts = bundled_facts().get(compressor or "")
    return facts is not None and facts.tokens == "any"


def allowed_tokens(compressor: str | None, tower: TowerShape) -> np.ndarray | None:
    """The numbers of tokens that a compressor can give from one image (or tile), rising; None for any."""
    if compressor is None:
        return None
    side = math.isqrt(tower.patches)
    facts = bundled_facts().get(compressor)
    if facts is None:
        return np.array(sorted(_plugin(compressor).allowed_tokens((side, side))), dtype=float)
    return tokens_by_rule(facts, side)


def tokens_by_rule(facts: Facts, side: int) -> np.ndarray:
    """The numbers of tokens on a grid of `side` x `side` patches, rising."""
    if facts.tokens == "windows":
        return np.array([(side // k) ** 2 for k in range(side, 0, -1) if side % k == 0], dtype=float)
    if facts.tokens == "any":
        return np.arange(1.0, min(facts.most or side * side, side * side) + 1)
    return np.array([side * side], dtype=float)


def patches_seen(compressor: str | None, tower: TowerShape, visual_tokens: Any) -> Any:
    """How many patches the encoder makes of one image (or tile): all, unless the compressor makes the image smaller."""
    visual = np.asarray(visual_tokens, dtype=float)
    facts = bundled_facts().get(compressor or "")
    return visual if facts and facts.patches == "tokens" else tower.patches + 0 * visual


def compressor_flops(compressor: str | None, tower: TowerShape, visual_tokens: Any, text_width: int) -> Any:
    """The compressor's own products for one image (or tile) that becomes `visual_tokens` tokens.

    A compressor without a closed form is asked at the counts it allows; between them the answer is interpolated.
    """
    visual = np.asarray(visual_tokens, dtype=float)
    if compressor is None:
        return 0.0 * visual
    if facts := bundled_facts().get(compressor):
        return closed_form(facts.flops, tower, visual, text_width)
    counts, flops = _own_flops(compressor, tower, text_width)
    return np.interp(visual, counts, flops)


def closed_form(name: str, tower: TowerShape, visual: np.ndarray, text_width: int) -> Any:
    """FLOPs by one of `CLOSED_FORM`.

    Windows: the key and value projections of attention are folded onto the query and the attended sum where that
    costs less (one query for each window), as the compressors do.
    """
    d, patches = tower.width, tower.patches
    if name == "zero":
        return 0.0 * visual
    if name == "matrix":
        return 2.0 * patches * d * d + 0 * visual
    if name == "cross_attention":
        return _cross_attention(d, visual, patches)
    if name == "two_layers":
        return 2 * (_cross_attention(d, visual, patches + visual) + 16.0 * visual * d * d)
    keys_and_values = 2.0 * patches * 2 * (MULTI * d * d + d * d)
    if name == "windows":
        return 2.0 * visual * d * d + keys_and_values + _window_attention(d, patches, visual)
    queries = 2.0 * (text_width * d + patches * 2 * d * d + patches * d)
    return queries + keys_and_values + _window_attention(d, patches, visual)


def _window_attention(d: int, patches: int, windows: np.ndarray) -> np.ndarray:
    """One query a window over its own patches, whichever way costs less; query and output projections with it."""
    heads = next(h for h in (8, 4, 2, 1) if d % h == 0)
    folded = windows * 2 * d * d + 2.0 * patches * heads * d
    plain = patches * 2.0 * d * d + 2.0 * patches * d
    return 2.0 * (windows * 2 * d * d + np.where(heads + d * windows / patches < d, folded, plain))


def _cross_attention(d: int, queries: np.ndarray, keys: Any) -> np.ndarray:
    """All queries over all keys, with the four projections."""
    return np.asarray(2.0 * (2 * queries * d * d + 2 * keys * d * d + 2 * queries * keys * d))


@cache
def _own_flops(compressor: str, tower: TowerShape, text_width: int) -> tuple[np.ndarray, np.ndarray]:
    counts = allowed_tokens(compressor, tower)
    assert counts is not None
    side, make = math.isqrt(tower.patches), _plugin(compressor).Compressor
    shape = ((side, side), tower.width, MULTI * tower.width)
    return counts, np.array([float(make(*shape, int(count), text_width).flops()) for count in counts])


def _plugin(compressor: str) -> Any:
    module = plugins.load("compressors", compressor)
    missing = [name for name in ("Compressor", "allowed_tokens") if not hasattr(module, name)]
    if missing or not hasattr(module.Compressor, "flops"):
        raise InputError(
            f"The compressor '{compressor}' lacks {(missing or ['Compressor.flops'])[0]}.",
            code="unreadable_compressor",
        )
    return module
