"""Every objective keeps its contract; a new file in the package is tested without a change here."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from scalelaw import plugins

WIDTH, VOCAB, SPECIAL = 8, 12, (0, 1, 2)


@pytest.fixture(params=plugins.names("objectives"))
def objective(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return plugins.load("objectives", request.param).Objective(WIDTH, VOCAB, SPECIAL)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    captions = torch.randint(3, VOCAB, (6, 5), generator=generator)
    captions[::2, 3:] = 0
    return torch.randn(6, 9, WIDTH, generator=generator), captions


def test_a_finite_scalar_with_gradients(objective: Any) -> None:
    patches, captions = batch()
    patches.requires_grad_()
    loss = objective(patches, captions)
    assert loss.shape == ()
    assert torch.isfinite(loss)
    loss.backward()
    assert patches.grad is not None
    assert torch.isfinite(patches.grad).all()
    assert patches.grad.abs().sum() > 0
    assert all(torch.isfinite(p.grad).all() for p in objective.parameters())


def test_padding_changes_nothing(objective: Any) -> None:
    patches, captions = batch()
    longer = torch.cat([captions, torch.zeros(6, 4, dtype=torch.long)], dim=1)
    objective.eval()
    assert objective(patches, captions).item() == pytest.approx(objective(patches, longer).item(), rel=1e-6)


def test_training_lowers_it(objective: Any) -> None:
    patches, captions = batch()
    patches.requires_grad_()
    optimizer = torch.optim.Adam([patches, *objective.parameters()], lr=0.05)
    losses = []
    for _ in range(40):
        loss = objective(patches, captions)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[1] - 0.2
