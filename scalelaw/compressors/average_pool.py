"""DeCo: the mean of the patches in each window, no parameters (arXiv 2405.20985, section 3.2)."""

from __future__ import annotations

import torch
from torch import nn

from scalelaw.compressors._windows import Windows, allowed_tokens

__all__ = ["Compressor", "allowed_tokens"]


class Compressor(nn.Module):
    """token = mean over the k x k patches of its window; padding is not in the mean."""

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
        self.windows = Windows(grid, visual_tokens, side)

    def forward(
        self, patches: torch.Tensor, patches_multi: torch.Tensor, question: torch.Tensor | None
    ) -> torch.Tensor:
        """[batch, grid, width] -> [batch, visual_tokens, width]."""
        split, real = self.windows.split(patches), self.windows.real(patches.device)
        return split.mean(dim=2) if real is None else split.sum(dim=2) / real.sum(dim=1, keepdim=True)

    def flops(self) -> float:
        """None: a mean is no product."""
        return 0.0
