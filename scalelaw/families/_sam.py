"""SAM's encoder, which several families run at more pixels than their other encoder sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scalelaw.families._vision import square_side
from scalelaw.model_shapes.reading import flag, listed, whole
from scalelaw.model_shapes.vision import TOWER, Part


@dataclass(frozen=True)
class SamShape:
    """Widths and layers of SAM's encoder, under the names that transformers has for them.

    Layers attend within windows of window x window patches, padded, but for the global ones; relative positions in
    both. Behind them two convolutions without a bias, each with a norm (the neck).
    """

    width: int
    depth: int
    everywhere: int
    heads: int
    inner: int
    out: int
    patch: int
    side: int
    window: int
    channels: int = 3
    bias: bool = True
    relative: bool = True
    positions: bool = True

    @classmethod
    def read(cls, vision: Mapping[str, Any]) -> SamShape:
        """From the fields of a vision part; those with a value that all released models share may be left out."""
        width, patch = whole(vision, "hidden_size"), square_side({"patch_size": 16, **vision}, "patch_size")
        depth = whole(vision, "num_hidden_layers")
        ratio = vision.get("mlp_ratio")
        return cls(
            width,
            depth,
            len({place for place in listed(vision, "global_attn_indexes") if place < depth}),
            whole(vision, "num_attention_heads"),
            whole(vision, "mlp_dim", int(width * (4.0 if ratio is None else float(ratio)))),
            whole(vision, "output_channels", 256),
            patch,
            square_side({"image_size": 1024, **vision}, "image_size") // patch,
            whole(vision, "window_size", 14),
            whole(vision, "num_channels", 3),
            flag(vision, "qkv_bias", True),
            flag(vision, "use_rel_pos", True),
            flag(vision, "use_abs_pos", True),
        )

    def parts(self) -> tuple[Part, ...]:
        """Patches, layers and neck, for views of any size."""
        width, depth, span = self.width, self.depth, self.window
        head = width // self.heads
        relative = (
            2 * head * (self.everywhere * (2 * self.side - 1) + (depth - self.everywhere) * (2 * span - 1))
        )
        vectors = depth * (self.inner + 6 * width + 3 * width * self.bias) + self.relative * relative
        layers = depth * (4 * width**2 + 2 * width * self.inner)

        def attended(rows: int, columns: int) -> int:
            """Multiply-adds of the attention among rows x columns patches, with its four matrices."""
            tokens = rows * columns
            relative = (rows + columns) * tokens * width if self.relative else 0
            return 4 * width**2 * tokens + 2 * width * tokens**2 + relative

        def work(rows: int, columns: int) -> int:
            windows = (-(-rows // span)) * (-(-columns // span))
            attention = self.everywhere * attended(rows, columns)
            attention += (depth - self.everywhere) * windows * attended(span, span)
            return attention + depth * 2 * width * self.inner * rows * columns

        positions = self.side**2 * width if self.positions else 0
        patching = self.channels * self.patch**2 * width
        return (
            Part(TOWER, "patch", patching, width + positions),
            Part(TOWER, "nothing", layers, vectors, work=work),
            self.neck(),
        )

    def neck(self) -> Part:
        """The two convolutions behind the layers."""
        return Part(TOWER, "patch", self.width * self.out + 9 * self.out**2, 4 * self.out)


def halving(inside: int, middle: int, outside: int, name: str = TOWER, *, times: int = 1) -> Part:
    """Two convolutions of 3 x 3 that each halve the sides. times: how often they run on a view."""

    def work(rows: int, columns: int) -> int:
        high, wide = -(-rows // 2), -(-columns // 2)
        first = 9 * inside * middle * high * wide
        return times * (first + 9 * middle * outside * (-(-high // 2)) * (-(-wide // 2)))

    return Part(name, "nothing", 9 * middle * (inside + outside), work=work)
