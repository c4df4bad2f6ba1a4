"""A warning of an answer: what limits it, with a code that programs can rely on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Warning(NamedTuple):
    """A code (`wide_intervals`) and a message of at most two sentences; it is also a pair (code, message)."""

    code: str
    message: str


def as_warnings(pairs: Iterable[tuple[str, str]]) -> list[Warning]:
    """Pairs (code, message) as warnings."""
    return [Warning(code, message) for code, message in pairs]
