"""The result of a fit: parameters, intervals, status, and the points it was fitted to."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from scalelaw.results.envelope import Answer, plain
from scalelaw.results.warning import Warning


@dataclass(frozen=True)
class FitResult(Answer):
    """A law with its parameters, intervals, status and the points it was fitted to.

    units: what each input is divided by before the law sees it (`params` are for inputs in these units);
    intervals: name -> (low, high), NaN where there is no interval; objective: the sum over points of r^2, or of
    the Huber function (r^2/2 inside delta, delta (|r| - delta/2) outside); draws: name -> [n_draws] parameters
    of the bootstrap refits; points: {inputs: {name: values}, target, target_se, weight (None: all alike), labels:
    {column: values}}; ties: parameter -> formula of other parameters; target_kind: `error` (a share of 1),
    `loss` (in its own unit, which may exceed 1) or `other`.
    """

    command: ClassVar[str] = "fit"

    law: str
    formula: str
    source: str
    inputs: list[str]
    units: dict[str, float]
    target: str
    loss: dict[str, Any]
    n_points: int
    params: dict[str, float]
    bounds: dict[str, tuple[float, float]]
    intervals: dict[str, tuple[float, float]]
    interval: dict[str, Any]
    objective: float
    rmse: float
    r2: float
    aicc: float
    status: str
    certificate: dict[str, Any]
    derived: dict[str, dict[str, Any]]
    holdout: dict[str, Any]
    selection: list[dict[str, Any]]
    checklist: dict[str, Any]
    warnings: list[Warning]
    draws: dict[str, np.ndarray] = field(repr=False)
    draws_method: str
    points: dict[str, Any] = field(repr=False)
    ties: dict[str, str] = field(default_factory=dict)
    target_kind: str = "error"

    @property
    def measured_range(self) -> dict[str, tuple[float, float]]:
        """The smallest and largest value of each input among the points, in raw units."""
        return {name: (float(np.min(v)), float(np.max(v))) for name, v in self.points["inputs"].items()}

    @property
    def fit_hash(self) -> str:
        """Identifies the fit by its data and values: the same once it is written and read, also after a renaming."""
        values = {
            name: list(getattr(self, name).values()) for name in ("params", "bounds", "intervals", "draws")
        }
        facts = {**values, "target": self.target, "loss": self.loss, "data": self.checklist.get("data_hash")}
        return hashlib.sha256(json.dumps(plain(facts), sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """The `data` object of `scalelaw fit --json`, in JSON types; NaN is null."""
        data = {
            f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("draws_method", "warnings")
        }
        data["draws"] = {"method": self.draws_method, "params": self.draws}
        data["measured_range"] = self.measured_range
        # reproducible output: no timing is written
        if "SOURCE_DATE_EPOCH" in os.environ:
            data["certificate"] = {**self.certificate, "seconds": None}
        made: dict[str, Any] = plain(data)
        return made
