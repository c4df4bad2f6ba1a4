"""A quick look at a fit on matplotlib Axes; the report draws the figures for a page."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

MAX_CURVES = 10


class Fit(Protocol):
    """What a plot needs of a fitted law."""

    @property
    def inputs(self) -> list[str]: ...

    @property
    def target(self) -> str: ...

    @property
    def points(self) -> dict[str, Any]: ...

    def predict(self, params: None = None, **inputs: Any) -> np.ndarray: ...


def plot_fit(fitted: Fit, axes: Any = None) -> Any:
    """Draw the points and the law along the last input, a curve for each level of the first.

    Further inputs are kept at their medians on the curves. Of more than ten levels, ten are drawn.

    Args:
        fitted: a FittedLaw.
        axes: matplotlib Axes to draw on; None makes a figure.

    Returns:
        The Axes, with logarithmic x where the input spans more than a factor of ten.
    """
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.figure().add_subplot()
    points = {name: np.asarray(values, float) for name, values in fitted.points["inputs"].items()}
    target = np.asarray(fitted.points["target"], float)
    along = fitted.inputs[-1]
    by = fitted.inputs[0] if len(fitted.inputs) > 1 else None
    x = np.geomspace(points[along].min(), points[along].max(), 200)
    levels = np.unique(points[by]) if by else np.array([np.nan])
    if len(levels) > MAX_CURVES:
        levels = levels[np.linspace(0, len(levels) - 1, MAX_CURVES).round().astype(int)]
    for level in levels:
        fixed: dict[str, Any] = {name: np.median(values) for name, values in points.items()} | {along: x}
        mask = np.ones(len(target), bool)
        if by:
            fixed[by] = level
            mask = points[by] == level
        (line,) = axes.plot(x, fitted.predict(**fixed), label=f"{by} = {level:.4g}" if by else None)
        axes.plot(points[along][mask], target[mask], "o", color=line.get_color())
    if points[along].max() > 10 * points[along].min():
        axes.set_xscale("log")
    axes.set_xlabel(along)
    axes.set_ylabel(fitted.target)
    if by:
        axes.legend()
    return axes
