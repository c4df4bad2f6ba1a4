"""The configurations to choose from: every model with every number of visual tokens, with errors and costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalelaw.costs._workload import Workload
from scalelaw.plan.budget import cost_of
from scalelaw.plan.catalogue import Model

ROUNDING = 1 + 1e-12
"""A cost that equals the budget but for rounding fits it."""


@dataclass(frozen=True)
class Grid:
    """M models x K numbers of visual tokens. visual_tokens: [K]; error: [M, K]; costs: {kind: [M, K]}."""

    models: Sequence[Model]
    visual_tokens: np.ndarray
    error: np.ndarray
    costs: dict[str, np.ndarray]

    @property
    def n_params(self) -> np.ndarray:
        """Sizes as the law counts them [M]."""
        return np.array([m.n_params for m in self.models])

    def use(self, budget: dict[str, float]) -> np.ndarray:
        """The largest share of any budget that each configuration takes [M, K]; at most 1 where all hold."""
        return np.max([self.costs[kind] / limit for kind, limit in budget.items()], axis=0)

    def fits(self, budget: dict[str, float]) -> np.ndarray:
        """Where every budget holds [M, K]."""
        return self.use(budget) <= ROUNDING


def make_grid(
    fitted: Any,
    models: Sequence[Model],
    visual_tokens: np.ndarray,
    work: Workload,
    kinds: Iterable[str],
    flop_cost: str,
) -> Grid:
    """Predict the error and reckon the costs of every configuration."""
    sizes = np.array([m.n_params for m in models])
    error = predict(fitted, sizes[:, None], visual_tokens[None, :], work)
    return Grid(models, visual_tokens, error, reckon(models, visual_tokens, work, kinds, flop_cost))


def predict(
    fitted: Any, n_params: Any, visual_tokens: Any, work: Workload, draws: bool = False
) -> np.ndarray:
    """The law's error, or its bootstrap draws of it [n_draws, ...]; a law that sees the text is told its tokens."""
    known = {"n_params": n_params, "visual_tokens": visual_tokens, "text_tokens": work.text_tokens}
    inputs = {name: known[name] for name in fitted.inputs}
    return np.asarray(fitted.predict_draws(**inputs) if draws else fitted.predict(**inputs), dtype=float)


def reckon(
    models: Sequence[Model], visual_tokens: np.ndarray, work: Workload, kinds: Iterable[str], flop_cost: str
) -> dict[str, np.ndarray]:
    """The costs of every configuration, {kind: [M, K]}; each cost file is asked once."""
    givers = {kind: cost_of(kind, flop_cost) for kind in kinds}
    rows: dict[str, list[np.ndarray]] = {kind: [] for kind in givers}
    for model in models:
        totals: dict[str, dict[str, Any]] = {}
        for kind, giver in givers.items():
            if giver.__name__ not in totals:
                totals[giver.__name__] = total(giver, model, visual_tokens, work)
            rows[kind].append(np.broadcast_to(totals[giver.__name__][kind], visual_tokens.shape))
    return {kind: np.stack(held) for kind, held in rows.items()}


def total(cost: Any, model: Model, visual_tokens: Any, work: Workload) -> dict[str, Any]:
    """The kinds of cost that a cost file gives for one model, {kind: array as visual_tokens}."""
    parts = cost.parts(model.n_params, model.shape, visual_tokens, work)
    if hasattr(cost, "totals"):
        totals: dict[str, Any] = cost.totals(parts, work)
        return totals
    (kind,) = cost.kinds
    return {kind: sum(parts.values())}
