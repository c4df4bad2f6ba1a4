"""The vision side of a model: encoder and projector, in closed form, for images of any size.

    FLOPs = 2 (sum over parts: weights x what they meet + pair x pairs of tokens that attend to each other)

1 FLOP = one multiply or one add. Counts products with matrices, convolutions, and attention's two products as commonly
computed (every query with every key of its window). Leaves out softmax, norms, activations, rotations and the
interpolation of positions.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class Part:
    """Matrices that meet the same tokens, and the attention among them.

    Attributes:
        name: `tower` or `projector`.
        on: what each weight meets `times` times: `patch`, `token` (patches and class tokens), `merged` (squares of
            patches that become one token), `visual_token`, `tile` or `image`.
        weights: of the matrices, over all layers.
        vectors: other parameters: norms, biases, positions.
        pair: multiply-adds of one query with one key in both products of attention, over all layers.
        within: which tokens attend to each other: those of a `tile`, of an `image` (of each step of a video), or of a
            `window`; `query`: one query attends to each tile; `pooled`: each
            merged token to its tile; `fixed`: `pair` holds every pair of what `on` names.
    """

    name: str
    on: str
    weights: int
    vectors: int = 0
    pair: int = 0
    within: str = "tile"
    times: int = 1


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
        return total

    @property
    def layers(self) -> float:
        """Layers of the encoder, from its matrices: one holds about 12 width^2 weights."""
        weights = sum(
            part.weights for part in self.parts if part.name == TOWER and part.on in ("token", "patch")
        )
        return max(round(weights / (12 * self.width**2)), 1)

    def attention_flops(self, seen: Seen) -> float:
        """FLOPs of attention among the patches of one image or video."""
        return sum(
            2.0 * part.pair * self._pairs(part, seen)
            for part in self.parts
            if part.pair and part.name == TOWER
        )

    def _met(self, on: str, seen: Seen) -> float:
        if on == "patch":
            return seen.patches
        if on == "token":
            return seen.patches + seen.tiles * self.extra_tokens
        if on == "merged":
            return seen.patches / self.merge**2
        if on == "visual_token":
            return seen.visual_tokens
        return seen.tiles if on == "tile" else 1

    def _pairs(self, part: Part, seen: Seen) -> float:
        within = part.within
        if within == "fixed":
            return self._met(part.on, seen)
        if within == "pooled":
            return seen.patches**2 / seen.tiles / self.merge**2
        if within == "query":
            return seen.patches + seen.tiles * self.extra_tokens
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
