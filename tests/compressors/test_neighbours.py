"""What is particular to each compressor, in digits or against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scalelaw.compressors import (
    attention_prune,
    downsample,
    matryoshka_query,
    none,
    pixel_shuffle,
    resampler,
    token_packer,
)
from scalelaw.compressors._attention import CrossAttention
from scalelaw.errors import InputError


def by_torch(attention: CrossAttention) -> nn.MultiheadAttention:
    """torch's own multi-head attention with the same weights."""
    theirs = nn.MultiheadAttention(attention.width, attention.heads, batch_first=True)
    parts = (attention.query_in, attention.key_in, attention.value_in)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
        theirs.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
        theirs.out_proj.load_state_dict(attention.out.state_dict())
    return theirs


def test_cross_attention_is_torchs() -> None:
    torch.manual_seed(0)
    ours = CrossAttention(16, 4)
    q, k, v = torch.randn(2, 3, 16), torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    torch.testing.assert_close(ours(q, k, v), by_torch(ours)(q, k, v)[0], rtol=1e-5, atol=1e-5)


def test_token_packer_is_attention_in_each_window() -> None:
    torch.manual_seed(0)
    module = token_packer.Compressor((4, 4), 16, 32, 4, 8)
    theirs = by_torch(module.attention)  # type: ignore[arg-type]
    patches, multi = torch.randn(1, 16, 16), torch.randn(1, 16, 32)
    out = module(patches, multi, None)
    for window, members in enumerate([(0, 1, 4, 5), (2, 3, 6, 7), (8, 9, 12, 13), (10, 11, 14, 15)]):
        query = module.query(patches[:, members].mean(1, keepdim=True))  # bilinear by 2 is the mean of 2 x 2
        keys, values = module.key(multi[:, members]), module.value(multi[:, members])
        torch.testing.assert_close(out[:, window], theirs(query, keys, values)[0][:, 0], rtol=1e-5, atol=1e-5)


def test_pixel_shuffle_joins_the_patches_of_a_window() -> None:
    module = pixel_shuffle.Compressor((2, 4), 2, 2, 2, 1)
    patches = torch.arange(16.0).reshape(1, 8, 2)
    joined = torch.tensor([[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]])
    torch.testing.assert_close(module(patches, patches, None)[0], module.project(module.norm(joined.float())))


def test_matryoshka_gives_the_same_first_tokens_however_many_follow() -> None:
    torch.manual_seed(0)
    module = matryoshka_query.Compressor((4, 6), 16, 16, 3, 8)
    assert module.training_tokens == (1, 2, 4, 8, 16, 24)
    patches = torch.randn(2, 24, 16)
    first = module(patches, patches, None)
    module.visual_tokens = 24
    torch.testing.assert_close(module(patches, patches, None)[:, :3], first)
    assert matryoshka_query.allowed_tokens((24, 24))[0] == 256
    with pytest.raises(InputError):
        matryoshka_query.Compressor((4, 6), 16, 16, 3, 8, training_tokens=[25])


def test_the_weights_of_matryoshka_do_not_depend_on_the_number_of_tokens() -> None:
    built = []
    for tokens in (1, 24):
        torch.manual_seed(0)
        built.append(matryoshka_query.Compressor((4, 6), 16, 16, tokens, 8).state_dict())
    assert all(torch.equal(built[0][k], built[1][k]) for k in built[0])


def test_the_resampler_sees_every_patch() -> None:
    torch.manual_seed(0)
    module = resampler.Compressor((4, 6), 16, 16, 2, 8)
    patches = torch.randn(1, 24, 16, requires_grad=True)
    module(patches, patches, None)[0, 1].square().sum().backward()
    assert patches.grad is not None
    assert (patches.grad.abs().sum(-1) > 0).all()


def test_pruning_keeps_the_most_attended_in_their_order() -> None:
    module = attention_prune.Compressor((2, 2), 1, 1, 2, 1)
    patches = torch.tensor([[[10.0], [11], [12], [13]]])
    attention = torch.tensor([[0.2, 0.9, 0.2, 0.5]])
    assert module(patches, patches, None, attention).flatten().tolist() == [11, 13]
    assert module(patches, patches, None, torch.ones(1, 4)).flatten().tolist() == [10, 11]
    assert not list(module.parameters())


def test_a_smaller_image_and_the_whole_one() -> None:
    assert downsample.Compressor((8, 12), 4, 4, 6, 4).image_grid == (2, 3)
    assert none.allowed_tokens((3, 5)) == [15]
