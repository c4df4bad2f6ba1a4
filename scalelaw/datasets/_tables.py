"""Tables that questions are drawn from: an entry belongs to a thing that an image shows, and to a split or two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def kept(split: str, lots: np.ndarray) -> np.ndarray:
    """Which lots in [0, 1) a split may use: a tenth is kept for `dev`, a tenth for `test`; text tells everything."""
    if split == "text":
        return np.ones_like(lots, dtype=bool)
    allowed = {"dev": lots < 0.1, "test": lots >= 0.9}
    return allowed.get(split, (lots >= 0.1) & (lots < 0.9))


@dataclass(frozen=True)
class Table:
    """Entries, `per` of them for each thing, one thing after the other.

    frequencies, lots [entries]: how often each is drawn, and by which lot it belongs to a split (see `kept`).
    in_text: whether text tells the entries of every split; if not, those of `dev` and `test` stand nowhere else.
    """

    per: int
    frequencies: np.ndarray
    lots: np.ndarray
    in_text: bool = True

    def cumulated(self, split: str) -> np.ndarray:
        """The cumulated frequencies [entries] in a split; an entry that is kept out has none."""
        split = "train" if split == "text" and not self.in_text else split
        frequencies = np.where(kept(split, self.lots), self.frequencies, 0.0)
        cumulated: np.ndarray = np.cumsum(frequencies / frequencies.sum())
        return cumulated

    def draw(self, split: str, u: np.ndarray) -> np.ndarray:
        """An entry for each u in [0, 1)."""
        entries: np.ndarray = np.searchsorted(self.cumulated(split)[:-1], u, side="right")
        return entries

    def again(self, split: str, thing: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Another entry of the same thing, for each u in [0, 1)."""
        cumulated = self.cumulated(split)
        edges = np.concatenate([[0.0], cumulated])
        low, high = edges[thing * self.per], edges[thing * self.per + self.per]
        entries = np.searchsorted(cumulated, low + u * (high - low), side="right")
        within: np.ndarray = np.clip(entries, thing * self.per, thing * self.per + self.per - 1)
        return within
