"""Set up a fit: turn a table, a law and options into points, free parameters and weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalelaw.errors import InputError, unknown
from scalelaw.fit.formula_inputs import check_left_side, resolve
from scalelaw.fit.formula_law import is_expression, law_names
from scalelaw.fit.law import Law, make_law
from scalelaw.fit.law_checks import falling
from scalelaw.fit.load_law import load_law
from scalelaw.fit.options import FitOptions
from scalelaw.fit.parameters import Freedom, freedom
from scalelaw.fit.varpro import Problem
from scalelaw.fit.weights import Weights, make_weights, need_positive, need_squares
from scalelaw.table.cells import empty_cells
from scalelaw.table.points import Points, no_column, points
from scalelaw.table.read import read_table

Array = np.ndarray
Ends = tuple[float, float]


def opening(
    table: Any,
    law: str,
    inputs: Mapping[str, str | float] | None,
    target: str,
    where: Any,
    options: FitOptions,
) -> tuple[Points, Law, FitOptions]:
    """The points, the law and the options of a fit of one law. Raises InputError for invalid options."""
    if law == "auto":
        raise InputError(
            "'auto' selects among several laws, and this command needs one law.",
            code="bad_option",
            hint="Name the law, for example the one that `compare` ranks first.",
        )
    fit_options, frame = replace(options, residual=options.residual or "linear"), read_table(table)
    if not is_expression(law, [*map(str, frame.columns), *(inputs or ())]):
        loaded_law = load_law(law)
        return read_points(frame, loaded_law, inputs, target, where, fit_options), loaded_law, fit_options
    check_left_side(law, frame, "error" if fit_options.score else target)
    resolved = resolve(law, frame, inputs, next(iter(fit_options.score or ()), target))
    loaded_law = make_law(law, law_names(law, resolved.inputs))
    selected = read_points(frame, loaded_law, resolved.inputs, target, where, fit_options)
    return replace(selected, warnings=(*resolved.warnings, *selected.warnings)), loaded_law, fit_options


def read_points(
    frame: Any,
    law: Law,
    inputs: Mapping[str, str | float] | None,
    target: str,
    where: Any,
    options: FitOptions | None = None,
) -> Points:
    """The points of a table, as returned by `read_table`, that a law is fitted to.

    Raises InputError for missing columns.
    """
    mapping, options = {name: name for name in law.inputs}, options or FitOptions()
    for name, column in (inputs or {}).items():
        # an empty column keeps a name of a formula a parameter
        if column in ("", None):
            if name in mapping:
                raise InputError(
                    f"'{name}' is an input of the law '{law.name}'; only a name of a formula can be a parameter.",
                    code="bad_option",
                    hint=f"--input {name}=COLUMN reads it from a column.",
                )
            continue
        if name not in mapping:
            raise unknown("input", name, mapping)
        if not isinstance(column, str):
            frame = frame.assign(**{f"{name}={column:g}": float(column)})
            column = f"{name}={column:g}"
        mapping[name] = column
    own_law = law.source == "typed" or law.name.endswith(".py")
    return points(
        frame,
        mapping,
        target,
        where,
        score=options.score,
        scale=options.scale,
        as_is=options.as_is,
        own_law=own_law,
        falls=falling(law) if own_law else (),
    )


@dataclass(frozen=True)
class Task:
    """Points, law and options as a fit problem. `rows` [n] bool: points with a weight above zero."""

    points: Points
    problem: Problem
    freedom: Freedom
    weights: Weights
    clusters: Array | None

    @property
    def rows(self) -> Array:
        """[n] bool: the points with a weight above zero."""
        return self.weights.kept

    @property
    def bounds(self) -> dict[str, Ends]:
        """The bounds of all parameters: equal ends for a fixed one, the law's bounds for a tied one."""
        free, ends = self.freedom, dict(self.freedom.whole.bounds)
        for name, low, high in zip(free.law.parameters, free.lower, free.upper, strict=True):
            ends[name] = (float(low), float(high))
        return ends

    def n_clusters(self, options: FitOptions) -> int | None:
        """Number of resampled clusters; None where points are resampled."""
        if (
            self.clusters is None
            or options.method not in ("cluster", "wild")
            or options.interval == "profile"
        ):
            return None
        return len(np.unique(self.clusters))

    def degrees(self, options: FitOptions) -> int:
        """Degrees of freedom of the t quantile that widens intervals: of the points, or of the clusters if fewer."""
        left = int(self.problem.target.shape[1]) - int((~self.problem.fixed).sum())
        clusters = self.n_clusters(options)
        return left if clusters is None else min(left, clusters - 1)


def make_task(points: Points, law: Law, options: FitOptions) -> Task:
    """The fit problem. Raises InputError for invalid options and for log residuals of a zero target."""
    objective = options.checked()
    free = freedom(law, options.fix, options.bounds, options.tie, options.parameters)
    weights = make_weights(points, options.weights, options.tail_weight, objective.residual)
    kept = weights.kept
    target = points.target[kept]
    if objective.residual == "log":
        need_positive(target)
    need_squares(target)
    inputs = {name: values[kept] for name, values in points.inputs.items()}
    weight = None if weights.weight is None else weights.weight[None, kept]
    problem = Problem(
        free.law, free.law.scale(inputs), target[None], objective, weight, free.lower, free.upper
    )
    return Task(points, problem, free, weights, _clusters(points, options.cluster, kept))


def _clusters(points: Points, column: str | None, kept: Array) -> Array | None:
    if column is None:
        return None
    blank = empty_cells(points.rows, column)
    if blank.all():
        there = [str(c) for c in points.rows.columns if points.rows[c].notna().any()]
        raise no_column(points.rows, column, there)
    if blank[kept].any():
        raise InputError(
            f"Column '{column}' is empty in {blank[kept].sum()} of {kept.sum()} rows, and each needs a cluster.",
            code="empty_cells",
            hint="Fill in the cells, or select other rows with --where.",
        )
    return np.asarray(points.rows[column].astype(str).to_numpy()[kept])
