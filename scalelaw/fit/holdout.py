"""Holdout: fit a part of the points and predict the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scalelaw.errors import InputError
from scalelaw.fit.identifiability import judge
from scalelaw.fit.multistart import minimize
from scalelaw.fit.varpro import Problem
from scalelaw.table.coverage import scatter

Array = np.ndarray


def leave_out(problem: Problem, hidden: Array) -> dict[str, Any]:
    """Fit the points not `hidden` ([n] bool) and predict those: their errors, the parameters and status of that fit."""
    kept = subset(problem, ~hidden)
    optimum = minimize(kept)
    status, reasons = judge(kept, optimum)
    value = problem.law.value(problem.inputs, optimum.parameters[:, None])[0]
    target = problem.target[0]
    miss = value[hidden] - target[hidden]
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(miss) / np.abs(target[hidden])
    return {
        "n_fitted": int((~hidden).sum()),
        "n_predicted": int(hidden.sum()),
        "status": status,
        "why": [words for _, words in reasons],
        "max_abs_error": float(np.max(np.abs(miss))),
        "rmse": float(np.sqrt(np.mean(miss**2))),
        "max_rel_error": float(np.max(relative)),
        "mean_rel_error": float(np.mean(relative)),
        "params": dict(zip(problem.law.parameters, map(float, optimum.parameters), strict=True)),
        "predicted": value[hidden].tolist(),
        "measured": target[hidden].tolist(),
    }


def noise(rows: pd.DataFrame, hidden: Array, target: str) -> dict[str, Any]:
    """The noise to compare a prediction error with: the scatter of runs that differ only in their seed.

    From the rows `hidden` ([n] bool) where any was run twice, else from all rows (`repeat_of`). Empty without repeats.
    """
    for which, among in (("held out", rows[hidden]), ("all", rows)):
        spread, freedom = scatter(among, target)
        if freedom:
            return {"repeat_sd": spread, "repeat_freedom": freedom, "repeat_of": which}
    return {}


def holdout_warnings(holdout: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The warning about a holdout whose remaining points do not determine the law."""
    if holdout.get("status") not in ("not_identified", "not_converged"):
        return []
    why = " ".join(holdout["why"])
    return [
        (
            f"holdout_{holdout['status']}",
            f"Without the largest ({holdout['left_out']}) the law is {holdout['status'].replace('_', ' ')}, so what it "
            f"predicts there says little. {why}",
        )
    ]


def subset(problem: Problem, kept: Array) -> Problem:
    """The problem of the points `kept` ([n] bool)."""
    weight = None if problem.weight is None else problem.weight[:, kept]
    return replace(
        problem, inputs=tuple(v[kept] for v in problem.inputs), target=problem.target[:, kept], weight=weight
    )


def largest(problem: Problem, rule: str) -> tuple[Array, str]:
    """([n] bool, description) the points that a rule leaves out: the largest value of the first or the named input.

    Rules: `largest` or `largest:INPUT`. Raises InputError for another rule, and where nothing would be left.
    """
    kind, _, name = rule.partition(":")
    name = name or problem.law.inputs[0]
    if kind != "largest" or name not in problem.law.inputs:
        raise InputError(
            f"'{rule}' is not a holdout rule.",
            code="bad_holdout",
            hint="Rules: largest, " + ", ".join(f"largest:{n}" for n in problem.law.inputs) + ".",
        )
    values = problem.inputs[problem.law.inputs.index(name)]
    hidden = values == values.max()
    if hidden.all():
        raise InputError(
            f"All points have the same {name}, so leaving the largest out leaves nothing to fit.",
            code="bad_holdout",
        )
    return hidden, f"{name} = {values.max() * problem.law.units[name]:g}"
