"""Whether the numbers of a stored fit agree with each other: what an edited file contradicts.

Parameters and refits lie in their bounds, ends are in order, and the range, objective, RMSE and R2 are those that the
parameters give at the stored points.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.law import Law
from scalelaw.fit.objective import Objective

_RELATIVE = 1e-6
"""Allowed relative difference, for files of another platform or version."""
_ROUNDING = 1e-12
"""Allowed difference as a share of the sum of squares of the target: an exact fit has an objective of rounding."""


def contradiction(fitted: FittedLaw, law: Law | None, stored_range: Mapping[str, Any] | None) -> str:
    """The first contradiction among a fit's numbers, in words; "" without one.

    law: None where the law's file may have changed since the fit. stored_range: {input: [low, high]} as stored.
    """
    return (
        _order(fitted)
        or _bounds(fitted)
        or _range(fitted, stored_range or {})
        or ("" if law is None else _at_points(fitted, law))
    )


def _order(fitted: FittedLaw) -> str:
    ends = {
        **{f"the bounds of {name}": pair for name, pair in fitted.bounds.items()},
        **{f"the interval of {name}": pair for name, pair in fitted.intervals.items()},
        **{f"the interval of {name}": quantity["interval"] for name, quantity in fitted.derived.items()},
    }
    for what, (low, high) in ends.items():
        if low > high:
            return f"the ends of {what} are in the wrong order: {low:g} to {high:g}"
    return ""


def _bounds(fitted: FittedLaw) -> str:
    for name, (low, high) in fitted.bounds.items():
        size = max((abs(end) for end in (low, high) if np.isfinite(end)), default=0.0)
        room = 1e-9 * max(size, 1e-9)
        for what, values in (("is", fitted.params[name]), ("has refits of", fitted.draws.get(name, []))):
            numbers = np.atleast_1d(np.asarray(values, float))
            if name in fitted.ties and what != "is":
                continue
            if (outside := (numbers < low - room) | (numbers > high + room)).any():
                return f"{name} {what} {numbers[outside][0]:g}, outside its bounds {low:g} to {high:g}"
    return ""


def _range(fitted: FittedLaw, stored: Mapping[str, Any]) -> str:
    for name, measured in fitted.measured_range.items():
        try:
            low, high = map(float, stored.get(name, measured))
        except (TypeError, ValueError):
            return f"the measured range of {name} is not two numbers"
        if not np.allclose((low, high), measured, rtol=_RELATIVE, atol=0.0):
            return (
                f"the measured range of {name} is {low:g} to {high:g}, and that of its points {measured[0]:g} to "
                f"{measured[1]:g}"
            )
    return ""


def _at_points(fitted: FittedLaw, law: Law) -> str:
    points, target = fitted.points, fitted.points["target"]
    parameters = np.array([[fitted.params[name]] for name in law.parameters])
    if not np.isfinite(parameters).all():
        return ""
    value = law.value(law.scale(points["inputs"]), parameters)[0]
    loss = fitted.loss
    objective = Objective(loss["kind"], loss["delta"], loss["residual"], loss.get("expectile"))
    weight = 1.0 if points["weight"] is None else points["weight"]
    size = target if loss["residual"] == "linear" else np.ones_like(target)
    with np.errstate(all="ignore"):
        squares, whole = float(np.sum((target - value) ** 2)), float(np.sum(target**2))
        spread = float(np.sum((target - target.mean()) ** 2))
        rounding = (
            float(np.sum(weight * size**2))
            if loss["kind"] != "huber"
            else float(objective.total(size, weight))
        )
        compared = (
            (
                "objective",
                fitted.objective,
                float(objective.total(objective.residuals(value, target), weight)),
                rounding,
            ),
            ("sum of squares (from rmse)", fitted.rmse**2 * len(target), squares, whole),
            ("sum of squares (from r2)", (1 - fitted.r2) * spread, squares, whole),
        )
    for name, stored, computed, scale in compared:
        if (
            np.isfinite([stored, computed]).all()
            and abs(stored - computed) > _RELATIVE * computed + _ROUNDING * scale
        ):
            return f"its {name} is {stored:g}, and its parameters give {computed:g} at its points"
    return ""
