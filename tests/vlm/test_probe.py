"""The probes on towers made by the test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scalelaw.datasets.scenes import Dataset
from scalelaw.errors import InputError
from scalelaw.vlm import probe
from scalelaw.vlm.probe import CANDIDATES, Run, measure


def test_the_linear_probe_finds_what_is_there_and_not_what_is_not() -> None:
    """Features that say the words give no error; features that say nothing, that of the most frequent words."""
    generator = torch.Generator().manual_seed(0)
    captions = torch.randint(3, 9, (600, 2), generator=generator)
    captions[::2, 1] = 0
    hot = probe._hot(captions, 9, [0, 1, 2]).float()
    scores = probe._probe((hot[:400], captions[:400]), (hot[400:], captions[400:]), 9, [0, 1, 2])
    assert scores.mean() > 0.98
    noise = torch.randn(600, 5, generator=generator)
    blind = probe._probe((noise[:400], captions[:400]), (noise[400:], captions[400:]), 9, [0, 1, 2])
    assert 0.1 < blind.mean() < 0.4


def test_zero_shot_through_a_locked_tower() -> None:
    generator = torch.Generator().manual_seed(0)
    captions = torch.randint(3, 9, (600, 2), generator=generator)
    hot = probe._hot(captions, 9, [0, 1, 2]).float() + 0.01 * torch.randn(600, 9, generator=generator)
    scores = probe._zero_shot((hot[:400], captions[:400]), (hot[400:], captions[400:]), 9, [0, 1, 2], 0)
    blind = probe._zero_shot(
        (0 * hot[:400], captions[:400]), (0 * hot[400:], captions[400:]), 9, [0, 1, 2], 0
    )
    assert scores.mean() > blind.mean() + 0.2


@pytest.mark.parametrize("objective", ["superclass", "clip"])
def test_a_measurement_repeats(objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    for name, value in (("PROBED", 200), ("TESTED", 200), ("MATCHER_STEPS", 20)):
        monkeypatch.setattr(probe, name, value)
    run = Run(objective, 8, layers=1, heads=2, samples=64, batch=16, images=50)
    first, second = (measure(Dataset(0), run, lambda _: None) for _ in range(2))
    assert first == second
    assert all(0 <= first[key] <= 1 for key in ("probe_error", "zero_shot_error"))
    assert np.isfinite(first["loss"])


def test_only_clip_depends_on_how_many_images_one_loss_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    for name in ("PROBED", "TESTED"):
        monkeypatch.setattr(probe, name, CANDIDATES)
    # only the loss is compared, so the text side need not learn
    monkeypatch.setattr(probe, "MATCHER_STEPS", 1)
    options = {"superclass": {"idf": False}, "clip": {}}
    for objective, more in options.items():
        run = Run(objective, 8, layers=1, heads=2, samples=64, batch=16, images=50, options=more)
        whole = measure(Dataset(0), run, lambda _: None)["loss"]
        split = measure(Dataset(0), replace(run, together=4), lambda _: None)["loss"]
        assert (split == pytest.approx(whole, rel=1e-4)) is (objective == "superclass")
    with pytest.raises(InputError, match="groups of 5"):
        measure(Dataset(0), replace(run, together=5), lambda _: None)
