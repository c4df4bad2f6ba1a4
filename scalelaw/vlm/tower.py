"""The vision tower: a convolutional stem and transformer blocks, small enough to be pre-trained where it is used.

The stem (three convolutions of kernel 3, strides 2, 2, 1) sees 15 pixels around each patch of 4 x 4: behind a stem that
sees less, no LLM learned to read. Each image is standardised first, and the stem begins at unit variance: without these
two the tower itself hardly learned to read in the steps it has (experiments/LOG.md).
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from scalelaw.config import Vision
from scalelaw.errors import InputError

PATCH = 4


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.forward_mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.before(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.forward_mlp(self.between(x))

    def attention(self, x: torch.Tensor) -> torch.Tensor:
        """How much each position is attended to, mean over heads and queries [batch, positions]; sums to 1."""
        q, k, _ = self.qkv(self.before(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        return weights.mean(dim=(1, 2))


class Tower(nn.Module):
    """Images to patches. `grid`: (height, width) in patches of 4 x 4 pixels."""

    def __init__(self, image_size: tuple[int, int], vision: Vision) -> None:
        super().__init__()
        if image_size[0] % PATCH or image_size[1] % PATCH:
            raise InputError(
                f"An image of {image_size[0]} x {image_size[1]} pixels does not split into patches of {PATCH}.",
                code="bad_image_size",
            )
        width = vision.width
        self.grid = (image_size[0] // PATCH, image_size[1] // PATCH)
        self.stem = nn.Sequential(
            nn.Conv2d(3, width // 2, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(width // 2, width, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
        )
        for layer in self.stem:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                layer.bias.data.zero_()  # type: ignore[union-attr]
        self.position = nn.Parameter(torch.randn(self.grid[0] * self.grid[1], width) * 0.02)
        self.blocks = nn.ModuleList(_Block(width, vision.heads) for _ in range(vision.layers))

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """[batch, height, width, 3], 0 to 255 -> the hidden states: stem, then each block, [batch, patches, width].

        For an image of another size than the tower's own the positions are interpolated.
        """
        x = images.permute(0, 3, 1, 2).to(self.position.dtype)
        spread, mean = torch.std_mean(x, dim=(1, 2, 3), keepdim=True)
        x = self.stem((x - mean) / (spread + 1))
        x = x.flatten(2).transpose(1, 2) + self._position((x.shape[2], x.shape[3]))
        states = [x]
        for block in self.blocks:
            states.append(block(states[-1]))
        return states

    def _position(self, grid: tuple[int, int]) -> torch.Tensor:
        if grid == self.grid:
            return self.position
        image = self.position.T.reshape(1, -1, *self.grid)
        return functional.interpolate(image, grid, mode="area")[0].flatten(1).T

    def attention(self, images: torch.Tensor, layer: int) -> torch.Tensor:
        """How much each patch is attended to in the block that gives state `layer` (1 the first) [batch, patches]."""
        block = self.blocks[layer - 1]
        assert isinstance(block, _Block)
        return block.attention(self(images)[layer - 1])

    def features(self, images: torch.Tensor, layers: list[int]) -> torch.Tensor:
        """The hidden states of `layers`, layer-normed without parameters, side by side [batch, patches, width * n]."""
        states = self(images)
        return torch.cat([functional.layer_norm(states[i], states[i].shape[-1:]) for i in layers], dim=-1)


def save_tower(tower: Tower, folder: Path) -> None:
    """Write the weights to folder/model.safetensors."""
    save_file(
        {k: v.detach().cpu().contiguous() for k, v in tower.state_dict().items()},
        folder / "model.safetensors",
    )


def load_tower(image_size: tuple[int, int], vision: Vision, folder: Path) -> Tower:
    """The frozen tower of that folder. Raises InputError where its weights are missing or of another shape."""
    tower = Tower(image_size, vision)
    try:
        tower.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, RuntimeError) as error:
        raise InputError(f"The tower in {folder} cannot be loaded: {error}.", code="bad_tower") from error
    return tower.eval().requires_grad_(False)
