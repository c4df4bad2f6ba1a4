"""Perceiver resampler: learned queries look at all patches, layer by layer (Flamingo, arXiv 2204.14198, section 3.1.1).

    q <- q + Attention(LayerNorm q; LayerNorm [X, q])
    q <- q + W2 GELU(W1 LayerNorm q)                       each `layers` times; at the end LayerNorm q

Any number of tokens up to that of the patches.
"""

from __future__ import annotations

import torch
from torch import nn

from scalelaw.compressors._attention import EPSILON, CrossAttention, heads_for
from scalelaw.compressors._windows import refused


def allowed_tokens(grid: tuple[int, int]) -> list[int]:
    """Any number up to that of the patches, falling."""
    return list(range(grid[0] * grid[1], 0, -1))


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, widen: int) -> None:
        super().__init__()
        self.of_queries, self.of_patches = (nn.LayerNorm(width, eps=EPSILON) for _ in range(2))
        self.attention = CrossAttention(width, heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width, eps=EPSILON),
            nn.Linear(width, widen * width),
            nn.GELU(),
            nn.Linear(widen * width, width),
        )

    def forward(self, queries: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        normed = self.of_queries(queries)
        seen = torch.cat([self.of_patches(patches), normed], dim=1)
        queries = queries + self.attention(normed, seen, seen)
        return queries + self.feed_forward(queries)

    def flops(self, queries: int, patches: int) -> float:
        """Products of one image's forward pass."""
        feed_forward = sum(2.0 * queries * p.numel() for p in self.feed_forward.parameters() if p.ndim == 2)
        return self.attention.flops(queries, patches + queries) + feed_forward


class Compressor(nn.Module):
    """layers: how often the queries look; heads: as QueCC's; widen: the feed-forward's width over the tower's."""

    reads_question = False

    def __init__(
        self,
        grid: tuple[int, int],
        width: int,
        width_multi: int,
        visual_tokens: int,
        text_width: int,
        layers: int = 2,
        heads: int | None = None,
        widen: int = 4,
    ) -> None:
        super().__init__()
        if visual_tokens not in (allowed := allowed_tokens(grid)):
            raise refused(grid, visual_tokens, allowed)
        self.patches, heads = grid[0] * grid[1], heads_for(width, heads)
        self.queries = nn.Parameter(torch.randn(visual_tokens, width) * 0.02)
        self.layers = nn.ModuleList(_Layer(width, heads, widen) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(
        self, patches: torch.Tensor, patches_multi: torch.Tensor, question: torch.Tensor | None
    ) -> torch.Tensor:
        """[batch, grid, width] -> [batch, visual_tokens, width]."""
        queries = self.queries.repeat(len(patches), 1, 1)
        for layer in self.layers:
            queries = layer(queries, patches)
        return self.norm(queries)

    def flops(self) -> float:
        """Products of one image's forward pass."""
        return sum(
            layer.flops(len(self.queries), self.patches) for layer in self.layers if isinstance(layer, _Layer)
        )
