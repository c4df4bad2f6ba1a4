"""Sensitivity of a fit: to each choice (`ablate`, refits with one choice changed) and to each point (`influence`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scalelaw.errors import InputError
from scalelaw.fit.bootstrap import jackknife, leverage
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.groups import take
from scalelaw.fit.identifiability import judge
from scalelaw.fit.law import Law
from scalelaw.fit.multistart import minimize
from scalelaw.fit.options import FitOptions, make_options
from scalelaw.fit.pipeline import fit_points
from scalelaw.fit.problem import make_task, opening, read_points
from scalelaw.laws import DEFAULT
from scalelaw.table.points import Points
from scalelaw.table.read import read_table

Array = np.ndarray
_OUTLIER = 3.0


def ablate(
    table: Any,
    law: str = DEFAULT,
    inputs: Mapping[str, str | float] | None = None,
    target: str = "error",
    where: Any = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Refit with each choice changed: loss and delta, residual space, parameter counting, outliers, smallest sizes.

    Arguments as in `fit_law`. Rows: {change, n_points, status, params, derived, moved}. `moved` names the parameters
    and derived quantities outside their interval in the first row, the unchanged fit; it is None where that fit has no
    intervals or the change is impossible. Raises as `fit_law`.
    """
    frame = read_table(table)
    points, loaded_law, fit_options = opening(frame, law, inputs, target, where, make_options(options))
    base = fit_points(points, loaded_law, fit_options)
    rows = [_row("as asked", base, base)]
    quick = replace(fit_options, bootstrap=0, holdout=None, interval="percentile")
    for change, others, changed_options in _changes(
        frame, points, loaded_law, base, quick, inputs, target, where
    ):
        try:
            rows.append(_row(change, fit_points(others, loaded_law, changed_options), base))
        except InputError as error:
            rows.append(
                {
                    "change": change,
                    "n_points": len(others),
                    "status": "impossible",
                    "params": {},
                    "derived": {},
                    "moved": None,
                    "why": error.message,
                }
            )
    return rows


def _changes(
    frame: pd.DataFrame,
    points: Points,
    law: Law,
    base: FittedLaw,
    options: FitOptions,
    inputs: Mapping[str, str | float] | None,
    target: str,
    where: Any,
) -> Iterator[tuple[str, Points, FitOptions]]:
    other = "log" if options.residual == "linear" else "linear"
    yield f"{other} residuals", points, replace(options, residual=other)
    if options.loss != "squared":
        yield "squared loss", points, replace(options, loss="squared", delta=None, expectile=None)
    for delta in (1e-2, 1e-3, 1e-4):
        if (options.loss, options.delta) != ("huber", delta):
            yield (
                f"Huber loss, delta {delta:g}",
                points,
                replace(options, loss="huber", delta=delta, expectile=None),
            )
    for words, column, counted in _countings(frame, points):
        mapping = {**(inputs or {}), "n_params": column}
        scale = dict(options.scale or {})
        # all counts of a table are in one unit
        if "n_params" in scale:
            scale.setdefault(column, scale["n_params"])
        yield words, read_points(counted, law, mapping, target, where, replace(options, scale=scale)), options
    residual = np.asarray(base.points["target"]) - base.predict(**base.points["inputs"])
    spread = 1.4826 * np.median(np.abs(residual - np.median(residual)))
    far = np.abs(residual) > _OUTLIER * spread
    if far.any() and len(far) == len(points):
        rows = ", ".join(str(int(i) + 1) for i in points.rows.index[far])
        yield (
            f"without {int(far.sum())} outlier(s) beyond {_OUTLIER:g} robust deviations (data row {rows})",
            take(points, ~far),
            options.of_rows(~far),
        )
    for name, values in points.inputs.items():
        sizes = np.unique(values)
        for count in (1, 2):
            if len(sizes) > count + 1:
                kept = values > sizes[count - 1]
                yield (
                    f"without the smallest {name}" + ("" if count == 1 else f" ({count})"),
                    take(points, kept),
                    options.of_rows(kept),
                )


def _countings(frame: pd.DataFrame, points: Points) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Other parameter counts in the table."""
    if points.columns.get("n_params") != "n_params":
        return
    if frame["n_params_total"].notna().all():
        yield "all parameters counted (LLM, vision tower, projector)", "n_params_total", frame
    if frame["n_params_embedding"].notna().all():
        without = frame.assign(n_params_no_embedding=frame["n_params"] - frame["n_params_embedding"])
        yield "embedding parameters not counted", "n_params_no_embedding", without


def _row(change: str, fitted: FittedLaw, base: FittedLaw) -> dict[str, Any]:
    derived = {name: quantity["value"] for name, quantity in fitted.derived.items()}
    ends = {
        **base.intervals,
        **{name: tuple(quantity["interval"]) for name, quantity in base.derived.items()},
    }
    comparable = {n: v for n, v in {**fitted.params, **derived}.items() if not np.isnan([v, *ends[n]]).any()}
    moved = [name for name, value in comparable.items() if not ends[name][0] <= value <= ends[name][1]]
    return {
        "change": change,
        "n_points": fitted.n_points,
        "status": fitted.status,
        "params": dict(fitted.params),
        "derived": derived,
        "rmse": fitted.rmse,
        "moved": moved if comparable else None,
    }


@np.errstate(all="ignore")
def influence(
    table: Any,
    law: str = DEFAULT,
    inputs: Mapping[str, str | float] | None = None,
    target: str = "error",
    where: Any = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Influence of each point: {row, inputs, target, residual, leverage, without {quantity: value without it}, pull}.

    pull: the largest change of a derived quantity (of a parameter, where the law derives none) without the point, as
    a share of its value. Rows are sorted by pull, largest first. A fit that is not identified gives an empty list.
    """
    points, loaded_law, fit_options = opening(table, law, inputs, target, where, make_options(options))
    task = make_task(points, loaded_law, fit_options)
    optimum = minimize(task.problem, fit_options.starts)
    if judge(task.problem, optimum)[0] not in ("identified", "at_bound"):
        return []
    places = np.concatenate(
        [optimum.parameters[:, None], jackknife(task.problem, optimum.parameters)], axis=1
    )
    full = dict(zip(loaded_law.parameters, task.freedom.expand(places), strict=True))
    derived = loaded_law.derived(full) if loaded_law.derived is not None else {}
    watched = {name: np.asarray(v) for name, v in (derived or full).items() if np.isfinite(np.asarray(v)[0])}
    residual = task.problem.objective.residuals(
        task.problem.law.value(task.problem.inputs, optimum.parameters[:, None]), task.problem.target
    )[0]
    hat, at = leverage(task.problem, optimum.parameters), np.flatnonzero(task.rows)
    rows = []
    for i, row in enumerate(at):
        with np.errstate(all="ignore"):
            pulls = [abs(v[i + 1] - v[0]) / abs(v[0]) for v in watched.values() if v[0] != 0]
        rows.append(
            {
                "row": int(points.rows.index[int(row)]) + 1,
                "inputs": {name: float(values[row]) for name, values in points.inputs.items()},
                "target": float(points.target[row]),
                "residual": float(residual[i]),
                "leverage": float(hat[i]),
                "without": {name: float(v[i + 1]) for name, v in {**full, **derived}.items()},
                "pull": float(max(pulls, default=0.0)),
            }
        )
    return sorted(rows, key=lambda r: -r["pull"])
