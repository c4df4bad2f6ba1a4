"""CLIP: image and caption find each other among the batch, softmax contrastive (arXiv 2103.00020, figure 3).

    image = normalise(W_i LayerNorm(mean of the patches)),  text = normalise(W_t LayerNorm(mean of the words' states))
    loss  = mean of cross-entropy over the rows and over the columns of exp(s) image text^T, pairs on the diagonal

The text encoder is a small transformer over the caption's tokens, positions learned. The temperature is learned,
exp(s) at most 100. Captions that are the same are negatives of each other; to share the target among them would change
no gradient, for their texts are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class Objective(nn.Module):
    """layers: of the text encoder; longest: positions that it knows."""

    is_word: torch.Tensor

    def __init__(
        self,
        width: int,
        vocab: int,
        special: Sequence[int],
        layers: int = 2,
        longest: int = 64,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab, width)
        self.position = nn.Parameter(torch.randn(longest, width) * 0.02)
        heads = next(h for h in (4, 2, 1) if width % h == 0)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.image, self.text = (
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width)) for _ in range(2)
        )
        self.scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        is_word = torch.ones(vocab)
        is_word[list(special)] = 0
        self.register_buffer("is_word", is_word)

    def images(self, patches: torch.Tensor) -> torch.Tensor:
        """[batch, patches, width] -> [batch, width], of length 1."""
        return functional.normalize(self.image(patches.mean(dim=1)), dim=-1)

    def captions(self, captions: torch.Tensor) -> torch.Tensor:
        """Token ids [batch, length], padded with special ids -> [batch, width], of length 1."""
        words = self.is_word[captions] > 0
        words[:, 0] |= ~words.any(dim=1)  # a caption without a word is its first token
        states = self.encoder(
            self.words(captions) + self.position[: captions.shape[1]], src_key_padding_mask=~words
        )
        mean = (states * words[..., None]).sum(dim=1) / words.sum(dim=1, keepdim=True)
        return functional.normalize(self.text(mean), dim=-1)

    def forward(self, patches: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar: mean over the batch and both directions."""
        scale = self.scale.exp().clamp(max=100)
        logits = scale * self.images(patches) @ self.captions(captions).T
        pairs = torch.arange(len(logits), device=logits.device)
        return (functional.cross_entropy(logits, pairs) + functional.cross_entropy(logits.T, pairs)) / 2
