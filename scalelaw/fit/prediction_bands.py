"""Two kinds of band: for the law itself, and for the score of a new run.

The band of the law is the spread of the bootstrap refits. The band of a run adds the scatter of a single run about the
curve: its randomness (seed, order of data) and the finite number of examples that it is scored on. The two parts are
separated where repeated runs or standard errors allow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from scalelaw.errors import InputError, NoAnswer

Array = np.ndarray
KINDS = ("law", "run")


class Fit(Protocol):
    """The part of a fitted law that bands need."""

    @property
    def points(self) -> Mapping[str, Any]: ...

    @property
    def loss(self) -> Mapping[str, Any]: ...

    @property
    def n_free(self) -> float: ...

    def predict(self, **inputs: Any) -> Array: ...

    def predict_draws(self, **inputs: Any) -> Array: ...


@dataclass(frozen=True)
class Noise:
    """Standard deviations about the law, in the residual's space (relative where residuals are logarithms).

    total: from the residuals and the degrees of freedom; evaluation: from the points' standard errors; run: the rest,
    or, where runs were repeated at the same inputs, their scatter minus the evaluation's. None where it is unknown.
    """

    total: float
    evaluation: float | None
    run: float | None
    repeated: int


def noise(fitted: Fit) -> Noise:
    """The scatter of single runs about the law. Raises NoAnswer without degrees of freedom."""
    target, se = np.asarray(fitted.points["target"]), np.asarray(fitted.points["target_se"], float)
    value = fitted.predict(**fitted.points["inputs"])
    log = fitted.loss["residual"] == "log"
    residual = np.log(target / value) if log else target - value
    se = se / target if log else se
    left = len(target) - fitted.n_free
    if left < 1:
        raise NoAnswer(
            f"{len(target)} points and {fitted.n_free:.3g} parameters leave no degrees of freedom for the noise.",
            code="no_freedom",
        )
    total = float(np.sum(residual**2) / left)
    evaluation = float(np.mean(se**2)) if np.isfinite(se).all() else None
    within, repeats = _within(fitted, residual)
    run = within if repeats else (total if evaluation is not None else None)
    if run is not None and evaluation is not None:
        run = max(run - evaluation, 0.0)
    roots = [None if v is None else float(np.sqrt(v)) for v in (evaluation, run)]
    return Noise(float(np.sqrt(total)), roots[0], roots[1], repeats)


def _within(fitted: Fit, residual: Array) -> tuple[float, int]:
    """The variance of residuals between runs at the same inputs, and its degrees of freedom."""
    cells = np.unique(np.stack(list(fitted.points["inputs"].values())), axis=1, return_inverse=True)[
        1
    ].ravel()
    counts = np.bincount(cells)
    means = np.bincount(cells, residual) / counts
    left = int(len(residual) - len(counts))
    return (float(np.sum((residual - means[cells]) ** 2) / left), left) if left else (0.0, 0)


def band(
    fitted: Fit, kind: str = "law", level: float = 0.95, seed: int = 0, **inputs: Any
) -> tuple[Array, Array]:
    """(low, high) of the law's curve, or of a new run, at inputs in raw units, broadcast against each other.

    Raises InputError for an unknown kind, NoAnswer for a fit without bootstrap draws.
    """
    if kind not in KINDS:
        raise InputError(f"'{kind}' is not a kind of band.", code="unknown_band", hint="Kinds: law, run.")
    if not 0 < level < 1:
        raise InputError(f"The level of a band must lie between 0 and 1, not {level:g}.", code="bad_value")
    drawn = fitted.predict_draws(**inputs)
    if not len(drawn):
        raise NoAnswer(
            "The fit has no bootstrap draws, so it has no bands.",
            code="no_draws",
            hint="Fit with bootstrap=1000; a fit that is not identified has none.",
        )
    if kind == "run":
        shake = np.random.default_rng(seed).normal(size=drawn.shape) * noise(fitted).total
        drawn = drawn * np.exp(shake) if fitted.loss["residual"] == "log" else drawn + shake
    low, high = np.quantile(drawn, [0.5 * (1 - level), 0.5 * (1 + level)], axis=0)
    return low, high
