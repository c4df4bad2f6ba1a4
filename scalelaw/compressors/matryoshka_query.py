"""Matryoshka queries: one model for any number of tokens, the first V of M learned queries (MQT, arXiv 2405.19315).

    token_i = LayerNorm(Attention(LayerNorm q_i + p_i; LayerNorm X + p)),  i < V, p learned positions

No query sees another, so the first V tokens are the same however many follow. Training draws a new V at each step from
`training_tokens`; evaluation takes any.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from scalelaw.compressors._attention import EPSILON, CrossAttention, heads_for
from scalelaw.compressors._windows import refused

MOST = 256


def allowed_tokens(grid: tuple[int, int]) -> list[int]:
    """Any number up to that of the patches, and to 256, falling."""
    return list(range(min(MOST, grid[0] * grid[1]), 0, -1))


class Compressor(nn.Module):
    """`visual_tokens`: how many it gives now; it may be set to any that is allowed, whatever it was built with.

    training_tokens: the numbers that training draws from, each as often; None takes the powers of two and the most.
    """

    reads_question = False

    def __init__(
        self,
        grid: tuple[int, int],
        width: int,
        width_multi: int,
        visual_tokens: int,
        text_width: int,
        heads: int | None = None,
        training_tokens: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.width, self.allowed = grid, width, allowed_tokens(grid)
        most = self.allowed[0]
        powers = [2**e for e in range(most.bit_length()) if 2**e < most] + [most]
        self.training_tokens = tuple(powers if training_tokens is None else training_tokens)
        for count in (visual_tokens, *self.training_tokens):
            if count not in self.allowed:
                raise refused(grid, count, self.allowed)
        self.visual_tokens = visual_tokens
        self.queries = nn.Parameter(torch.randn(most, width) * 0.02)
        self.position = nn.Parameter(torch.randn(grid[0] * grid[1], width) * 0.02)
        self.of_queries, self.of_patches, self.after = (nn.LayerNorm(width, eps=EPSILON) for _ in range(3))
        self.attention = CrossAttention(width, heads_for(width, heads))

    def forward(
        self, patches: torch.Tensor, patches_multi: torch.Tensor, question: torch.Tensor | None
    ) -> torch.Tensor:
        """[batch, grid, width] -> [batch, visual_tokens, width]."""
        queries = self.of_queries(self.queries[: self.visual_tokens].repeat(len(patches), 1, 1))
        seen = self.of_patches(patches)
        return self.after(self.attention(queries, seen + self.position, seen))

    def flops(self) -> float:
        """Products of one image's forward pass with the tokens that it gives now."""
        return self.attention.flops(self.visual_tokens, self.grid[0] * self.grid[1])
