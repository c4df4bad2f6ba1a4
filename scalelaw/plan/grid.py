"""The configurations to choose from: every model with every number of visual tokens, with errors and costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalelaw.costs._workload import Device, Workload
from scalelaw.fit.input_checks import checked_by_caller
from scalelaw.plan.budget import cost_of
from scalelaw.plan.catalogue import Model
from scalelaw.plan.images import Seen, percentile, side_by_side, workload_with
from scalelaw.plan.workload import Query

ROUNDING = 1 + 1e-12
"""A cost that equals the budget but for rounding fits it."""

Place = tuple[int, int]
"""Which model, which number of visual tokens."""


@dataclass(frozen=True)
class Grid:
    """M models x K numbers of visual tokens, each served in the cheapest of the S ways that fit.

    visual_tokens: [K]; error: [M, K], the law's; spend: [M, K], the cost to be made least, or the largest share of
    several budgets (a limit that nobody gave is not spent); costs: {kind: [M, K]}; fits: [M, K]; setup: [M, K], which
    way to serve.
    """

    models: Sequence[Model]
    visual_tokens: np.ndarray
    error: np.ndarray
    costs: dict[str, np.ndarray]
    fits: np.ndarray
    spend: np.ndarray
    setup: np.ndarray

    @property
    def n_params(self) -> np.ndarray:
        """Sizes as the law counts them [M]."""
        return np.array([m.n_params for m in self.models])

    def holds(self, limits: Mapping[str, float]) -> np.ndarray:
        """Where these limits hold [M, K]."""
        if not limits:
            return np.ones_like(self.fits)
        return use(self.costs, limits) <= ROUNDING


def use(costs: Mapping[str, np.ndarray], limits: Mapping[str, float]) -> np.ndarray:
    """The largest share of any limit that is taken; at most 1 where all hold."""
    share: np.ndarray = np.max([costs[kind] / limit for kind, limit in limits.items()], axis=0)
    return share


def make_grid(
    models: Sequence[Model],
    visual_tokens: np.ndarray,
    error: np.ndarray,
    query: Query,
    limits: Mapping[str, float],
    kinds: Iterable[str],
    flop_cost: str,
    spent: Sequence[str],
    device: Device | None = None,
    every: dict[str, np.ndarray] | None = None,
) -> Grid:
    """Compute the costs of every configuration in every setup, and keep the setup that spends least where it fits.

    error: [M, K]. spent: the kind of cost to be least; of several, each with a limit, the largest share is.
    device: instead of the query's own (for other efficiencies). every: the costs, where they are known already.
    """
    work = query.work if device is None else replace(query.work, device=device)
    if every is None:
        every = compute_costs(models, visual_tokens, work, kinds, flop_cost, len(query.setups))
    share = use(every, limits) if limits else np.zeros((*error.shape, len(query.setups)))
    spend = every[spent[0]] if len(spent) == 1 else use(every, {kind: limits[kind] for kind in spent})
    fits = (share <= ROUNDING) & np.isfinite(error)[..., None]
    setup = np.argmin(np.where(fits, spend, np.inf), axis=-1)
    none = ~fits.any(axis=-1)
    setup[none] = np.argmin(share[none], axis=-1)

    def best_setup(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, setup[..., None], axis=-1)[..., 0]

    costs = {kind: best_setup(values) for kind, values in every.items()}
    return Grid(models, visual_tokens, error, costs, ~none, best_setup(spend), setup)


def compute_costs(
    models: Sequence[Model],
    visual_tokens: np.ndarray,
    work: Workload,
    kinds: Iterable[str],
    flop_cost: str,
    setups: int = 1,
    *,
    expected: bool = False,
) -> dict[str, np.ndarray]:
    """The costs of every configuration, {kind: [M, K, S]}; each cost file is asked once a model.

    Where queries show different images, what 95% of them do not exceed, or with `expected` the mean.
    """
    givers = {kind: cost_of(kind, flop_cost) for kind in kinds}
    shape = len(models), len(visual_tokens), setups
    costs = {kind: np.empty(shape) for kind in givers}
    # models of one family share what they see
    sights = {id(model.sights): model.sights for model in models if model.sights is not None}
    seen = {
        key: side_by_side([one.nearest(float(tokens)) for tokens in visual_tokens])
        for key, one in sights.items()
    }
    column = visual_tokens[:, None]
    for row, model in enumerate(models):
        totals: dict[str, dict[str, Any]] = {}
        own = workload_of(model, work)
        for kind, giver in givers.items():
            if giver.__name__ not in totals:
                totals[giver.__name__] = (
                    total(giver, model, column, own)
                    if model.sights is None
                    else _of_images(giver, model, seen[id(model.sights)], work, setups, expected)
                )
            costs[kind][row] = totals[giver.__name__][kind]
    return costs


def _of_images(
    giver: Any, model: Model, seen: Seen, work: Workload, setups: int, expected: bool
) -> dict[str, np.ndarray]:
    """The costs of queries with images, {kind: [K, S]}. seen: the settings, side by side."""
    own = workload_with(work, seen, model.sights.pictures.number)
    shape = (*seen.visual_tokens.shape, setups)
    costs = {}
    for kind, values in total(giver, model, seen.visual_tokens[..., None], own).items():
        each = np.broadcast_to(values, shape)
        costs[kind] = (
            np.tensordot(seen.weights, each, axes=1) if expected else percentile(each, seen.weights, 0.95)
        )
    return costs


def workload_of(model: Model, work: Workload) -> Workload:
    """The workload with the model's own vision encoder, where it has one."""
    return work if model.tower is None else replace(work, tower=model.tower)


def total(cost: Any, model: Model, visual_tokens: Any, work: Workload) -> dict[str, Any]:
    """The kinds of cost that a cost file gives for one model, {kind: array that broadcasts with visual_tokens}."""
    parts = cost.parts(model.n_params, model.shape, visual_tokens, work)
    if hasattr(cost, "totals"):
        totals: dict[str, Any] = cost.totals(parts, work)
        return totals
    (kind,) = cost.kinds
    return {kind: sum(parts.values())}


def predict(
    fitted: Any, n_params: Any, visual_tokens: Any, work: Workload, draws: bool = False
) -> np.ndarray:
    """The law's error, or its bootstrap draws of it [n_draws, ...]; a law that sees the text is told its tokens."""
    known = {"n_params": n_params, "visual_tokens": visual_tokens, "text_tokens": work.text_tokens}
    inputs = {name: known[name] for name in fitted.inputs}
    with checked_by_caller():
        return np.asarray(fitted.predict_draws(**inputs) if draws else fitted.predict(**inputs), dtype=float)
