"""Every compressor keeps its contract; a new file in the package is tested without a change here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scalelaw import plugins
from scalelaw.errors import InputError

GRID, WIDTH, MULTI, TEXT = (4, 6), 16, 32, 12


@pytest.fixture(params=plugins.names("compressors"))
def plugin(request: pytest.FixtureRequest) -> Any:
    return plugins.load("compressors", request.param)


def inputs(module: Any, batch: int = 3, device: str = "cpu") -> list[torch.Tensor]:
    """What its forward takes: patches, patches_multi, question, and the tower's attention where it reads that."""
    generator = torch.Generator().manual_seed(0)
    height, width = getattr(module, "image_grid", GRID)
    shapes: list[tuple[int, ...]] = [(height * width, WIDTH), (height * width, MULTI), (TEXT,)]
    if getattr(module, "reads_attention", False):
        shapes.append((height * width,))
    return [torch.randn(batch, *shape, generator=generator).to(device) for shape in shapes]


def build(plugin: Any, tokens: int) -> Any:
    torch.manual_seed(1)
    return plugin.Compressor(GRID, WIDTH, MULTI, tokens, TEXT)


def test_gives_every_number_of_tokens_it_allows(plugin: Any) -> None:
    allowed = plugin.allowed_tokens(GRID)
    assert allowed == sorted(set(allowed), reverse=True)
    for tokens in allowed:
        module = build(plugin, tokens)
        patches, multi, question, *attention = inputs(module)
        out = module(patches, multi, question if module.reads_question else None, *attention)
        assert out.shape == (3, tokens, WIDTH)
        assert torch.isfinite(out).all()


def test_refuses_other_numbers_and_names_those_it_can(plugin: Any) -> None:
    allowed = plugin.allowed_tokens(GRID)
    refused = next(n for n in range(2, 100) if n not in allowed)
    with pytest.raises(InputError) as caught:
        build(plugin, refused)
    assert caught.value.code == "tokens_not_allowed"
    named = caught.value.hint.split("Allowed: ")[1].rstrip(".")
    assert named in (", ".join(map(str, allowed)), f"any number from {allowed[-1]} to {allowed[0]}")


def test_images_of_a_batch_do_not_touch_each_other(plugin: Any) -> None:
    module = build(plugin, plugin.allowed_tokens(GRID)[-1])
    tensors = inputs(module)
    whole, alone = module(*tensors), module(*(part[1:2] for part in tensors))
    torch.testing.assert_close(whole[1:2], alone, rtol=1e-5, atol=1e-6)


def test_every_parameter_and_the_patches_get_a_gradient(plugin: Any) -> None:
    """A gradient that is zero by algebra (a bias before a softmax) is still a gradient; a missing one is a mistake."""
    module = build(plugin, plugin.allowed_tokens(GRID)[:2][-1])
    patches, *others = inputs(module)
    patches.requires_grad_()
    module(patches, *others).square().sum().backward()
    assert patches.grad is not None
    assert patches.grad.abs().sum() > 0
    missing = {n for n, p in module.named_parameters() if p.grad is None}
    assert missing <= {"attention.key_in.bias"}


def test_flops_are_those_of_its_products(plugin: Any) -> None:
    for tokens in plugin.allowed_tokens(GRID):
        with torch.device("meta"):
            module = plugin.Compressor(GRID, WIDTH, MULTI, tokens, TEXT)
        with FlopCounterMode(display=False) as counter:
            module(*inputs(module, 1, "meta"))
        assert module.flops() == counter.get_total_flops()


def test_one_model_for_many_numbers_of_tokens_gives_each_of_them(plugin: Any) -> None:
    allowed = plugin.allowed_tokens(GRID)
    module = build(plugin, allowed[-1])
    tensors = inputs(module)
    for tokens in getattr(module, "training_tokens", ()):
        module.visual_tokens = tokens
        assert tokens in allowed
        assert module(*tensors).shape[1] == tokens


def test_summary_names_a_source(plugin: Any) -> None:
    assert "arXiv" in (plugin.__doc__ or "")
