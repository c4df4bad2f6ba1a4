"""QueCC: query-based convolutional cross-attention compression, text-conditioned (arXiv 2411.03312, section 5).

With X the patches (width d), X_multi several hidden states side by side, t the question's state, k the window's side:

    X'   = X + LayerNorm(W t + b)                                    at every position
    Q    = depthwise convolution (kernel k, stride k) of LayerNorm(W2 GELU(W1 X'))
    K, V = LayerNorm(Wk2 GELU(Wk1 X_multi)), LayerNorm(Wv2 GELU(Wv1 X_multi))
    out  = multi-head attention of each window's one query over the window's k^2 keys

No mask, dropout or position; nothing after the attention's output projection. Where k does not divide the grid, it is
padded at the bottom and on the right: zeros to the convolution, and nothing to attend to.
"""

from __future__ import annotations

import torch
from torch import nn

from scalelaw.compressors._attention import EPSILON, WindowAttention, heads_for, mlp
from scalelaw.compressors._windows import Windows, allowed_tokens

__all__ = ["Compressor", "allowed_tokens"]


class Compressor(nn.Module):
    """heads: attention heads; None takes the largest of 8, 4, 2, 1 that divides the width.

    side: the window's; None takes that which tiles the grid.
    """

    reads_question = True

    def __init__(
        self,
        grid: tuple[int, int],
        width: int,
        width_multi: int,
        visual_tokens: int,
        text_width: int,
        heads: int | None = None,
        side: int | None = None,
    ) -> None:
        super().__init__()
        self.windows, self.width = Windows(grid, visual_tokens, side), width
        self.visual_tokens, self.width_multi, self.text_width = visual_tokens, width_multi, text_width
        heads, side = heads_for(width, heads), self.windows.side
        self.text = nn.Sequential(nn.Linear(text_width, width), nn.LayerNorm(width, eps=EPSILON))
        self.query = mlp(width, width)
        self.pool = nn.Conv2d(width, width, side, stride=side, groups=width)
        self.key = mlp(width_multi, width)
        self.value = mlp(width_multi, width)
        self.attention = WindowAttention(width, heads, side**2)

    def forward(
        self, patches: torch.Tensor, patches_multi: torch.Tensor, question: torch.Tensor | None
    ) -> torch.Tensor:
        """[batch, grid, width], [batch, grid, width_multi], [batch, text_width] -> [batch, visual_tokens, width]."""
        if question is None:
            raise ValueError("QueCC reads the question's state")
        conditioned = self.query(patches + self.text(question)[:, None])
        queries = self.pool(self.windows.image(conditioned)).flatten(2).transpose(1, 2)
        keys, values = (self.windows.split(part(patches_multi)) for part in (self.key, self.value))
        return self.attention(queries, keys, values, self.windows.real(patches.device))

    def flops(self) -> float:
        """Products of one image's forward pass; the pass of the question through the LLM is not in it."""
        patches, d = self.windows.grid[0] * self.windows.grid[1], self.width
        mlps = patches * (2 * d * d + 2 * (self.width_multi * d + d * d))
        pool = self.windows.patches * d
        return 2.0 * (self.text_width * d + mlps + pool) + self.attention.flops(self.visual_tokens)
