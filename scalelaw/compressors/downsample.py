"""A smaller image: the tower sees it with fewer patches, each of them a token (VTC-Bench, arXiv 2510.07143).

The baseline that many compressors do not beat, and the only one here that spares the tower's work too. The image is
averaged down to `image_grid` patches; the tower's positions are interpolated to that grid.
"""

from __future__ import annotations

import torch
from torch import nn

from scalelaw.compressors._windows import allowed_tokens, window_side

__all__ = ["Compressor", "allowed_tokens"]


class Compressor(nn.Module):
    """token = patch of the smaller image."""

    reads_question = False

    def __init__(
        self, grid: tuple[int, int], width: int, width_multi: int, visual_tokens: int, text_width: int
    ) -> None:
        super().__init__()
        side = window_side(grid, visual_tokens)
        self.image_grid = (grid[0] // side, grid[1] // side)

    def forward(
        self, patches: torch.Tensor, patches_multi: torch.Tensor, question: torch.Tensor | None
    ) -> torch.Tensor:
        """[batch, visual_tokens, width], unchanged: the patches of the smaller image."""
        return patches

    def flops(self) -> float:
        """None of its own; what the tower spares is the tower's."""
        return 0.0
