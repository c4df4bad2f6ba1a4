"""How a law predicts what it was not shown: leave a part of the points out, fit the rest, predict them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scalelaw.errors import InputError
from scalelaw.fit.identifiability import judge
from scalelaw.fit.multistart import minimise
from scalelaw.fit.varpro import Problem
from scalelaw.table.coverage import scatter

Array = np.ndarray


def leave_out(problem: Problem, held: Array) -> dict[str, Any]:
    """Fit the points not `held` ([n] bool) and predict those: their errors, the parameters and status of that fit."""
    kept = subset(problem, ~held)
    optimum = minimise(kept)
    status, reasons = judge(kept, optimum)
    value = problem.law.value(problem.inputs, optimum.parameters[:, None])[0]
    target = problem.target[0]
    miss = value[held] - target[held]
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(miss) / np.abs(target[held])
    return {
        "n_fitted": int((~held).sum()),
        "n_predicted": int(held.sum()),
        "status": status,
        "why": [words for _, words in reasons],
        "max_abs_error": float(np.max(np.abs(miss))),
        "rmse": float(np.sqrt(np.mean(miss**2))),
        "max_rel_error": float(np.max(relative)),
        "mean_rel_error": float(np.mean(relative)),
        "params": dict(zip(problem.law.parameters, map(float, optimum.parameters), strict=True)),
        "predicted": value[held].tolist(),
        "measured": target[held].tolist(),
    }


def noise(rows: pd.DataFrame, held: Array, target: str) -> dict[str, Any]:
    """What to hold a prediction's miss against: the scatter of runs alike but for their seed.

    Of the rows held out ([n] bool) where any ran twice, else of all: repeat_of says which. Empty where none did.
    """
    for which, among in (("held out", rows[held]), ("all", rows)):
        spread, freedom = scatter(among, target)
        if freedom:
            return {"repeat_sd": spread, "repeat_freedom": freedom, "repeat_of": which}
    return {}


def doubts(holdout: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What to say of a holdout whose fit the points that were left do not determine."""
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
    """([n] bool, words) what the rule leaves out: 'largest' value of the first input, or of the input it names.

    Rules: `largest` or `largest:INPUT`. Raises InputError for another rule, and where nothing would be left.
    """
    kind, _, name = rule.partition(":")
    name = name or problem.law.inputs[0]
    if kind != "largest" or name not in problem.law.inputs:
        raise InputError(
            f"'{rule}' is not a holdout rule.",
            code="bad_holdout",
            hint="There are: largest, " + ", ".join(f"largest:{n}" for n in problem.law.inputs) + ".",
        )
    values = problem.inputs[problem.law.inputs.index(name)]
    held = values == values.max()
    if held.all():
        raise InputError(
            f"All points have the same {name}: leaving the largest out leaves nothing to fit.",
            code="bad_holdout",
        )
    return held, f"{name} = {values.max() * problem.law.units[name]:g}"
