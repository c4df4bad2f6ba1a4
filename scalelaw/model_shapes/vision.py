"""The vision side of a model: encoder and projector, in closed form, for images of any size.

    FLOPs = 2 (sum over parts: weights x what they meet + pair x pairs of tokens that attend to each other)

1 FLOP = one multiply or one add. Counts products with matrices, convolutions, and attention's two products as commonly
computed (every query with every key of its window). Leaves out softmax, norms, activations, rotations and the
interpolation of positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

TOWER, PROJECTOR = "tower", "projector"


class Seen(Protocol):
    """What an encoder sees of an image, as the families count it (`families._contract.Counted`)."""

    @property
    def patches(self) -> int: ...
    @property
    def visual_tokens(self) -> int: ...
    @property
    def tiles(self) -> int: ...
    @property
    def resized_width(self) -> int: ...
    @property
    def resized_height(self) -> int: ...
    @property
    def views(self) -> tuple[tuple[int, int, int], ...]: ...
    @property
    def pooled(self) -> int: ...


Work = Callable[[int, int], float]
"""Multiply-adds of one view, from its rows and columns of patches."""


@dataclass(frozen=True)
class Part:
    """Matrices that meet the same tokens, and the attention among them.

    Attributes:
        name: `tower` or `projector`.
        on: what each weight meets `times` times: `patch`, `token` (patches and class tokens), `merged` (squares of
            patches that become one token), `visual_token`, `pooled` (patches, as often as they are pooled), `tile`,
            `image`, or `nothing`.
        weights: of the matrices, over all layers.
        vectors: other parameters: norms, biases, positions.
        pair: multiply-adds of one query with one key in both products of attention, over all layers.
        within: which tokens attend to each other: those of a `tile`, of an `image` (of each step of a video), or of a
            `window`; `query`: one query attends to each tile; `pooled`: each
            merged token to its tile; `fixed`: `pair` holds every pair of what `on` names.
        work: further multiply-adds of each view, for layers whose tokens are not those of the encoder.
    """

    name: str
    on: str
    weights: int
    vectors: int = 0
    pair: int = 0
    within: str = "tile"
    times: int = 1
    work: Work | None = None


@dataclass(frozen=True)
class VisionShape:
    """Encoder and projector of a model.

    Attributes:
        name: of the encoder.
        parts: of encoder and projector.
        width: of the encoder.
        patch: pixels along a side of a patch.
        merge: patches along a side that become one token.
        window: patches along a side of a window, where layers have one.
        extra_tokens: class and register tokens of a tile.
    """

    name: str
    parts: tuple[Part, ...]
    width: int
    patch: int
    merge: int = 1
    window: int = 0
    extra_tokens: int = 0

    @property
    def n_params(self) -> int:
        """All parameters of encoder and projector."""
        return sum(part.weights + part.vectors for part in self.parts)

    def flops(self, seen: Seen) -> dict[str, float]:
        """FLOPs of one image or video, {tower, projector}."""
        total = {TOWER: 0.0, PROJECTOR: 0.0}
        for part in self.parts:
            total[part.name] += 2.0 * part.weights * part.times * self._met(part.on, seen)
            if part.pair:
                total[part.name] += 2.0 * part.pair * self._pairs(part, seen)
            if part.work is not None:
                views = self._views(seen)
                total[part.name] += 2.0 * sum(
                    number * part.work(rows, columns) for rows, columns, number in views
                )
        return total

    @property
    def layers(self) -> float:
        """Layers of the encoder, from its matrices: one holds about 12 width^2 weights."""
        weights = sum(
            part.weights
            for part in self.parts
            if part.name == TOWER and part.on in ("token", "patch", "nothing")
        )
        return max(round(weights / (12 * self.width**2)), 1)

    def attention_flops(self, seen: Seen) -> float:
        """FLOPs of attention among the patches of one image or video."""
        return sum(
            2.0 * part.pair * self._pairs(part, seen)
            for part in self.parts
            if part.pair and part.name == TOWER
        )

    def _views(self, seen: Seen) -> tuple[tuple[int, int, int], ...]:
        """(rows, columns, number) in patches; tiles are squares where the family states nothing else."""
        if seen.views:
            return seen.views
        if seen.tiles == 1:
            return ((seen.resized_height // self.patch, seen.resized_width // self.patch, 1),)
        side = math.isqrt(seen.patches // seen.tiles)
        return ((side, side, seen.tiles),)

    def _met(self, on: str, seen: Seen) -> float:
        if on == "patch":
            return seen.patches
        if on == "token":
            return seen.patches + seen.tiles * self.extra_tokens
        if on == "merged":
            return seen.patches / self.merge**2
        if on == "visual_token":
            return seen.visual_tokens
        if on == "pooled":
            return seen.pooled or seen.patches
        if on == "nothing":
            return 0
        return seen.tiles if on == "tile" else 1

    def _pairs(self, part: Part, seen: Seen) -> float:
        within = part.within
        if within == "fixed":
            return self._met(part.on, seen)
        if within == "pooled":
            return seen.patches**2 / seen.tiles / self.merge**2
        if within == "query":
            return seen.patches + seen.tiles * self.extra_tokens
        if within == "tile" and seen.views:
            return sum(
                number * (rows * columns + self.extra_tokens) ** 2 for rows, columns, number in seen.views
            )
        if within == "tile":
            return seen.tiles * (seen.patches / seen.tiles + self.extra_tokens) ** 2
        rows, columns = seen.resized_height // self.patch, seen.resized_width // self.patch
        steps = seen.patches / (rows * columns)
        if within == "image":
            return steps * (rows * columns) ** 2
        return steps * _squares(rows, self.window) * _squares(columns, self.window)


def _squares(length: int, window: int) -> int:
    """The sum of the squares of the windows' lengths along one side; the last may be shorter."""
    whole, rest = divmod(length, window)
    return whole * window**2 + rest**2
