"""Profiles of parameters as curves: the least objective with a parameter fixed at each of several values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.objective import Objective
from scalelaw.fit.starts import cover
from scalelaw.fit.varpro import Problem, State, descend

Array = np.ndarray
_STARTS, _KEPT = 256, 4
"""Starting points examined for a second valley, and how many of them are descended from."""


def profile_curves(fitted: FittedLaw, values: Mapping[str, Array]) -> dict[str, Array]:
    """The least objective of a fit by plain squares without weights, with one parameter fixed at a value.

    All values of all parameters are rows of one batch, which descends from the fitted parameters and from the starting
    points of a global search.

    Args:
        values: parameter -> [k] values.

    Returns:
        Parameter -> [k] objectives.
    """
    law = fitted.the_law()
    ends = np.array([fitted.bounds[name] for name in law.parameters], dtype=float)
    best = np.array([fitted.params[name] for name in law.parameters])
    inputs = law.scale({name: np.asarray(column) for name, column in fitted.points["inputs"].items()})
    target = np.asarray(fitted.points["target"], dtype=float)[None]
    objective = Objective(residual=fitted.loss["residual"])
    problem = Problem(law, inputs, target, objective, None, ends[:, 0], ends[:, 1])
    which = np.repeat([law.parameters.index(name) for name in values], [len(v) for v in values.values()])
    pinned, rows = np.concatenate(list(values.values())), np.arange(len(which))
    starts = np.concatenate([best[:, None], *cover(problem, _STARTS, _KEPT)], axis=1)
    count = starts.shape[1]
    lower, upper = (np.repeat(side[:, None], len(rows), axis=1) for side in ends.T)
    lower[which, rows] = upper[which, rows] = pinned
    each = Problem(law, inputs, target, objective, None, np.tile(lower, count), np.tile(upper, count))
    end = descend(each, np.repeat(starts, len(rows), axis=1), tolerance=1e-12, steps=200)
    least = State.at(each, end.parameters).total.reshape(count, len(rows)).min(axis=0)
    parts = np.split(least, np.cumsum([len(v) for v in values.values()])[:-1])
    return dict(zip(values, parts, strict=True))
