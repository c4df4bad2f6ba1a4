"""Numbers of visual tokens to choose from: `1,4,16`, a range `1:576`, or a list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from scalelaw.costs._compressor import allowed_tokens, gives_any_number
from scalelaw.costs._workload import Workload
from scalelaw.errors import InputError

MOST = 100_000
"""Numbers of visual tokens to choose from at once."""


def token_counts(visual_tokens: Any) -> np.ndarray:
    """The token counts, sorted, each once [n]. Ranges `low:high` hold both ends.

    Raises InputError for what is not a number, is not a whole one, or is below 1.
    """
    counts = np.empty(0)
    parts = (
        visual_tokens.split(",")
        if isinstance(visual_tokens, str)
        else visual_tokens
        if isinstance(visual_tokens, Iterable)
        else [visual_tokens]
    )
    for part in parts:
        low, colon, high = str(part).partition(":")
        first = _count(low)
        last = _count(high) if colon else first
        if last - first >= MOST:
            last = first + MOST
        if last < first:
            raise InputError(f"The range of visual tokens '{part}' runs backwards.", code="bad_tokens")
        counts = np.union1d(counts, np.arange(first, last + 1, dtype=float))
        if len(counts) > MOST:
            raise InputError(
                f"There are more than {MOST:,} numbers of visual tokens to choose from.",
                code="bad_tokens",
                hint="Name fewer: 1,4,16,64,256.",
            )
    if not len(counts):
        raise InputError("There are no numbers of visual tokens to choose from.", code="bad_tokens")
    return counts


def _count(text: str) -> int:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not (number >= 1 and number.is_integer() and number <= 1e7):
        raise InputError(
            f"'{text.strip()}' is not a number of visual tokens.",
            code="bad_tokens",
            hint="Token counts are whole and at least 1: 1,4,16 or 1:576. Round a mean; `scalelaw cost` takes it.",
        )
    return int(number)


def measured_counts(low: float, high: float) -> np.ndarray:
    """Every whole number from low to high [n]; where they are more than 4,096, as many evenly in the logarithm."""
    first, last = max(1, int(np.ceil(low))), max(1, int(np.floor(high)))
    if last < first:  # a law that was measured at one mean number of tokens
        return np.unique([low, high]).astype(float)
    if last - first < 4096:
        return np.arange(first, last + 1, dtype=float)
    return np.unique(np.geomspace(first, last, 4096).round())


def can_give(work: Workload, counts: np.ndarray) -> np.ndarray:
    """Which numbers of visual tokens of an image (all tiles) the compressor can give with this encoder [n].

    A compressor that gives any number gives any mean too; without an encoder or a compressor every number will do.
    """
    allowed = allowed_tokens(work.compressor, work.tower) if work.tower else None
    if allowed is None:
        return np.ones(len(counts), dtype=bool)
    each = counts / work.tiles
    if gives_any_number(work.compressor):
        return np.asarray((each >= allowed[0] / work.tiles) & (each <= allowed[-1]))
    return np.asarray(np.isclose(each[:, None], allowed[None, :], rtol=1e-9, atol=0).any(axis=1))


def refuse_tokens(work: Workload) -> InputError:
    """The refusal of a number of visual tokens that the compressor cannot give, with those that it can."""
    allowed = allowed_tokens(work.compressor, work.tower) if work.tower else None
    counts = np.empty(0) if allowed is None else work.tiles * allowed
    gives = (
        f"{counts[0]:g} to {counts[-1]:g}"
        if gives_any_number(work.compressor)
        else ", ".join(f"{n:g}" for n in counts)
    )
    return InputError(
        f"The compressor {work.compressor} can give none of the visual tokens asked.",
        code="tokens_not_allowed",
        hint=f"It gives: {gives}.",
    )
