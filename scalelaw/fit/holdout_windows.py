"""How laws are judged by extrapolation: windows that hide the largest points, and how far a question lies outside.

A window keeps the points up to the largest value of one input divided by 1.5, 2, 3 or 4 and asks for all later ones:
the training window grows from the smallest to the largest of them, the question stays the end of the range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalelaw.errors import InputError, unknown

Array = np.ndarray
RATIOS = (1.5, 2.0, 3.0, 4.0)
LEVELS = 3
"""Minimum number of values of its input in a window; fewer do not determine a curve."""
FAR = 4.0
"""Multiple of the measured range beyond which every law is inaccurate (learning curves of arXiv 2209.06640)."""


@dataclass(frozen=True)
class Window:
    """Points kept ([n] bool) when those above `cut` (raw unit) of `name` are hidden."""

    name: str
    cut: float
    kept: Array


def windows(inputs: Mapping[str, Array], counted: Array | None = None) -> list[Window]:
    """The different windows along each input [n]; none along one with too few values. `counted` [n]: points there."""
    there = np.ones(len(next(iter(inputs.values()))), bool) if counted is None else counted
    result: list[Window] = []
    for name, values in inputs.items():
        largest = values[there].max()
        for ratio in RATIOS:
            cut = largest / ratio
            kept = (values <= cut * (1 + 1e-9)) & there
            new = all(w.name != name or not np.array_equal(w.kept, kept) for w in result)
            if new and len(np.unique(values[kept])) >= LEVELS:
                result.append(Window(name, float(cut), kept))
    return result


def lines(inputs: Mapping[str, Array], name: str) -> int:
    """Number of lines along an input: distinct settings of the others. Errors within one line are dependent."""
    others = [values for other, values in inputs.items() if other != name]
    return len(np.unique(np.stack(others), axis=1).T) if others else 1


def ratios(measured: Mapping[str, tuple[float, float]], places: Mapping[str, Any]) -> dict[str, float]:
    """By input: the factor by which `places` lie outside the measured range; 1 inside.

    measured: input -> (smallest, largest), as `FittedLaw.measured_range`; places: input -> number(s), same unit.
    Raises InputError for an unknown input, or for a number that is not positive.
    """
    factors = {}
    for name, values in places.items():
        if name not in measured:
            raise unknown("input", name, measured)
        numbers = np.asarray(values, float)
        if not (numbers > 0).all():
            raise InputError(f"Input '{name}' must be positive.", code="bad_value")
        low, high = measured[name]
        factors[name] = float(max(1.0, numbers.max() / high, low / numbers.min()))
    return factors


def extrapolation_warnings(
    measured: Mapping[str, tuple[float, float]], places: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Warnings (code, message): `extrapolates` with the ratio, `extrapolates_far` beyond a factor of 4."""
    warnings: list[tuple[str, str]] = []
    for name, ratio in ratios(measured, places).items():
        low, high = measured[name]
        words = f"{name} lies a factor of {ratio:.3g} outside the measured range ({low:g} to {high:g})"
        if ratio > FAR:
            warnings.append(("extrapolates_far", f"{words}. Beyond a factor of {FAR:g} no law is accurate."))
        elif ratio > 1:
            warnings.append(("extrapolates", f"{words}, so the prediction is extrapolated."))
    return warnings


def misses(value: Array, target: Array, relative: bool) -> Array:
    """[..., n] prediction errors: log(value / target) where `relative`, else scaled by the targets' root mean square.

    A relative error of a value that is not positive is that of 1% of the target.
    """
    if not relative:
        size = float(np.sqrt(np.mean(target**2)))
        return np.asarray((value - target) / (size if size > 0 else 1.0))
    with np.errstate(all="ignore"):
        return np.asarray(np.log(np.maximum(value / target, 0.01)))


def root_mean_square(values: Array | Sequence[float]) -> float:
    """sqrt(mean of squares); infinite where a value is not a number."""
    array = np.asarray(values, float)
    return float(np.sqrt(np.mean(array**2))) if np.isfinite(array).all() and array.size else np.inf
