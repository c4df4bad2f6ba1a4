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
"""A window leaves at least this many values of its input: with fewer, no curve along it can be told."""
FAR = 4.0
"""Beyond this multiple of the measured range every law is poor (learning curves of arXiv 2209.06640)."""


@dataclass(frozen=True)
class Window:
    """Points kept ([n] bool) when those above `cut` (raw unit) of `name` are hidden."""

    name: str
    cut: float
    kept: Array


def windows(inputs: Mapping[str, Array], counted: Array | None = None) -> list[Window]:
    """The different windows along each input [n]; none along one with too few values. `counted` [n]: points there."""
    there = np.ones(len(next(iter(inputs.values()))), bool) if counted is None else counted
    found: list[Window] = []
    for name, values in inputs.items():
        largest = values[there].max()
        for ratio in RATIOS:
            cut = largest / ratio
            kept = (values <= cut * (1 + 1e-9)) & there
            new = all(w.name != name or not np.array_equal(w.kept, kept) for w in found)
            if new and len(np.unique(values[kept])) >= LEVELS:
                found.append(Window(name, float(cut), kept))
    return found


def lines(inputs: Mapping[str, Array], name: str) -> int:
    """How many lines run along an input: distinct settings of the others. Points of one line share their fate."""
    others = [values for other, values in inputs.items() if other != name]
    return len(np.unique(np.stack(others), axis=1).T) if others else 1


def ratios(measured: Mapping[str, tuple[float, float]], asked: Mapping[str, Any]) -> dict[str, float]:
    """By input: the factor by which the question lies outside the measured range; 1 inside.

    measured: input -> (smallest, largest), as `FittedLaw.measured_range`; asked: input -> number(s), same unit.
    Raises InputError for an unknown input, or for a number that is not positive.
    """
    found = {}
    for name, values in asked.items():
        if name not in measured:
            raise unknown("input", name, measured)
        held = np.asarray(values, float)
        if not (held > 0).all():
            raise InputError(f"Input '{name}' must be positive.", code="bad_value")
        low, high = measured[name]
        found[name] = float(max(1.0, held.max() / high, low / held.min()))
    return found


def doubts(measured: Mapping[str, tuple[float, float]], asked: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Warnings (code, message): `extrapolates` with the ratio, `extrapolates_far` beyond a factor of 4."""
    found: list[tuple[str, str]] = []
    for name, ratio in ratios(measured, asked).items():
        low, high = measured[name]
        words = f"{name} lies a factor of {ratio:.3g} outside what was measured ({low:g} to {high:g})"
        if ratio > FAR:
            found.append(("extrapolates_far", f"{words}: beyond a factor of {FAR:g} every law is poor."))
        elif ratio > 1:
            found.append(("extrapolates", f"{words}: the prediction is extrapolated."))
    return found


def misses(value: Array, target: Array, relative: bool) -> Array:
    """[..., n] log(value / target) where `relative` (a value that is not positive: as 1 % of the target), else

    (value - target) over the targets' root mean square.
    """
    if not relative:
        size = float(np.sqrt(np.mean(target**2)))
        return np.asarray((value - target) / (size if size > 0 else 1.0))
    with np.errstate(all="ignore"):
        return np.asarray(np.log(np.maximum(value / target, 0.01)))


def root_mean_square(values: Array | Sequence[float]) -> float:
    """sqrt(mean of squares); infinite where a value is not a number."""
    held = np.asarray(values, float)
    return float(np.sqrt(np.mean(held**2))) if np.isfinite(held).all() and held.size else np.inf
