"""Conventions in circulation for "the FLOPs of a VLM", and which of them gives a published number."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np

from scalelaw.costs import _llm, layer_flops
from scalelaw.costs._workload import Workload
from scalelaw.errors import InputError, unknown
from scalelaw.model_shapes import LLMShape

Count = Callable[..., float]


@dataclass(frozen=True)
class Convention:
    """count(shape, tokens, workload): the number for `tokens` tokens, image and text together (the split between
    them follows the workload's text). says: what it counts, and who uses it.
    """

    says: str
    count: Count


def _whole(shape: LLMShape, tokens: float, work: Workload, causal: bool = False) -> float:
    text = min(work.text_tokens, tokens) if work.images else tokens
    workload = replace(work, text_tokens=text)
    visual = tokens - text - (work.load.markers if work.load else 0.0)
    return float(sum(layer_flops.parts(0, shape, visual / (work.images or 1), workload, causal).values()))


def _llm_only(shape: LLMShape, tokens: float, work: Workload) -> float:
    return float(sum(_llm.prefill(shape, tokens).values()) + _llm.head(shape, tokens))


def _layer_macs(shape: LLMShape, tokens: float, matrices: int) -> float:
    d, f = shape.width, shape.feed_forward
    return 4.0 * tokens * d**2 + 2.0 * tokens**2 * d + matrices * tokens * d * f


CONVENTIONS: dict[str, Convention] = {
    "exact": Convention(
        "tower, compressor, projector, LLM, one position's head, the answer: layer_flops", _whole
    ),
    "all-logits": Convention(
        "as exact, with the head at every position: a plain forward pass",
        lambda shape, tokens, work: _whole(shape, tokens, work) + float(_llm.head(shape, tokens - 1)),
    ),
    "useful-causal": Convention(
        "as exact, of attention only the pairs that the causal mask keeps",
        lambda shape, tokens, work: _whole(shape, tokens, work, causal=True),
    ),
    "2N": Convention(
        "2 N a token, N all parameters of the LLM", lambda shape, tokens, work: 2.0 * shape.n_params * tokens
    ),
    "fastv": Convention(
        "multiply-accumulates of ONE layer, a feed-forward of two matrices (FastV, arXiv 2403.06764, section 4.2)",
        lambda shape, tokens, work: _layer_macs(shape, tokens, 2),
    ),
    "pyramiddrop": Convention(
        "multiply-accumulates of all layers, a feed-forward of three matrices (PyramidDrop, arXiv 2410.17247)",
        lambda shape, tokens, work: shape.layers * _layer_macs(shape, tokens, 3),
    ),
    "vtw": Convention("the LLM alone, the head at every position (VTW, arXiv 2405.05803)", _llm_only),
}


def flops_by(convention: str, shape: LLMShape, tokens: float, work: Workload) -> float:
    """The number that a convention gives for `tokens` tokens. Raises InputError for an unknown convention."""
    if convention not in CONVENTIONS:
        raise unknown("convention", convention, CONVENTIONS)
    return CONVENTIONS[convention].count(shape, tokens, work)


def explain(
    value: str | float, shape: LLMShape, work: Workload, visual_tokens: float = 576
) -> list[dict[str, Any]]:
    """Which convention and length give a published number, the likeliest first.

    value: as printed (`3.82e12`, `8.48T`): its digits say how exactly it must be met. visual_tokens: of one image.
    Each answer: {convention, says, tokens (whole), exact_tokens, value (at `tokens`), digits_met, known_length}.
    known_length: the length is that of all images' visual tokens, with or without the text. First those whose digits
    are met at a known length, then by how near the length lies to one.
    Raises InputError for a value that is not a positive number.
    """
    number, half = _printed(value)
    images = work.images * visual_tokens
    known = [length for length in (images, images + work.text_tokens) if length > 0] or [1.0]
    answers = []
    for name, convention in CONVENTIONS.items():
        for scale, unit in ((1.0, ""), (0.5, ", halved: multiply-accumulates")):
            if scale != 1 and name in ("fastv", "pyramiddrop"):
                continue
            length = _length(partial(convention.count, shape, work=work), number / scale)
            if length is None:
                continue
            tokens = min(
                (t for t in known if abs(t - length) < 1),
                key=lambda t: abs(t - length),
                default=round(length),
            )
            at = scale * convention.count(shape, max(tokens, 1), work)
            answers.append({
                "convention": name,
                "says": convention.says + unit,
                "tokens": float(max(tokens, 1)),
                "exact_tokens": length,
                "value": at,
                "digits_met": abs(at - number) <= half,
                "known_length": tokens in known,
                "_far": min(abs(np.log(length / t)) for t in known),
            })  # fmt: skip
    answers.sort(key=lambda a: (not (a["digits_met"] and a["known_length"]), not a["digits_met"], a["_far"]))
    return [{key: workload for key, workload in answer.items() if key != "_far"} for answer in answers]


def _length(count: Callable[[float], float], value: float) -> float | None:
    if not count(1.0) <= value <= count(1e7):
        return None
    # here, as its import takes longer than a plan
    from scipy.optimize import brentq

    return float(brentq(lambda tokens: count(tokens) - value, 1.0, 1e7, xtol=1e-9))


def _printed(value: str | float) -> tuple[float, float]:
    """The number and half a unit of its last printed digit."""
    text = f"{Decimal(repr(float(value))).normalize():E}" if isinstance(value, float) else str(value)
    match = re.fullmatch(r"\s*(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?\s*([kMGBT]?)(?:FLOPs?|MACs?)?\s*", text)
    if (
        not match
        or len(match[3] or "") > 4
        or not 0 < float(f"{match[1]}.{match[2] or 0}e{match[3] or 0}") < 1e100
    ):
        raise InputError(
            f"'{value}' is not a number of FLOPs.", code="bad_value", hint="E.g. 3.82e12 or 3.82T."
        )
    scale = 10.0 ** int(match[3] or 0) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}[match[4]]
    digits = match[2] or ""
    number = float(f"{match[1]}.{match[2] or 0}") * scale
    unit = 10.0 ** -len(digits) * scale
    if not match[2] and not match[3] and not match[4]:
        unit *= 10.0 ** (len(match[1]) - len(match[1].rstrip("0")))
    return number, unit / 2 * (1 + 1e-9)
