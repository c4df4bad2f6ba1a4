"""Square windows on a grid of patches, shared by the compressors that work window by window."""

from __future__ import annotations

from math import gcd

import torch
from torch.nn import functional

from scalelaw.errors import InputError


def allowed_tokens(grid: tuple[int, int]) -> list[int]:
    """The numbers of square windows that tile the grid (height, width), falling: 24 x 24 -> 576, 144, 64, ..., 1."""
    height, width = grid
    return [
        height * width // (k * k) for k in range(1, gcd(height, width) + 1) if height % k == 0 == width % k
    ]


def refused(grid: tuple[int, int], visual_tokens: int, allowed: list[int]) -> InputError:
    """The error for a number of tokens that is not among `allowed` (falling), naming those that are."""
    if len(allowed) > 2 and len(allowed) == allowed[0] - allowed[-1] + 1:
        named = f"any number from {allowed[-1]} to {allowed[0]}"
    else:
        named = ", ".join(map(str, allowed))
    return InputError(
        f"A grid of {grid[0]} x {grid[1]} patches cannot give {visual_tokens} visual tokens.",
        code="tokens_not_allowed",
        hint=f"Allowed: {named}.",
    )


def window_side(grid: tuple[int, int], visual_tokens: int) -> int:
    """The window's side k for that many tokens. Raises InputError naming the allowed numbers."""
    if visual_tokens not in (allowed := allowed_tokens(grid)):
        raise refused(grid, visual_tokens, allowed)
    return round((grid[0] * grid[1] / visual_tokens) ** 0.5)


class Windows:
    """The windows of a grid (height, width): `rows` x `columns` of them, each `side` x `side` patches.

    side: None for the side with which `visual_tokens` windows tile the grid; else any side: the grid is then padded
    at the bottom and on the right with patches of zeros.
    Raises InputError for a number of tokens that cannot be had.
    """

    def __init__(self, grid: tuple[int, int], visual_tokens: int, side: int | None = None) -> None:
        self.grid, self.side = grid, side or window_side(grid, visual_tokens)
        self.rows, self.columns = -(-grid[0] // self.side), -(-grid[1] // self.side)
        self.below, self.right = self.rows * self.side - grid[0], self.columns * self.side - grid[1]
        if visual_tokens != self.rows * self.columns:
            raise refused(grid, visual_tokens, [self.rows * self.columns])
        self.padded = self.below > 0 or self.right > 0
        self.patches = visual_tokens * self.side**2

    def real(self, device: torch.device) -> torch.Tensor | None:
        """Bool[Tensor, "windows side*side"]: the patches that are no padding; None where all are real."""
        if not self.padded:
            return None
        return self.split(torch.ones(1, self.grid[0] * self.grid[1], 1, device=device)).squeeze(0, -1) > 0

    def image(self, patches: torch.Tensor) -> torch.Tensor:
        """[batch, height*width, channels] -> [batch, channels, height, width], padded."""
        image = patches.transpose(1, 2).unflatten(2, self.grid)
        return functional.pad(image, (0, self.right, 0, self.below)) if self.padded else image

    def split(self, patches: torch.Tensor) -> torch.Tensor:
        """[batch, height*width, channels] -> [batch, windows, side*side, channels], both row-major, padded."""
        batch, _, channels = patches.shape
        if self.padded:
            patches = self.image(patches).flatten(2).transpose(1, 2)
        split = patches.reshape(batch, self.rows, self.side, self.columns, self.side, channels).transpose(
            2, 3
        )
        return split.reshape(batch, self.rows * self.columns, self.side**2, channels)
