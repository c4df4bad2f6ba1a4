"""Fit a law to points: minimize, judge, compute intervals and warnings."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd

from scalelaw.errors import InputError
from scalelaw.fit.diagnostics import checklist, fit_warnings, scores
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.holdout import holdout_warnings, largest, leave_out, noise
from scalelaw.fit.identifiability import judge, loose_parameters
from scalelaw.fit.intervals import draw, interval_warnings, intervals, settled
from scalelaw.fit.lack_of_fit import misfit
from scalelaw.fit.law import Law
from scalelaw.fit.multistart import minimize
from scalelaw.fit.options import FitOptions
from scalelaw.fit.problem import Task, make_task
from scalelaw.fit.varpro import Problem
from scalelaw.results.warning import as_warnings
from scalelaw.table.points import Points

Array = np.ndarray
LABELS = ("model", "model_family", "compressor", "task_family", "benchmark", "seed")


@np.errstate(all="ignore")
def fit_points(points: Points, law: Law, options: FitOptions) -> FittedLaw:
    """Fit a law to points; see `fit_law` for the options."""
    began = time.perf_counter()
    task = make_task(points, law, options)
    problem = task.problem
    if law.source == "typed":
        _check_formula(problem)
    holdout = _hold_out(problem, options.holdout, points.rows[task.rows], points.target_name)
    optimum = minimize(problem, options.starts)
    if law.source == "typed" and not (
        np.isfinite(optimum.objective) or options.fix or options.bounds or options.tie
    ):
        raise InputError(
            "The law has no finite value at some point for any parameters.",
            code="bad_law",
            hint="Check for a division by zero, or a root or logarithm of a negative number.",
        )
    status, reasons = judge(problem, optimum)
    usable = status in ("identified", "at_bound")
    draws = draw(task, optimum, options, usable)
    whole = task.freedom.expand(optimum.parameters[:, None])[:, 0]
    _check_ties(task, whole)
    parameters = dict(zip(law.parameters, map(float, whole), strict=True))
    named = dict(zip(law.parameters, task.freedom.expand(draws.parameters), strict=True))
    ends, derived, beside = intervals(task, optimum, draws, options, usable)
    if status == "at_bound" and (more := settled(derived, options.level, law.signed)):
        reasons[-1] = (reasons[-1][0], f"{reasons[-1][1]} {more}")
    if status == "identified" and (loose := loose_parameters(problem, optimum.parameters, ends)):
        status, reasons = "not_identified", [*reasons, *loose]
    dropped = int((~task.rows).sum())
    left_out = [f"{dropped} point(s) with weight 0"] if dropped else []
    return FittedLaw(
        law=law.name,
        formula=law.formula,
        source=law.source,
        inputs=list(law.inputs),
        units=dict(law.units),
        target=points.target_name,
        loss=_loss(options, problem),
        n_points=problem.target.shape[1],
        params=parameters,
        bounds=task.bounds,
        intervals=ends,
        interval=_method(options, usable),
        objective=optimum.objective,
        **scores(problem, optimum),
        status=status,
        certificate={**optimum.certificate, "seconds": time.perf_counter() - began},
        derived=derived,
        holdout=holdout,
        selection=[],
        checklist=checklist(problem, points, optimum, status, options, task.weights.words, left_out),
        warnings=as_warnings(
            [
                *points.warnings,
                *reasons,
                *interval_warnings(beside, parameters, ends),
                *(fit_warnings(problem, optimum, draws, options, task.n_clusters(options)) if usable else []),
                *misfit(problem, optimum.parameters),
                *holdout_warnings(holdout),
            ]
        ),
        draws=named,
        draws_method=options.method,
        points=kept_points(points, task),
        ties={name: tie.text for name, tie in task.freedom.ties.items()},
        target_kind=points.target_kind,
    )


def _hold_out(problem: Problem, rule: str | None, rows: pd.DataFrame, target: str) -> dict[str, Any]:
    if rule is None:
        return {}
    hidden, words = largest(problem, rule)
    return {"rule": rule, "left_out": words, **leave_out(problem, hidden), **noise(rows, hidden, target)}


def _check_formula(problem: Problem) -> None:
    """Raises InputError for a formula with more parameters than distinct points."""
    free = int((~problem.fixed).sum())
    distinct = np.unique(np.stack(problem.inputs), axis=1).shape[1]
    if free > distinct:
        raise InputError(
            f"The formula has {free} free parameters and there are {distinct} distinct points.",
            code="too_few_points",
            hint="Use a formula with fewer parameters, or measure more points.",
        )


def _check_ties(task: Task, whole: Array) -> None:
    """Raises InputError where a tie violates the bounds of the law."""
    law = task.freedom.whole
    for name, tie in task.freedom.ties.items():
        j = law.parameters.index(name)
        if not law.lower[j] <= whole[j] <= law.upper[j]:
            raise InputError(
                f"The tie {name} = {tie.text} gives {name} = {whole[j]:.4g}, outside its bounds "
                f"{law.lower[j]:g} to {law.upper[j]:g}.",
                code="bad_tie",
                hint="Use a tie that stays inside the bounds.",
            )


def _loss(options: FitOptions, problem: Problem) -> dict[str, Any]:
    objective = problem.objective
    loss = {"kind": objective.loss, "delta": objective.delta, "residual": objective.residual}
    return loss if objective.expectile is None else {**loss, "expectile": objective.expectile}


def _method(options: FitOptions, usable: bool) -> dict[str, Any]:
    if not usable or (options.bootstrap == 0 and options.interval != "profile"):
        return {"level": options.level, "method": "none"}
    if options.interval == "profile":
        return {"level": options.level, "method": "profile likelihood, F quantile"}
    by = f" by {options.cluster}" if options.cluster and options.method in ("cluster", "wild") else ""
    return {
        "level": options.level,
        "method": f"{options.method} bootstrap{by}, {options.interval}, t-widened",
    }


def kept_points(points: Points, task: Task) -> dict[str, Any]:
    """The points with a weight above zero, as stored in a fit."""
    rows, weight = task.rows, task.problem.weight
    frame = points.rows[rows]
    return {
        "inputs": {name: values[rows] for name, values in points.inputs.items()},
        "target": points.target[rows],
        "target_se": points.target_se[rows],
        "weight": None if weight is None else weight[0],
        "labels": {c: frame[c].tolist() for c in LABELS if c in frame and frame[c].notna().any()},
    }
