"""The objective of a fit: the sum over points of w times r^2, of the Huber function of r, or of an expectile's square.

r = target - law, or log target - log law. Every objective is solved as weighted least squares around the current
parameters: `linearize` returns rows e [B, n] and slopes s [B, n] such that, with the law's Jacobian J, a step d
solves (s J) d = e. For the Huber function the curvature of a point beyond delta lies between Newton's (none) and the
majorizer's (delta / |r|): the majorizer always descends, Newton's step converges quadratically.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalelaw.errors import InputError, unknown

Array = np.ndarray
LOSSES = ("squared", "huber", "expectile")
RESIDUALS = ("linear", "log")


@dataclass(frozen=True)
class Objective:
    """loss: squared, huber (with `delta`) or expectile (`expectile` in (0, 1); 0.5 is half the squared loss)."""

    loss: str = "squared"
    delta: float | None = None
    residual: str = "linear"
    expectile: float | None = None

    @property
    def is_quadratic(self) -> bool:
        """Whether the objective is a plain sum of squares in the linear parameters."""
        return self.loss == "squared" and self.residual == "linear"

    def residuals(self, value: Array, target: Array) -> Array:
        """target - value, or log target - log value (NaN where the law is not positive)."""
        if self.residual == "linear":
            return np.asarray(target - value)
        with np.errstate(all="ignore"):
            return np.asarray(np.log(target) - np.log(value))

    def total(self, residual: Array, weight: Array | float = 1.0) -> Array:
        """The objective: summed over the last axis; inf where the law has no value."""
        with np.errstate(all="ignore"):
            if self.loss == "squared":
                each = residual * residual
            elif self.loss == "huber":
                delta = float(self.delta or 0.0)
                size = np.abs(residual)
                inside = np.minimum(size, delta)
                each = inside * (size - 0.5 * inside)
            else:
                tau = float(self.expectile or 0.5)
                each = np.where(residual >= 0, tau, 1 - tau) * residual * residual
            total = np.sum(weight * each, axis=-1)
        return np.where(np.isfinite(total), total, np.inf)

    def linearize(
        self, residual: Array, value: Array, weight: Array | None, majorizer_weight: Array | float
    ) -> tuple[Array, Array | None]:
        """(e, s): weighted rows and slopes; s is None where it is one everywhere.

        majorizer_weight [B, 1] in (0, 1]: share of the majorizer's curvature for points beyond delta; near 0 it is
            Newton's.
        """
        root = None if weight is None else np.sqrt(weight)
        rows = residual
        if self.loss == "huber":
            size = np.abs(residual)
            outside = size > float(self.delta or 0.0)
            with np.errstate(all="ignore"):
                shrink = np.where(outside, float(self.delta or 0.0) / size, 1.0)
            curvature = np.sqrt(np.where(outside, shrink * majorizer_weight, 1.0))
            rows = residual * shrink / curvature
            root = curvature if root is None else root * curvature
            if weight is not None:
                rows = rows * np.sqrt(weight)
        elif self.loss == "expectile":
            tau = float(self.expectile or 0.5)
            tilt = np.sqrt(np.where(residual >= 0, tau, 1 - tau))
            root = tilt if root is None else root * tilt
            rows = residual * root
        elif root is not None:
            rows = residual * root
        if self.residual == "log":
            with np.errstate(all="ignore"):
                root = 1.0 / value if root is None else root / value
        return rows, root

    @property
    def newton_factor(self) -> float:
        """The objective falls by this times g.d in a full step (r^2 counts twice what r^2/2 does)."""
        return 0.5 if self.loss == "huber" else 1.0


def make_objective(
    loss: str = "squared",
    delta: float | None = None,
    residual: str = "linear",
    expectile: float | None = None,
) -> Objective:
    """An objective, checked. Raises InputError for an unknown loss or residual, or a number out of its range."""
    if loss not in LOSSES:
        raise unknown("loss", loss, LOSSES)
    if residual not in RESIDUALS:
        raise unknown("residual", residual, RESIDUALS)
    if loss == "huber":
        delta = 1e-3 if delta is None else float(delta)
        if not 0 < delta < np.inf:
            raise InputError(f"delta must be positive, not {delta:g}.", code="bad_delta")
    elif delta is not None:
        raise InputError(
            f"delta belongs to the Huber loss; the loss is '{loss}'.",
            code="bad_delta",
            hint="Set the loss to huber.",
        )
    if loss == "expectile":
        expectile = 0.1 if expectile is None else float(expectile)
        if not 0 < expectile < 1:
            raise InputError(f"expectile must lie between 0 and 1, not {expectile:g}.", code="bad_expectile")
    elif expectile is not None:
        raise InputError(
            f"An expectile belongs to the expectile loss; the loss is '{loss}'.",
            code="bad_expectile",
            hint="Set the loss to expectile.",
        )
    return Objective(loss, delta, residual, expectile)
