"""Weights of the points: from standard errors, from a column, and towards the tail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalelaw.errors import InputError, unknown
from scalelaw.table.points import Points, no_column

Array = np.ndarray


@dataclass(frozen=True)
class Weights:
    """weight [n]: of each point in the objective, with mean 1 (None: all equal); noise [n]: relative noise.

    words: a description for the checklist; kept [n] bool: points with a weight above zero.
    """

    weight: Array | None
    noise: Array
    kept: Array
    words: str


def effective_points(weight: Array) -> float:
    """(sum w)^2 / sum w^2: the number of equally weighted points with the same information."""
    return float(weight.sum() ** 2 / np.sum(weight**2)) if weight.any() else 0.0


def need_positive(target: Array) -> None:
    """Raises InputError where a target [n] is not positive and so has no logarithm."""
    if (target <= 0).any():
        raise InputError(
            "Log residuals need positive targets, and a point has 0.",
            code="bad_value",
            hint="Use residual='linear', or leave the point out.",
        )


def need_squares(target: Array) -> None:
    """Raises InputError where the squares of the targets [n] leave the range of numbers."""
    largest = float(np.max(target, initial=0.0))
    if largest and not 1e-120 < largest < 1e120:
        raise InputError(
            f"The largest target is {largest:.3g}, and its square is out of range.",
            code="bad_value",
            hint="Express the target in another unit.",
        )


def make_weights(
    points: Points,
    weights: Any = None,
    tail_weight: float | Mapping[str, float] = 0.0,
    residual: str = "linear",
) -> Weights:
    """Weights from `weights` (`error_se`: 1/se^2; a column's name; n numbers) and `tail_weight`.

    For log residuals the standard error of ln y is se / y, so `error_se` gives weights (y / se)^2.
    tail_weight gamma multiplies by x^gamma: a number applies to the first input; else input -> gamma.
    Raises InputError for missing, negative or all-zero weights and for an unknown column or input.
    """
    n = len(points)
    weight, noise, words = np.ones(n), np.ones(n), []
    se_name = f"{points.target_name}_se"
    if isinstance(weights, str) and weights == se_name:
        se = points.target_se
        if not np.isfinite(se).all() or (se <= 0).any():
            bad = int((~(np.isfinite(se) & (se > 0))).sum())
            raise InputError(
                f"{bad} of {n} points have no positive {se_name}.",
                code="bad_weights",
                hint="Leave the weights out, or select points that have one with --where.",
            )
        words.append(f"1 / {se_name}^2")
        if residual == "log":
            need_positive(points.target)
            se, words = se / points.target, [f"1 / ({se_name} / {points.target_name})^2"]
        se = se / np.median(se)
        weight, noise = 1 / np.clip(se, 1e-100, 1e100) ** 2, se / np.sqrt(np.mean(se**2))
    elif weights is not None:
        weight = _checked(points, weights)
        words.append(f"column {weights}" if isinstance(weights, str) else "given")
    gammas = tail_weight if isinstance(tail_weight, Mapping) else {next(iter(points.inputs)): tail_weight}
    for name, gamma in gammas.items():
        if name not in points.inputs:
            raise unknown("input", name, points.inputs)
        if not np.isfinite(gamma):
            raise InputError(f"The tail weight {gamma} is not a number.", code="bad_weights")
        if gamma:
            tilt = float(gamma) * np.log(points.inputs[name])
            weight = weight * np.exp(np.maximum(tilt - tilt.max(), -600))
            words.append(f"{name}^{gamma:g}")
    kept = weight > 0
    if not kept.any():
        raise InputError("All weights are zero, so nothing is left to fit.", code="bad_weights")
    if not words:
        return Weights(None, noise, kept, "none")
    return Weights(weight / weight[kept].mean(), noise, kept, ", times ".join(words))


def _checked(points: Points, weights: Any) -> Array:
    if isinstance(weights, str):
        if weights not in points.rows or points.rows[weights].isna().all():
            there = [str(c) for c in points.rows.columns if points.rows[c].notna().any()]
            raise no_column(points.rows, weights, there)
        weights = points.rows[weights].to_numpy()
    try:
        values = np.asarray(weights, float)
    except (TypeError, ValueError) as error:
        raise InputError("The weights are not numbers.", code="bad_weights") from error
    if values.shape != (len(points),):
        raise InputError(f"There are {values.size} weights for {len(points)} points.", code="bad_weights")
    if not np.isfinite(values).all() or (values < 0).any():
        raise InputError("A weight is negative or not a finite number.", code="bad_weights")
    return values
