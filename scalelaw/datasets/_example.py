"""What every dataset gives: one question about one image."""

from __future__ import annotations

from dataclasses import dataclass

SPLITS = ("captions", "text", "train", "dev", "test")


@dataclass(frozen=True)
class Example:
    """One question about one image; `caption` says in words what the image shows."""

    benchmark: str
    caption: str
    question: str
    answer: str
