"""Fitted laws with known parameters, so that a plan's answer can be written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

REFIT = {"A": 0.59077, "alpha": 0.07094, "beta": 0.01510, "D": 0.0}
"""The least-squares refit of the 28 reasoning points of arXiv 2411.03312, n_params in billions."""


@dataclass
class KnownLaw:
    """What a plan asks of a fitted law, for `error = A N^-alpha V^-beta + D` or a function given."""

    params: dict[str, float]
    draws: dict[str, np.ndarray] = field(default_factory=dict)
    law: str = "product_power"
    function: Callable[..., Any] = lambda n, v, A, alpha, beta, D: A * n**-alpha * v**-beta + D
    inputs: tuple[str, ...] = ("n_params", "visual_tokens")
    status: str = "identified"
    measured_range: dict[str, tuple[float, float]] = field(
        default_factory=lambda: {"n_params": (0.5e9, 7e9), "visual_tokens": (1, 576)}
    )
    points: dict[str, Any] = field(
        default_factory=lambda: {
            "inputs": {"n_params": [0.5e9, 1.8e9, 4e9, 7e9] * 2, "visual_tokens": [1] * 4 + [576] * 4}
        }
    )

    def predict(self, n_params: Any, visual_tokens: Any) -> Any:
        return self.function(np.asarray(n_params) / 1e9, np.asarray(visual_tokens, float), **self.params)

    def predict_draws(self, n_params: Any, visual_tokens: Any) -> Any:
        rows = [dict(zip(self.draws, row, strict=True)) for row in zip(*self.draws.values(), strict=True)]
        return np.stack(
            [self.function(np.asarray(n_params) / 1e9, np.asarray(visual_tokens, float), **r) for r in rows]
        )


@pytest.fixture
def known_law() -> type[KnownLaw]:
    return KnownLaw


@pytest.fixture
def reasoning() -> KnownLaw:
    """The refit law of the reasoning table, with 200 draws of its exponents."""
    rng = np.random.default_rng(0)
    draws = {name: np.full(200, value) for name, value in REFIT.items()}
    draws["alpha"] = rng.normal(REFIT["alpha"], 0.002, 200)
    draws["beta"] = rng.normal(REFIT["beta"], 0.001, 200)
    return KnownLaw(dict(REFIT), draws)
