"""Custom shapes: small models by width and layers, and a model of about a given size."""

from __future__ import annotations

import re
from dataclasses import replace

from scalelaw.errors import InputError
from scalelaw.model_shapes.shapes import LLMShape


def custom_shape(spec: str, vocab: int) -> LLMShape:
    """The shape of a small model named 'WIDTHxLAYERS', e.g. '64x2': heads of 8 (16 from width 128 on, 64 from 512 on),
    gated feed-forward of 8/3 the width rounded up to a multiple of 8, tied embeddings.

    Raises InputError where the name is not of that form or the width is no multiple of the head size.
    """
    match = re.fullmatch(r"(\d{1,9})x(\d{1,9})", spec)
    if not match:
        raise InputError(
            f"'{spec[:80]}' is not a model size.",
            code="bad_rung",
            hint="Write WIDTHxLAYERS (e.g. 64x2), or give the folder of a pretrained model.",
        )
    width, layers = int(match[1]), int(match[2])
    head = 64 if width >= 512 else 16 if width >= 128 else 8
    if width < head or width % head or layers < 1:
        raise InputError(
            f"The width of '{spec}' must be a positive multiple of {head}, with at least one layer.",
            code="bad_rung",
        )
    feed_forward = -(-8 * width // 24) * 8
    return LLMShape(spec, layers, width, width // head, width // head, head, feed_forward, vocab, tied=True)


def made_for_size(n_params: float) -> LLMShape:
    """The shape of a model of about this many parameters: width 128 times the layers, heads of 128 (64 below a width
    of 512), gated feed-forward of 8/3 the width, a vocabulary of 32,000, tied. Raises InputError below 5 M.
    """
    if n_params < 5e6:
        raise InputError(
            f"A model of {n_params:g} parameters is too small: the smallest has 5e6.", code="bad_rung"
        )
    vocab = 32000
    shapes = []
    for width in range(64, 32768, 64):
        head = 128 if width >= 512 and width % 128 == 0 else 64
        feed_forward = -(-8 * width // 192) * 64
        layer = 4 * width**2 + 3 * width * feed_forward + 2 * width
        layers = round((n_params - vocab * width) / layer)
        if layers >= 1:
            shape = LLMShape(
                "", layers, width, width // head, width // head, head, feed_forward, vocab, tied=True
            )
            shapes.append(
                (abs(layers - width / 128) / (width / 128) + 5 * abs(shape.n_params / n_params - 1), shape)
            )
        elif shapes:
            break
    best = min(shapes, key=lambda pair: pair[0])[1]
    return replace(best, name=f"{best.width}x{best.layers}")
