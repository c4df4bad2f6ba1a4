"""The options of a fit, checked in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalelaw.errors import InputError, unknown
from scalelaw.fit.bootstrap import KINDS, METHODS
from scalelaw.fit.objective import Objective, make_objective

INTERVALS = (*KINDS, "profile")
MOST_REFITS = 10**6
"""More refits would take days without improving the intervals."""


@dataclass(frozen=True)
class FitOptions:
    """The options of `fit_law`; see there. `checked` raises InputError for invalid ones.

    residual: None is `linear`, and for several laws of one input `log`.
    """

    loss: str = "squared"
    delta: float | None = None
    residual: str | None = None
    expectile: float | None = None
    fix: Mapping[str, float] | None = None
    bounds: Mapping[str, tuple[float, float]] | None = None
    tie: Mapping[str, str] | None = None
    parameters: Any = None
    weights: Any = None
    tail_weight: float | Mapping[str, float] = 0.0
    bootstrap: int = 1000
    seed: int = 0
    resample: str | None = None
    cluster: str | None = None
    interval: str = "percentile"
    level: float = 0.95
    holdout: str | None = None
    starts: int | None = None
    score: Mapping[str, float] | None = None
    scale: Mapping[str, float] | None = None
    as_is: bool = False

    @property
    def method(self) -> str:
        """The resampling method: `resample`, else `cluster` where a column is named, else the default of the loss."""
        if self.resample is not None:
            return self.resample
        if self.cluster is not None:
            return "cluster"
        return {"huber": "neighbour", "expectile": "case"}.get(self.loss, "wild")

    def of_rows(self, rows: np.ndarray) -> FitOptions:
        """The options for the points `rows` ([n] bool); weights passed as numbers are restricted to them."""
        if self.weights is None or isinstance(self.weights, str) or np.shape(self.weights) != rows.shape:
            return self
        return replace(self, weights=np.asarray(self.weights)[rows])

    def checked(self) -> Objective:
        """The objective. Raises InputError for an option that is unknown or out of range."""
        if self.resample is not None and self.resample not in METHODS:
            raise unknown("resampling method", self.resample, METHODS, code="unknown_resampling")
        if self.interval not in INTERVALS:
            raise unknown("interval", self.interval, INTERVALS)
        if int(self.bootstrap) != self.bootstrap or not 0 <= self.bootstrap <= MOST_REFITS:
            raise InputError(
                f"The number of bootstrap refits must lie between 0 and {MOST_REFITS:,}, not {self.bootstrap}.",
                code="bad_value",
            )
        if not 0 < self.level < 1:
            raise InputError(
                f"The level of an interval must lie between 0 and 1, not {self.level:g}.",
                code="bad_value",
                hint="For example 0.95.",
            )
        if self.seed < 0:
            raise InputError(f"The seed must not be negative, and it is {self.seed}.", code="bad_value")
        if self.starts is not None and self.starts < 1:
            raise InputError("At least one start is needed.", code="bad_value")
        return make_objective(self.loss, self.delta, self.residual or "linear", self.expectile)


def make_options(options: Mapping[str, Any]) -> FitOptions:
    """Options by name. Raises InputError for an unknown name, with the nearest one."""
    for name in options:
        if name not in FitOptions.__dataclass_fields__:
            raise unknown("option", name, FitOptions.__dataclass_fields__)
    return FitOptions(**options)
