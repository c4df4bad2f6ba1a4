"""Square windows on a grid of patches, shared by the compressors that work window by window."""

from __future__ import annotations

from math import gcd

import torch

from scalelaw.errors import InputError


def allowed_tokens(grid: tuple[int, int]) -> list[int]:
    """The numbers of square windows that tile the grid (height, width), falling: 24 x 24 -> 576, 144, 64, ..., 1."""
    height, width = grid
    return [
        height * width // (k * k) for k in range(1, gcd(height, width) + 1) if height % k == 0 == width % k
    ]


def window_side(grid: tuple[int, int], visual_tokens: int) -> int:
    """The window's side k for that many tokens. Raises InputError naming the allowed numbers."""
    if visual_tokens not in (allowed := allowed_tokens(grid)):
        raise InputError(
            f"A grid of {grid[0]} x {grid[1]} patches cannot give {visual_tokens} visual tokens.",
            code="visual_tokens_not_allowed",
            hint=f"Allowed: {', '.join(map(str, allowed))}.",
        )
    return round((grid[0] * grid[1] / visual_tokens) ** 0.5)


def windows(patches: torch.Tensor, grid: tuple[int, int], side: int) -> torch.Tensor:
    """[batch, height*width, channels] -> [batch, windows, side*side, channels], both row-major."""
    batch, _, channels = patches.shape
    rows, columns = grid[0] // side, grid[1] // side
    split = patches.reshape(batch, rows, side, columns, side, channels).transpose(2, 3)
    return split.reshape(batch, rows * columns, side * side, channels)
