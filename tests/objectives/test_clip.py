"""CLIP against computations by hand."""

from __future__ import annotations

import math

import pytest
import torch

from scalelaw.objectives.clip import Objective


def objective() -> Objective:
    torch.manual_seed(0)
    return Objective(8, 10, [0, 1]).eval()


def test_the_loss_by_hand() -> None:
    """Both directions, pair by pair."""
    module, patches = objective(), torch.randn(3, 4, 8)
    captions = torch.tensor([[2, 3, 0], [4, 0, 0], [5, 6, 7]])
    images, texts = module.images(patches), module.captions(captions)
    torch.testing.assert_close(images.norm(dim=1), torch.ones(3))
    scores = [[float((i @ t).detach()) / 0.07 for t in texts] for i in images]
    total = 0.0
    for k in range(3):
        row, column = scores[k], [scores[j][k] for j in range(3)]
        total -= 2 * scores[k][k] - math.log(sum(map(math.exp, row))) - math.log(sum(map(math.exp, column)))
    assert module(patches, captions).item() == pytest.approx(total / 6, rel=1e-4)


def test_the_order_of_the_words_matters_and_a_caption_may_be_empty() -> None:
    module = objective()
    texts = module.captions(torch.tensor([[2, 3], [3, 2], [0, 0]]))
    assert (texts[0] - texts[1]).abs().max() > 1e-3
    assert torch.isfinite(texts).all()


def test_the_temperature_is_bounded() -> None:
    module = objective()
    with torch.no_grad():
        module.scale.fill_(20.0)
    assert torch.isfinite(module(torch.randn(3, 4, 8), torch.tensor([[2], [3], [4]])))
