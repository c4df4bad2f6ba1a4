"""The planning problem: the models, the token counts, the query, the costs and the limits that a search works on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from scalelaw.costs._workload import Device
from scalelaw.plan.catalogue import Model
from scalelaw.plan.cost_needs import range_factors
from scalelaw.plan.grid import Grid, compute_costs, make_grid
from scalelaw.plan.workload import Query


@dataclass(frozen=True)
class Problem:
    """Everything that a search needs except its objective.

    kinds: the kinds of cost that can be computed. budget: {kind: limit} of the user; limits: the budget and the
    memory of the device. error: the prediction of the law [M, K]. facts: where each part comes from.
    """

    fitted: Any
    models: Sequence[Model]
    counts: np.ndarray
    query: Query
    flop_cost: str
    kinds: tuple[str, ...]
    budget: dict[str, float]
    limits: dict[str, float]
    error: np.ndarray
    facts: dict[str, Any]
    warnings: list[tuple[str, str]] = field(default_factory=list)
    known: list[Any] = field(default_factory=list, compare=False, repr=False)

    def grid(
        self,
        limits: Mapping[str, float] | None = None,
        minimise: str | None = None,
        device: Device | None = None,
    ) -> Grid:
        """The configurations under `limits` (by default those of the problem). Each is served in the setup that spends
        least of `minimise`, or of what the budget names; a limit that only the device implies is not spent.
        """
        limits = self.limits if limits is None else limits
        spent = [minimise] if minimise else list(self.budget)
        return make_grid(
            self.models,
            self.counts,
            self.error,
            self.query,
            limits,
            self.kinds,
            self.flop_cost,
            spent,
            device,
            self._every() if device is None else None,
        )

    @cached_property
    def range_factors(self) -> dict[str, tuple[float, float]]:
        """The ends of the 90% range, as factors of the value, of every kind of cost that has one."""
        return range_factors(self.kinds, self.flop_cost, self.query.work)

    def _every(self) -> dict[str, np.ndarray]:
        """Every kind of cost of every configuration in every setup, computed once."""
        if not self.known or self.known[0] is not self.models:
            self.known[:] = [self.models, self.costs(self.kinds)]
        every: dict[str, np.ndarray] = self.known[1]
        return every

    def costs(self, kinds: Iterable[str]) -> dict[str, np.ndarray]:
        """Costs of every configuration in every setup, {kind: [M, K, S]}."""
        return compute_costs(
            self.models, self.counts, self.query.work, kinds, self.flop_cost, len(self.query.setups)
        )
