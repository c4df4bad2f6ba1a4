"""QueCC: query-based convolutional cross-attention compression, text-conditioned (arXiv 2411.03312, section 5).

With X the patches (width d), X_multi several hidden states side by side, t the question's state, k the window's side:

    X'   = X + LayerNorm(W t + b)                                    at every position
    Q    = depthwise convolution (kernel k, stride k) of LayerNorm(W2 GELU(W1 X'))
    K, V = LayerNorm(Wk2 GELU(Wk1 X_multi)), LayerNorm(Wv2 GELU(Wv1 X_multi))
    out  = multi-head attention of each window's one query over the window's k^2 keys

No mask, dropout or position; nothing after the attention's output projection.
"""

from __future__ import annotations

import torch
from torch import nn

from scalelaw.compressors._windows import allowed_tokens, window_side, windows
from scalelaw.errors import InputError

__all__ = ["Compressor", "allowed_tokens"]

EPSILON = 1e-6


def _mlp(inner: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inner, width), nn.GELU(), nn.Linear(width, width), nn.LayerNorm(width, eps=EPSILON)
    )


class Compressor(nn.Module):
    """heads: attention heads; None takes the largest of 8, 4, 2, 1 that divides the width."""

    reads_question = True

    def __init__(
        self,
        grid: tuple[int, int],
        width: int,
        width_multi: int,
        visual_tokens: int,
        text_width: int,
        heads: int | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.side, self.width = grid, window_side(grid, visual_tokens), width
        self.visual_tokens, self.width_multi, self.text_width = visual_tokens, width_multi, text_width
        self.heads = heads or next(h for h in (8, 4, 2, 1) if width % h == 0)
        if width % self.heads:
            raise InputError(
                f"A width of {width} does not split into {self.heads} heads.",
                code="heads_do_not_divide",
                hint="Choose a number of heads that divides the tower's width.",
            )
        self.text = nn.Sequential(nn.Linear(text_width, width), nn.LayerNorm(width, eps=EPSILON))
        self.query = _mlp(width, width)
        self.pool = nn.Conv2d(width, width, self.side, stride=self.side, groups=width)
        self.key = _mlp(width_multi, width)
        self.value = _mlp(width_multi, width)
        self.query_in, self.key_in, self.value_in, self.out = (nn.Linear(width, width) for _ in range(4))
        for projection in (self.query_in, self.key_in, self.value_in, self.out):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    @property
    def _folded(self) -> bool:
        """Whether the key and value projections cost less on the query and the attended sum than on every patch."""
        return self.heads + self.width / self.side**2 < self.width

    def forward(
        self, patches: torch.Tensor, patches_multi: torch.Tensor, question: torch.Tensor | None
    ) -> torch.Tensor:
        """[batch, grid, width], [batch, grid, width_multi], [batch, text_width] -> [batch, visual_tokens, width]."""
        if question is None:
            raise ValueError("QueCC reads the question's state")
        batch, (height, across) = patches.shape[0], self.grid
        conditioned = self.query(patches + self.text(question)[:, None])
        image = conditioned.transpose(1, 2).reshape(batch, self.width, height, across)
        queries = self.query_in(self.pool(image).flatten(2).transpose(1, 2))
        queries = queries.unflatten(-1, (self.heads, -1)) * (self.width // self.heads) ** -0.5
        keys = windows(self.key(patches_multi), self.grid, self.side)
        values = windows(self.value(patches_multi), self.grid, self.side)
        attend = self._attend_folded if self._folded else self._attend
        return self.out(attend(queries, keys, values).flatten(2))

    def _attend(self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Plain: queries [b, windows, heads, size], keys and values [b, windows, k*k, width] -> like the queries."""
        keys = self.key_in(keys).unflatten(-1, (self.heads, -1)).transpose(2, 3)
        values = self.value_in(values).unflatten(-1, (self.heads, -1)).transpose(2, 3)
        weights = (queries[..., None, :] @ keys.transpose(-1, -2)).softmax(-1)
        return (weights @ values).squeeze(-2)

    def _attend_folded(self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """The same, with one query a window: q (Wk k + bk) = (Wk^T q) k + const, and sum_p a_p (Wv v_p + bv) =
        Wv (sum_p a_p v_p) + bv; the constant leaves the softmax as it is."""
        key_weight = self.key_in.weight.unflatten(0, (self.heads, -1))
        value_weight = self.value_in.weight.unflatten(0, (self.heads, -1))
        folded = torch.einsum("bwhs,hsd->bwhd", queries, key_weight)
        weights = (folded @ keys.transpose(-1, -2)).softmax(-1)
        summed = torch.einsum("bwhd,hsd->bwhs", weights @ values, value_weight)
        return summed + self.value_in.bias.unflatten(0, (self.heads, -1))

    def flops(self) -> float:
        """Products of one image's forward pass; the pass of the question through the LLM is not in it."""
        patches, d, tokens = self.grid[0] * self.grid[1], self.width, self.visual_tokens
        text = self.text_width * d
        mlps = patches * (2 * d * d + 2 * (self.width_multi * d + d * d))
        per_token = tokens * 2 * d * d
        if self._folded:
            attention = tokens * 2 * d * d + 2 * patches * self.heads * d
        else:
            attention = patches * 2 * d * d + 2 * patches * d
        return 2.0 * (text + mlps + patches * d + per_token + attention)
