"""What several figures compute from a fit or a plan: spans of axes, levels of curves, the kind of cost of a front."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from scalelaw import plugins
from scalelaw.costs._workload import Workload
from scalelaw.report.text import format as fmt

MOST_CURVES = 7
"""Where an input has more levels than these, only this number of them is drawn."""
GRID = 81
"""Places at which a curve is evaluated, and along each side of a surface."""


def level_groups(
    inputs: Mapping[str, np.ndarray], by: str | None, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The levels of the input `by` (at most MOST_CURVES), and the level that each of `count` points is nearest to."""
    if by is None:
        return np.array([np.nan]), np.zeros(count, int)
    values = np.unique(inputs[by])
    levels = values if len(values) <= MOST_CURVES else spaced(values, MOST_CURVES)
    return levels, nearest(np.asarray(inputs[by]), levels)


def wider(span: tuple[float, float], factor: float, *others: float) -> tuple[float, float]:
    """A span that holds the others as well, widened by a factor on each side."""
    low, high = min(span[0], *others) if others else span[0], max(span[1], *others) if others else span[1]
    return (low / 2, high * 2) if low == high else (low / factor, high * factor)


def spaced(values: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the values, spread evenly over their order."""
    return np.unique(values[np.linspace(0, len(values) - 1, count).round().astype(int)])


def nearest(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The place of the level that is nearest to each value, on a logarithmic scale."""
    return np.asarray(np.abs(np.log(values[:, None]) - np.log(levels[None, :])).argmin(axis=1))


def curve_label(by: str, value: float) -> str:
    """The label of a curve at one value of the input `by`."""
    return fmt.level(by, float(value)) if by else "the law"


def kind_of(optimum: Mapping[str, Any]) -> str:
    """The kind of cost that an optimum's front is about: its first budget, else FLOPs."""
    return next((kind for kind in optimum["budget"] if kind in optimum["best"]["costs"]), "flops")


def costs_of(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with its error and costs, as a row of a table."""
    return {
        **{name: choice[name] for name in ("model", "n_params", "visual_tokens", "error")},
        **choice["costs"],
    }


def with_band(columns: Mapping[str, Any], low: np.ndarray | None, high: np.ndarray | None) -> pd.DataFrame:
    """The columns as a table, with the band where one is drawn."""
    return pd.DataFrame(columns if low is None or high is None else {**columns, "low": low, "high": high})


@cache
def size_cost() -> str:
    """The cost of FLOPs that is defined for every size, as it needs no shape: its lines of equal cost can be drawn."""
    costs = {name: plugins.load("costs", name) for name in plugins.names("costs")}
    return next(name for name, cost in costs.items() if "flops" in cost.kinds and not cost.needs)


def parts_of_size(n_params: Any, visual_tokens: Any, workload: Workload) -> dict[str, np.ndarray]:
    """The FLOPs of a query by `size_cost`, part by part."""
    parts = plugins.load("costs", size_cost()).parts(n_params, None, visual_tokens, workload)
    return {name: np.asarray(value, dtype=float) for name, value in parts.items()}
