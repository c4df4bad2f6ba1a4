"""Attention pruning: the V patches that the tower itself attends to most, in their order; nothing to train.

A patch's score is the attention that the tower's class token pays it in the layer that gives the selected state
(FasterVLM, arXiv 2412.01818, section 3.2), or where there is no class token the mean over all patches (VisionZip,
arXiv 2412.04467).
"""

from __future__ import annotations

import torch
from torch import nn

from scalelaw.compressors._windows import refused


def allowed_tokens(grid: tuple[int, int]) -> list[int]:
    """Any number up to that of the patches, falling."""
    return list(range(grid[0] * grid[1], 0, -1))


class Compressor(nn.Module):
    """The patches of the highest scores, row-major; of equal scores the earlier patch."""

    reads_question = False
    reads_attention = True

    def __init__(
        self, grid: tuple[int, int], width: int, width_multi: int, visual_tokens: int, text_width: int
    ) -> None:
        super().__init__()
        if visual_tokens not in (allowed := allowed_tokens(grid)):
            raise refused(grid, visual_tokens, allowed)
        self.visual_tokens = visual_tokens

    def forward(
        self,
        patches: torch.Tensor,
        patches_multi: torch.Tensor,
        question: torch.Tensor | None,
        attention: torch.Tensor,
    ) -> torch.Tensor:
        """[batch, grid, width], attention [batch, grid] -> [batch, visual_tokens, width]."""
        order = attention.sort(dim=1, descending=True, stable=True).indices
        kept = order[:, : self.visual_tokens].sort(dim=1).values
        return patches.gather(1, kept[..., None].expand(-1, -1, patches.shape[-1]))

    def flops(self) -> float:
        """None: the tower's attention is there already."""
        return 0.0
