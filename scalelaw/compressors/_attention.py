"""Attention for compressors: one query a window, with the products that saves; and plain cross-attention."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from scalelaw.errors import InputError

EPSILON = 1e-6


def heads_for(width: int, heads: int | None = None) -> int:
    """`heads`, or the largest of 8, 4, 2, 1 that divides the width. Raises InputError where they do not divide it."""
    heads = heads or next(h for h in (8, 4, 2, 1) if width % h == 0)
    if width % heads:
        raise InputError(
            f"A width of {width} does not split into {heads} heads.",
            code="heads_do_not_divide",
            hint="Choose a number of heads that divides the tower's width.",
        )
    return heads


def mlp(inner: int, width: int) -> nn.Sequential:
    """LayerNorm(W2 GELU(W1 x)): inner -> width -> width."""
    return nn.Sequential(
        nn.Linear(inner, width), nn.GELU(), nn.Linear(width, width), nn.LayerNorm(width, eps=EPSILON)
    )


class Projections(nn.Module):
    """The four projections of multi-head attention: into queries, keys and values, and out of the heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.query_in, self.key_in, self.value_in, self.out = (nn.Linear(width, width) for _ in range(4))
        for projection in (self.query_in, self.key_in, self.value_in, self.out):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def queries(self, x: torch.Tensor) -> torch.Tensor:
        """[..., width] -> [..., heads, size], scaled by size^-1/2."""
        return self.query_in(x).unflatten(-1, (self.heads, -1)) * (self.width // self.heads) ** -0.5


class WindowAttention(Projections):
    """Multi-head attention of each window's one query over the window's own patches; no mask but of padding.

    Folded, each head keeps a whole width for each window, where the plain way keeps one for each patch. With more heads
    than patches a window that would be more, so there it is made again for the backward pass (a product of `windows`
    rows): less is kept than the plain way keeps, at any number of tokens.
    """

    def __init__(self, width: int, heads: int, patches_per_window: int) -> None:
        super().__init__(width, heads)
        self.size = patches_per_window

    @property
    def folded(self) -> bool:
        """Whether the key and value projections cost less on the query and the attended sum than on every patch."""
        return self.heads + self.width / self.size < self.width

    def forward(
        self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, real: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Query [b, windows, width], keys and values [b, windows, patches, width] -> [b, windows, width].

        real: Bool[Tensor, "windows patches"], the patches that are no padding; None where all are real.
        """
        inputs = (self.queries(query), keys, values, real)
        if not self.folded:
            attended = self.attend(*inputs)
        elif self.heads > self.size and torch.is_grad_enabled():
            attended = checkpoint(self.attend_folded, *inputs, use_reentrant=False, preserve_rng_state=False)
        else:
            attended = self.attend_folded(*inputs)
        return self.out(attended.flatten(2))

    def attend(
        self,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        real: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Plain: queries [b, windows, heads, size], keys and values [b, windows, patches, width] -> as the queries."""
        keys = self.key_in(keys).unflatten(-1, (self.heads, -1)).transpose(2, 3)
        values = self.value_in(values).unflatten(-1, (self.heads, -1)).transpose(2, 3)
        scores = queries[..., None, :] @ keys.transpose(-1, -2)
        return (_weights(scores, None if real is None else real[:, None, None]) @ values).squeeze(-2)

    def attend_folded(
        self,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        real: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The same, with one query a window: q (Wk k + bk) = (Wk^T q) k + const, and sum_p a_p (Wv v_p + bv) =
        Wv (sum_p a_p v_p) + bv; the constant leaves the softmax as it is."""
        key_weight = self.key_in.weight.unflatten(0, (self.heads, -1))
        value_weight = self.value_in.weight.unflatten(0, (self.heads, -1))
        folded = torch.einsum("bwhs,hsd->bwhd", queries, key_weight)
        weights = _weights(folded @ keys.transpose(-1, -2), None if real is None else real[:, None])
        summed = torch.einsum("bwhd,hsd->bwhs", weights @ values, value_weight)
        # in the graph, with the gradient of 0 that the constant has: distributed training waits for every parameter
        unused = 0.0 * self.key_in.bias.sum()
        return summed + self.value_in.bias.unflatten(0, (self.heads, -1)) + unused

    def flops(self, windows: int) -> float:
        """Products of one image's forward pass."""
        patches, d = windows * self.size, self.width
        if self.folded:
            attention = windows * 2 * d * d + 2 * patches * self.heads * d
        else:
            attention = patches * 2 * d * d + 2 * patches * d
        return 2.0 * (windows * 2 * d * d + attention)


class CrossAttention(Projections):
    """Multi-head attention of some queries over all keys, values from the same; written out, so that it is counted."""

    def forward(self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """[batch, queries, width], [batch, keys, width] twice -> [batch, queries, width]."""
        q = self.queries(queries).transpose(1, 2)
        k = self.key_in(keys).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        v = self.value_in(values).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        attended = (q @ k.transpose(-1, -2)).softmax(-1) @ v
        return self.out(attended.transpose(1, 2).flatten(2))

    def flops(self, queries: int, keys: int) -> float:
        """Products of one image's forward pass."""
        d = self.width
        return 2.0 * (2 * queries * d * d + 2 * keys * d * d + 2 * queries * keys * d)


def _weights(scores: torch.Tensor, real: torch.Tensor | None) -> torch.Tensor:
    return (scores if real is None else scores.masked_fill(~real, -torch.inf)).softmax(-1)
