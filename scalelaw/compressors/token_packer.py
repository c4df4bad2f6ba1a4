"""TokenPacker: a coarse image asks its own fine one, window by window (arXiv 2407.02392, section 3.2).

    Q    = LayerNorm(W X_coarse), X_coarse the bilinear down-sampling of X to one patch a window
    K, V = LayerNorm(Wk2 GELU(Wk1 X_multi)), LayerNorm(Wv2 GELU(Wv1 X_multi))
    out  = multi-head attention of each window's one query over the window's k^2 keys

QueCC without the question, and with a query that nothing was learned for but W.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from scalelaw.compressors._attention import EPSILON, WindowAttention, heads_for, mlp
from scalelaw.compressors._windows import Windows, allowed_tokens

__all__ = ["Compressor", "allowed_tokens"]


class Compressor(nn.Module):
    """heads, side: as QueCC's; padding is not attended to."""

    reads_question = False

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
        self.visual_tokens, self.width_multi = visual_tokens, width_multi
        self.query = nn.Sequential(nn.Linear(width, width, bias=False), nn.LayerNorm(width, eps=EPSILON))
        self.key = mlp(width_multi, width)
        self.value = mlp(width_multi, width)
        self.attention = WindowAttention(width, heads_for(width, heads), self.windows.side**2)

    def forward(
        self, patches: torch.Tensor, patches_multi: torch.Tensor, question: torch.Tensor | None
    ) -> torch.Tensor:
        """[batch, grid, width], [batch, grid, width_multi] -> [batch, visual_tokens, width]."""
        windows = self.windows
        image = patches.transpose(1, 2).unflatten(2, windows.grid)
        coarse = functional.interpolate(
            image, (windows.rows, windows.columns), mode="bilinear", align_corners=False
        )
        queries = self.query(coarse.flatten(2).transpose(1, 2))
        keys, values = (windows.split(part(patches_multi)) for part in (self.key, self.value))
        return self.attention(queries, keys, values, windows.real(patches.device))

    def flops(self) -> float:
        """Products of one image's forward pass."""
        patches, d = self.windows.grid[0] * self.windows.grid[1], self.width
        mlps = patches * 2 * (self.width_multi * d + d * d)
        return 2.0 * (mlps + self.visual_tokens * d * d) + self.attention.flops(self.visual_tokens)
