"""SuperClass: classification against the caption's own subwords, no text encoder (arXiv 2411.03313, eq. 1-3).

y      K-hot vector of the set of subwords in the caption (special tokens are never classes)
w_c    = log(D / (1 + df_c)), D captions seen so far, df_c those with subword c (a running estimate); at least 0
target = w y / sum(w y)
loss   = - sum_c target_c log softmax(logits)_c,   logits = Linear(LayerNorm(mean of the patches))

With `loss="bce"` (the paper's table 6): the mean over classes of the binary cross-entropy of y, weighed by w.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from scalelaw.errors import unknown

LOSSES = ("softmax", "bce")


class Objective(nn.Module):
    """The classification head and the running document frequencies. `idf=False` weighs every subword alike."""

    documents: torch.Tensor
    frequency: torch.Tensor
    is_class: torch.Tensor

    def __init__(
        self, width: int, vocab: int, special: Sequence[int], idf: bool = True, loss: str = "softmax"
    ) -> None:
        super().__init__()
        if loss not in LOSSES:
            raise unknown("loss", loss, LOSSES)
        self.idf, self.loss = idf, loss
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocab))
        is_class = torch.ones(vocab)
        is_class[list(special)] = 0
        self.register_buffer("is_class", is_class)
        self.register_buffer("documents", torch.zeros((), dtype=torch.float64))
        self.register_buffer("frequency", torch.zeros(vocab, dtype=torch.float64))

    def logits(self, patches: torch.Tensor) -> torch.Tensor:
        """[batch, patches, width] -> [batch, vocab]; special tokens get -inf: they are no classes."""
        return self.head(patches.mean(dim=1)).masked_fill(self.is_class == 0, -torch.inf)

    def classes(self, captions: torch.Tensor) -> torch.Tensor:
        """The K-hot vectors [batch, vocab] of captions [batch, length]."""
        hot = torch.zeros(captions.shape[0], self.is_class.shape[0], device=captions.device)
        return hot.scatter_(1, captions, 1.0) * self.is_class

    def targets(self, captions: torch.Tensor) -> torch.Tensor:
        """The normalised targets [batch, vocab]; in training the frequencies take in this batch first."""
        hot = self.classes(captions)
        if self.training:
            self.documents += hot.shape[0]
            self.frequency += hot.sum(dim=0)
        if self.idf:
            hot = hot * torch.log(self.documents / (1 + self.frequency)).clamp(min=0).to(hot.dtype)
        return hot / hot.sum(dim=1, keepdim=True).clamp(min=1e-12)

    def forward(self, patches: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        """The loss, a scalar: mean over the batch."""
        if self.loss == "bce":
            return self._binary(patches, captions)
        log_probabilities = self.logits(patches).log_softmax(dim=-1).masked_fill(self.is_class == 0, 0.0)
        return -(self.targets(captions) * log_probabilities).sum(dim=-1).mean()

    def _binary(self, patches: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
        hot = self.classes(captions)
        self.targets(captions)  # takes in the frequencies
        weight = self.is_class
        if self.idf:
            rarity = torch.log(self.documents / (1 + self.frequency)).clamp(min=0).to(hot.dtype)
            weight = weight * torch.where(self.frequency > 0, rarity, 1.0)
        logits = self.head(patches.mean(dim=1))
        losses = functional.binary_cross_entropy_with_logits(logits, hot, weight=weight, reduction="none")
        return losses.sum(dim=1).mean() / weight.sum().clamp(min=1e-12)
