"""DeCo: the mean of the patches in each window, no parameters (arXiv 2405.20985, section 3.2)."""

from __future__ import annotations

import torch
from torch import nn

from scalelaw.compressors._windows import allowed_tokens, window_side, windows

__all__ = ["Compressor", "allowed_tokens"]


class Compressor(nn.Module):
    """token = mean over the k x k patches of its window."""

    reads_question = False

    def __init__(
        self, grid: tuple[int, int], width: int, width_multi: int, visual_tokens: int, text_width: int
    ) -> None:
        super().__init__()
        self.grid, self.side = grid, window_side(grid, visual_tokens)

    def forward(
        self, patches: torch.Tensor, patches_multi: torch.Tensor, question: torch.Tensor | None
    ) -> torch.Tensor:
        """[batch, grid, width] -> [batch, visual_tokens, width]."""
        return windows(patches, self.grid, self.side).mean(dim=2)

    def flops(self) -> float:
        """None: a mean is no product."""
        return 0.0
