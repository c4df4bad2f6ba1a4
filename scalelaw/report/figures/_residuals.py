"""The residuals of a fit, which two figures show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scalelaw.fit import FittedLaw
from scalelaw.report.figures._prepare import curve_label, level_groups
from scalelaw.report.style import PAPER, look
from scalelaw.report.text import format as fmt
from scalelaw.report.values import column_of, predicted


@dataclass(frozen=True)
class Residuals:
    """Measured minus predicted, point by point; level is the place of each point's curve."""

    target: str
    inputs: Mapping[str, np.ndarray]
    measured: np.ndarray
    predicted: np.ndarray
    levels: Mapping[str, np.ndarray]
    by: str
    rmse: float
    against: str = ""

    @property
    def residual(self) -> np.ndarray:
        """Measured minus predicted."""
        return np.asarray(self.measured - self.predicted)


def residuals(fitted: FittedLaw, by: str | None, against: str = "") -> Residuals:
    """Measured and predicted values of every point, colored by `by`; against: the input that a panel is about."""
    inputs = {name: np.asarray(values) for name, values in fitted.points["inputs"].items()}
    target = np.asarray(fitted.points["target"])
    nearest, owner = level_groups(inputs, by, len(target))
    shown_by = column_of(fitted, by) if by else ""
    levels = {curve_label(shown_by, v): np.flatnonzero(owner == i) for i, v in enumerate(nearest)}
    return Residuals(
        fmt.target_of(fitted), {column_of(fitted, n): v for n, v in inputs.items()}, target,
        predicted(fitted, inputs)[0], levels, shown_by, float(fitted.rmse),
        column_of(fitted, against) if against else "",
    )  # fmt: skip


def scatter(axes: Axes, data: Residuals, x: np.ndarray, y: np.ndarray) -> list[Line2D]:
    """Draw the points, a look for each level; returns the handles of a legend."""
    handles = []
    for index, (label, mine) in enumerate(data.levels.items()):
        colour, marker, _ = look(index)
        handles += axes.plot(
            x[mine], y[mine], linestyle="none", marker=marker, color=colour, markeredgecolor=PAPER,
            markeredgewidth=0.7, markersize=6.5, label=label, zorder=3,
        )  # fmt: skip
    return handles


def frame(data: Residuals) -> pd.DataFrame:
    """Inputs, measured and predicted value, and residual of each point."""
    return pd.DataFrame(
        {**data.inputs, "measured": data.measured, "predicted": data.predicted, "residual": data.residual}
    )
