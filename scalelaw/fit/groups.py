"""Fit one law per group, and test whether groups share parameters.

`fit_groups(by=...)` fits each value of a column separately. With `share` it also fits all groups jointly, with the
shared parameters equal in all of them (see `shared_parameters`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from scalelaw.errors import InputError, unknown
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.options import make_options
from scalelaw.fit.pipeline import fit_points
from scalelaw.fit.problem import opening
from scalelaw.fit.shared_parameters import share as judge_sharing
from scalelaw.laws import DEFAULT
from scalelaw.results.envelope import Answer, plain
from scalelaw.results.warning import Warning, as_warnings
from scalelaw.table.cells import empty_cells
from scalelaw.table.points import Points, no_column
from scalelaw.table.pooling import pooled

Array = np.ndarray


@dataclass(frozen=True)
class GroupedFit(Answer):
    """Fits by group, and the result of sharing parameters; `sharing` is empty without shared parameters.

    sharing: {shared, status, params {name, or name[group]: value}, f, p_value, aicc_shared, aicc_apart, differences
    {parameter: {group - group: {value, interval, differs}}}, clusters, tenable (None: undecided), words}.
    """

    command: ClassVar[str] = "fit_groups"

    by: str
    groups: Mapping[str, FittedLaw]
    sharing: Mapping[str, Any]
    warnings: list[Warning]

    def rows(self) -> list[dict[str, Any]]:
        """One row per group: its points, status, parameters, derived quantities and their intervals."""
        rows = []
        for name, fitted in self.groups.items():
            row: dict[str, Any] = {
                self.by: name,
                "n_points": fitted.n_points,
                "status": fitted.status,
                "rmse": fitted.rmse,
            }
            for parameter, value in fitted.params.items():
                row |= {parameter: value, f"{parameter}_interval": list(fitted.intervals[parameter])}
            for quantity, estimate in fitted.derived.items():
                row |= {quantity: estimate["value"], f"{quantity}_interval": list(estimate["interval"])}
            rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """The data of `scalelaw fit --by`: groups as `fit` has them, and what is shared."""
        groups = {name: fitted.to_dict() for name, fitted in self.groups.items()}
        made: dict[str, Any] = plain({"by": self.by, "groups": groups, "sharing": self.sharing})
        return made


def fit_groups(
    table: Any,
    by: str,
    law: str = DEFAULT,
    share: Sequence[str] = (),
    inputs: Mapping[str, str | float] | None = None,
    target: str = "error",
    where: Any = None,
    **options: Any,
) -> GroupedFit:
    """Fit a law to each group of rows with the same value of column `by`; other arguments as in `fit_law`.

    Args:
        by: the column of the groups.
        share: parameters that are tested for being equal in all groups.

    Raises:
        InputError: for a column that is missing or empty, for fewer than two groups with `share`, and as
            `fit_law`.

    Rows whose cell of `by` is empty are left out, with a warning `empty_cells`.
    """
    points, loaded_law, fit_options = opening(table, law, inputs, target, where, make_options(options))
    blank = empty_cells(points.rows, by)
    if blank.all():
        there = [str(c) for c in points.rows.columns if points.rows[c].notna().any()]
        raise no_column(points.rows, by, there)
    warnings: list[tuple[str, str]] = []
    if blank.any():
        warnings.append(("empty_cells", f"{blank.sum()} row(s) with an empty '{by}' left out."))
        points, fit_options = take(points, ~blank), fit_options.of_rows(~blank)
    for name in share:
        if name not in loaded_law.parameters:
            raise unknown("parameter", name, loaded_law.parameters)
    labels = points.rows[by].astype(str).to_numpy()
    names = list(dict.fromkeys(labels))
    if share and len(names) < 2:
        raise InputError(
            f"All points have {by}={names[0]}, so no parameters can be shared.", code="one_group"
        )
    groups = {}
    for name in names:
        mine = labels == name
        groups[name] = fit_points(take(points, mine), loaded_law, fit_options.of_rows(mine))
    warnings += [
        (code, f"{by}={name}: {words}") for name, fitted in groups.items() for code, words in fitted.warnings
    ]
    sharing: dict[str, Any] = {}
    if share:
        sharing, sharing_warnings = judge_sharing(
            points, labels, groups, loaded_law, list(share), fit_options
        )
        warnings += sharing_warnings
    return GroupedFit(by, groups, sharing, as_warnings(warnings))


def take(points: Points, rows: Array) -> Points:
    """The points `rows` ([n] bool), with warnings about what this subset pools."""
    kept = tuple(w for w in points.warnings if not w[0].startswith(("mixed_", "pooled_")))
    inputs = {k: v[rows] for k, v in points.inputs.items()}
    kept += tuple(
        pooled(points.rows[rows], {*points.columns, *points.columns.values()}, points.where, inputs)
    )
    return replace(
        points,
        inputs=inputs,
        target=points.target[rows],
        target_se=points.target_se[rows],
        rows=points.rows[rows],
        warnings=kept,
    )
