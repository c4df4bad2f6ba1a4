"""Pixel shuffle: the patches of each window side by side in one token (InternVL 1.5, arXiv 2404.16821, section 3.1).

    token = W LayerNorm(concatenation of the k x k patches) + b, back to the tower's width

W has k^2 d^2 parameters: 1 M at d = 1024 and k = 1, 604 M at k = 24.
"""

from __future__ import annotations

import torch
from torch import nn

from scalelaw.compressors._attention import EPSILON
from scalelaw.compressors._windows import Windows, allowed_tokens

__all__ = ["Compressor", "allowed_tokens"]


class Compressor(nn.Module):
    """side: the window's; None takes that which tiles the grid; padding is zeros."""

    reads_question = False

    def __init__(
        self,
        grid: tuple[int, int],
        width: int,
        width_multi: int,
        visual_tokens: int,
        text_width: int,
        side: int | None = None,
    ) -> None:
        super().__init__()
        self.windows, self.width = Windows(grid, visual_tokens, side), width
        joined = self.windows.side**2 * width
        self.norm, self.project = nn.LayerNorm(joined, eps=EPSILON), nn.Linear(joined, width)

    def forward(
        self, patches: torch.Tensor, patches_multi: torch.Tensor, question: torch.Tensor | None
    ) -> torch.Tensor:
        """[batch, grid, width] -> [batch, visual_tokens, width]."""
        return self.project(self.norm(self.windows.split(patches).flatten(2)))

    def flops(self) -> float:
        """Products of one image's forward pass: every patch meets its own d x d of W."""
        return 2.0 * self.windows.patches * self.width**2
