"""The interval of every parameter and of every derived quantity: from bootstrap refits, or by profile likelihood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from scalelaw.fit.bootstrap import Draws, accelerated, bootstrap, jackknife, one_sided, percentile
from scalelaw.fit.law import Law
from scalelaw.fit.multistart import Minimum
from scalelaw.fit.options import FitOptions
from scalelaw.fit.problem import Ends, Task
from scalelaw.fit.profile import profile_derived, profile_parameters

Array = np.ndarray
Quantities = Callable[[Array], dict[str, Array]]
_NARROW = 2.0
"""A quantity counts as determined when the ends of its interval differ by less than this factor."""
_WIDE = 10.0


def draw(task: Task, optimum: Minimum, options: FitOptions, usable: bool) -> Draws:
    """Bootstrap refits; none where the fit is not usable."""
    noise = task.weights.noise[task.rows]
    count = options.bootstrap if usable else 0
    rng = np.random.default_rng(options.seed)
    draws = bootstrap(task.problem, optimum.parameters, count, options.method, rng, noise, task.clusters)
    if options.interval != "bca" or not count:
        return draws
    return replace(draws, jackknife=jackknife(task.problem, optimum.parameters, task.clusters))


def intervals(
    task: Task, optimum: Minimum, draws: Draws, options: FitOptions, usable: bool
) -> tuple[dict[str, Ends], dict[str, dict[str, Any]], list[str]]:
    """({parameter: (low, high)}, {derived: {value, interval}}, names of those whose refits all lie to one side)."""
    law = task.freedom.whole
    names = law.parameters

    def quantities(parameters: Array) -> dict[str, Array]:
        full = dict(zip(names, task.freedom.expand(parameters), strict=True))
        with np.errstate(all="ignore"):
            more = law.derived(full) if law.derived is not None else {}
            return full | {k: np.broadcast_to(v, parameters.shape[1:]) for k, v in more.items()}

    value = {name: float(v[0]) for name, v in quantities(optimum.parameters[:, None]).items()}
    ends: dict[str, Ends] = dict.fromkeys(value, (np.nan, np.nan))
    beside: list[str] = []
    if usable and options.interval == "profile":
        ends |= _profiled(task, optimum, quantities, value, options.level, law.signed)
    elif draws.parameters.size:
        spread = quantities(draws.parameters)
        without = {} if draws.jackknife is None else quantities(draws.jackknife)
        degrees = task.degrees(options)
        for name, drawn in spread.items():
            if without:
                ends[name] = accelerated(drawn, value[name], without[name], options.level, degrees)
            else:
                ends[name] = percentile(drawn, value[name], options.level, degrees)
        beside = [name for name, drawn in spread.items() if one_sided(drawn, value[name], options.level)]
    for name, (low, high) in task.bounds.items():
        ends[name] = (float(np.clip(ends[name][0], low, high)), float(np.clip(ends[name][1], low, high)))
    if bool((law.lower >= 0).all()):
        for name in value:
            if name not in names and name not in law.signed and value[name] >= 0:
                ends[name] = (float(np.maximum(ends[name][0], 0.0)), ends[name][1])
    ends |= _implied(law, ends, value)
    derived = {name: {"value": value[name], "interval": ends[name]} for name in value if name not in names}
    return {name: ends[name] for name in names}, derived, beside


def _profiled(
    task: Task,
    optimum: Minimum,
    quantities: Quantities,
    value: Mapping[str, float],
    level: float,
    signed: Sequence[str],
) -> dict[str, Ends]:
    problem, free = task.problem, int((~task.problem.fixed).sum())
    ends = profile_parameters(problem, optimum.parameters, level, free)
    for name in value:
        if name not in problem.law.parameters:
            ends[name] = profile_derived(
                problem, optimum.parameters, _only(quantities, name), level, free, name in signed
            )
    return ends


def _implied(law: Law, ends: Mapping[str, Ends], value: Mapping[str, float]) -> dict[str, Ends]:
    """The intervals of infinite quantities that the law computes from another one, with which they decrease."""
    return {
        name: (function(ends[other][1]), function(ends[other][0]))
        for name, (other, function) in law.implied.items()
        if np.isinf(value.get(name, 0.0)) and np.isnan(ends[name]).all() and not np.isnan(ends[other]).any()
    }


def _only(quantities: Quantities, name: str) -> Callable[[Array], Array]:
    return lambda parameters: quantities(parameters)[name]


def interval_warnings(
    beside: Sequence[str], values: Mapping[str, float], ends: Mapping[str, Ends]
) -> list[tuple[str, str]]:
    """Warnings about quantities whose refits all lie to one side of the fit, and about very wide intervals."""
    warnings = []
    if beside:
        warnings.append(
            (
                "biased_refits",
                f"The bootstrap refits of {', '.join(beside)} lie to one side of the fit, so they are biased and the "
                f"interval is extended to include the fit. Try another law, or interval='profile'.",
            )
        )
    if wide := [n for n, v in values.items() if v != 0 and ends[n][1] - ends[n][0] > _WIDE * abs(v)]:
        warnings.append(
            (
                "wide_intervals",
                f"The intervals of {', '.join(wide)} are more than {_WIDE:g} times as wide as the value. The "
                f"points do not determine these values; do not report them as findings.",
            )
        )
    return warnings


def settled(derived: Mapping[str, Mapping[str, Any]], level: float, signed: Sequence[str] = ()) -> str:
    """The derived quantities that the points determine although a parameter lies on its bound, by their intervals.

    A `signed` quantity, a difference, counts as determined when its sign is.
    """
    firm, loose = [], []
    for name, quantity in derived.items():
        value, (low, high) = quantity["value"], quantity["interval"]
        words = f"{name} {value:.3g} ({100 * level:g}%: {low:.3g} to {high:.3g})"
        if np.isnan([low, high]).any():
            loose.append(name)
        elif low == high < np.inf:
            # fixed or tied
            continue
        elif name in signed and (low > 0 or high < 0):
            firm.append(f"{words}, {'above' if low > 0 else 'below'} 0")
        elif low == np.inf:
            firm.append(f"{name}: infinite in every refit")
        elif 0 < low <= high <= _NARROW * low < np.inf:
            firm.append(words)
        else:
            loose.append(words)
    sentences = [f"Still determined: {'; '.join(firm)}."] if firm else []
    return " ".join([*sentences, *([f"Not determined: {'; '.join(loose)}."] if loose else [])])
