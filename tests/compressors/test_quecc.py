"""QueCC against a slow reference written from its formulas, window by window and head by head."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from scalelaw.compressors import _attention
from scalelaw.compressors._attention import WindowAttention
from scalelaw.compressors.quecc import Compressor
from scalelaw.errors import InputError


def normed(x: torch.Tensor, norm: torch.nn.Module) -> torch.Tensor:
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-6) * norm.weight + norm.bias


def mlp(x: torch.Tensor, layers: torch.nn.Module) -> torch.Tensor:
    first, _, second, norm = layers
    return normed(functional.gelu(x @ first.weight.T + first.bias) @ second.weight.T + second.bias, norm)


def reference(c: Compressor, x: torch.Tensor, multi: torch.Tensor, question: torch.Tensor) -> torch.Tensor:
    height, width = c.windows.grid
    k, mha, size = c.windows.side, c.attention, c.width // c.attention.heads
    images = []
    for b in range(x.shape[0]):
        text = normed(question[b] @ c.text[0].weight.T + c.text[0].bias, c.text[1])
        queries = mlp(x[b] + text, c.query).reshape(height, width, c.width)
        keys = mlp(multi[b], c.key).reshape(height, width, c.width)
        values = mlp(multi[b], c.value).reshape(height, width, c.width)
        tokens = []
        for i in range(math.ceil(height / k)):
            for j in range(math.ceil(width / k)):
                window = [(i * k + a, j * k + o) for a in range(k) for o in range(k)]
                window = [(a, o) for a, o in window if a < height and o < width]
                pooled = c.pool.bias.clone()
                for a, o in window:
                    pooled = pooled + queries[a, o] * c.pool.weight[:, 0, a - i * k, o - j * k]
                q = pooled @ mha.query_in.weight.T + mha.query_in.bias
                heads = []
                for h in range(mha.heads):
                    part = slice(h * size, (h + 1) * size)
                    key_w, key_b = mha.key_in.weight[part], mha.key_in.bias[part]
                    value_w, value_b = mha.value_in.weight[part], mha.value_in.bias[part]
                    scores = [q[part] @ (key_w @ keys[p] + key_b) / math.sqrt(size) for p in window]
                    weights = torch.stack(scores).softmax(0)
                    heads.append(
                        sum(w * (value_w @ values[p] + value_b) for w, p in zip(weights, window, strict=True))
                    )
                tokens.append(torch.cat(heads) @ mha.out.weight.T + mha.out.bias)
        images.append(torch.stack(tokens))
    return torch.stack(images)


@pytest.mark.parametrize(
    ("grid", "width", "heads", "tokens", "side"),
    [
        ((4, 4), 16, None, 16, None),
        ((4, 4), 16, None, 4, None),
        ((4, 4), 16, 2, 1, None),
        ((4, 6), 12, None, 6, None),
        ((6, 6), 24, 8, 4, None),
        ((3, 5), 16, None, 6, 2),
        ((3, 5), 16, 2, 2, 4),
        ((2, 3), 16, None, 1, 7),
    ],
)
def test_agrees_with_the_slow_reference_gradients_too(
    grid: tuple[int, int], width: int, heads: int | None, tokens: int, side: int | None
) -> None:
    torch.manual_seed(0)
    module = Compressor(grid, width, 2 * width, tokens, 10, heads=heads, side=side)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    patches = grid[0] * grid[1]
    data = [torch.randn(2, patches, width), torch.randn(2, patches, 2 * width), torch.randn(2, 10)]
    weight = torch.randn(2, tokens, width)
    results = []
    for function in (module, lambda *a: reference(module, *a)):
        leaves = [d.clone().requires_grad_() for d in data]
        out = function(*leaves)
        module.zero_grad()
        (out * weight).sum().backward()
        gradients = [
            p.grad.clone() if p.grad is not None else torch.zeros_like(p) for p in module.parameters()
        ]
        results.append((out.detach(), *(leaf.grad for leaf in leaves), *gradients))
    for ours, slow in zip(*results, strict=True):
        assert ours.shape == slow.shape
        torch.testing.assert_close(ours, slow, rtol=1e-5, atol=1e-5 * max(1.0, float(slow.abs().max())))


@pytest.mark.parametrize("tokens", [16, 4, 1])
def test_the_folded_projections_give_what_the_plain_ones_give(tokens: int) -> None:
    torch.manual_seed(0)
    module = Compressor((4, 4), 16, 16, tokens, 8)
    attention, windows = module.attention, 16 // tokens
    q, k, v = (
        torch.randn(2, tokens, 8, 2),
        torch.randn(2, tokens, windows, 16),
        torch.randn(2, tokens, windows, 16),
    )
    torch.testing.assert_close(
        attention.attend(q, k, v), attention.attend_folded(q, k, v), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(("tokens", "parameters"), [(144, 20_996_096), (36, 21_008_384), (1, 21_581_824)])
def test_parameters_at_clip_l_widths(tokens: int, parameters: int) -> None:
    """About 21.0 M at k = 2 and 4, 21.6 M at k = 24, with a 4096-wide LLM."""
    with torch.device("meta"):
        module = Compressor((24, 24), 1024, 4 * 1024, tokens, 4096)
    assert sum(p.numel() for p in module.parameters()) == parameters


def test_a_width_that_its_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        Compressor((4, 4), 12, 12, 4, 8, heads=8)
    assert caught.value.code == "heads_do_not_divide"


def test_the_question_changes_the_tokens() -> None:
    torch.manual_seed(0)
    module = Compressor((4, 4), 16, 32, 4, 8)
    x, multi = torch.randn(1, 16, 16), torch.randn(1, 16, 32)
    one, other = (module(x, multi, torch.randn(1, 8)) for _ in range(2))
    assert (one - other).abs().max() > 1e-3


def kept_bytes(forward: Callable[[], torch.Tensor]) -> int:
    """Bytes that autograd keeps for the backward pass, each storage once."""
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = forward()
    assert out.requires_grad
    return sum(storage.nbytes() for storage in storages.values())


@pytest.mark.parametrize("tokens", [144, 36, 16, 9, 4, 1])
def test_the_algebra_keeps_no_more_for_the_backward_pass(
    tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any number of tokens; at 36 a window has fewer patches than there are heads, and it keeps less there too."""
    module = Compressor((12, 12), 64, 128, tokens, 32)
    inputs = (torch.randn(2, 144, 64), torch.randn(2, 144, 128), torch.randn(2, 32))
    folded = kept_bytes(lambda: module(*inputs))
    monkeypatch.setattr(WindowAttention, "folded", False)
    plain = kept_bytes(lambda: module(*inputs))
    assert folded < plain if tokens < 144 else folded == plain


def test_what_is_made_again_for_the_backward_pass_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    module = Compressor((4, 4), 64, 64, 4, 8)  # 8 heads, 4 patches a window
    inputs = (torch.randn(2, 16, 64), torch.randn(2, 16, 64), torch.randn(2, 8))

    def gradients() -> list[torch.Tensor]:
        module.zero_grad(set_to_none=True)
        module(*inputs).square().sum().backward()
        return [p.grad for p in module.parameters() if p.grad is not None]

    again = gradients()
    monkeypatch.setattr(_attention, "checkpoint", lambda function, *inputs, **_: function(*inputs))
    assert all(torch.equal(one, other) for one, other in zip(again, gradients(), strict=True))


def test_the_page_says_what_the_algebra_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "quecc.md").read_text(encoding="utf-8")
    rows = page.split("<!-- folded -->")[1].split("<!-- /folded -->")[0].strip().splitlines()[2:]
    assert len(rows) == 5
    for row in rows:
        tokens = int(row.split("|")[1])
        with torch.device("meta"):
            module = Compressor((24, 24), 1024, 4096, tokens, 1024)
        ours = module.flops()
        with monkeypatch.context() as patch:
            patch.setattr(WindowAttention, "folded", False)
            plain = module.flops()
        share = f"{100 * (1 - ours / plain):.0f}%"
        assert row == f"| {tokens} | {576 // tokens} | {ours / 1e9:.2f} | {plain / 1e9:.2f} | {share} |"
