"""No compression: every patch is a visual token (LLaVA, arXiv 2310.03744); the end of every compressor's ladder."""

from __future__ import annotations

import torch
from torch import nn

from scalelaw.compressors._windows import refused


def allowed_tokens(grid: tuple[int, int]) -> list[int]:
    """All patches, and nothing else."""
    return [grid[0] * grid[1]]


class Compressor(nn.Module):
    """token = patch."""

    reads_question = False

    def __init__(
        self, grid: tuple[int, int], width: int, width_multi: int, visual_tokens: int, text_width: int
    ) -> None:
        super().__init__()
        if visual_tokens not in (allowed := allowed_tokens(grid)):
            raise refused(grid, visual_tokens, allowed)

    def forward(
        self, patches: torch.Tensor, patches_multi: torch.Tensor, question: torch.Tensor | None
    ) -> torch.Tensor:
        """[batch, grid, width], unchanged."""
        return patches

    def flops(self) -> float:
        """None."""
        return 0.0
