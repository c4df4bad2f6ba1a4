"""Lack of fit: whether the residuals of a law exceed the noise that repeated measurements show.

The F test of Draper and Smith, Applied Regression Analysis, chapter 2: with points repeated at m places, p free
parameters and n points, F = (SSE - SSP) / (m - p) over SSP / (n - m), where SSP is the spread of repeats around the
mean of their place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scalelaw.fit.varpro import Problem

Array = np.ndarray
LEVEL = 0.05
"""Share of correct laws for which `misfit` is reported."""


@dataclass(frozen=True)
class LackOfFit:
    """The F statistic, its degrees of freedom, and the probability of a larger one under the law."""

    statistic: float
    places: int
    repeats: int
    p_value: float


def lack_of_fit(problem: Problem, parameters: Array) -> LackOfFit | None:
    """The test for the fitted parameters [p]; None without repeats or freedom, and for a loss other than squares."""
    objective, target = problem.objective, problem.target[0]
    if objective.loss != "squared":
        return None
    place = np.unique(np.stack(problem.inputs), axis=1, return_inverse=True)[1].ravel()
    count = int(place.max()) + 1
    between, within = count - int((~problem.fixed).sum()), len(target) - count
    if between < 1 or within < 1:
        return None
    weight = np.ones_like(target) if problem.weight is None else problem.weight[0]
    value = np.log(target) if objective.residual == "log" else target
    means = np.bincount(place, weight * value, count) / np.bincount(place, weight, count)
    pure = float(np.sum(weight * (value - means[place]) ** 2))
    fitted = problem.law.value(problem.inputs, parameters[:, None])[0]
    total = float(np.sum(weight * objective.residuals(fitted, target) ** 2))
    if not (np.isfinite(total) and pure > 1e-24 * float(np.sum(weight * value**2))):
        return None
    # here, as the import takes longer than a fit
    from scipy.special import fdtrc

    statistic = max(total - pure, 0.0) / between / (pure / within)
    return LackOfFit(statistic, between, within, float(fdtrc(between, within, statistic)))


def misfit(problem: Problem, parameters: Array) -> list[tuple[str, str]]:
    """The warning about a law that misses the points by more than their repeats scatter."""
    test = lack_of_fit(problem, parameters)
    if test is None or test.p_value >= LEVEL:
        return []
    return [
        (
            "misfit",
            f"The law misses the mean at each place by more than repeated points scatter (lack-of-fit "
            f"F({test.places}, {test.repeats}) = {test.statistic:.3g}, p = {test.p_value:.2g}). Compare other laws.",
        )
    ]
