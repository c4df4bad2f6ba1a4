"""What may be believed: is every parameter determined by the points, is one on a bound, did the search end?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from scalelaw.fit.multistart import Optimum
from scalelaw.fit.varpro import Problem, State
from scalelaw.fit.weights import effective_points

Array = np.ndarray
Warnings = list[tuple[str, str]]
_NOISE = 100.0  # times the rounding of the objective: less than that is no gain
_SMALL = 1e-9  # of the largest singular value: what is less is none
_NOTHING = 1e-12  # of the law's values: a parameter whose doubling changes less is not seen by the points


def judge(problem: Problem, optimum: Optimum) -> tuple[str, Warnings]:
    """(status, warnings): identified, at_bound, not_identified or not_converged, and why, in words."""
    ended = optimum.converged or at_rounding(problem, optimum)
    reasons = undetermined(problem, optimum.parameters)
    if reasons and (ended or any(code != "flat" for code, _ in reasons)):
        return "not_identified", [reason for reason in reasons if ended or reason[0] != "flat"]
    if not ended:  # what is flat where the search ended need not be flat at the best fit
        why = "The search did not end in a minimum: "
        if np.isfinite(optimum.gap):
            why += f"a further step could still lower the objective by {100 * optimum.gap:.2g} %."
        else:
            why += "the law has no finite derivative where it ended."
        return "not_converged", [
            ("not_converged", f"{why} Do not use this fit; narrower bounds (--bound) may help.")
        ]
    if hits := bounds_hit(problem, optimum.parameters):
        return "at_bound", [_explain(problem, name, side) for name, side in hits]
    return "identified", []


def at_rounding(problem: Problem, optimum: Optimum) -> bool:
    """Whether all that a further step could gain is lost in the rounding of the objective: a flat valley's floor."""
    rounding = float(State.at(problem, optimum.parameters[:, None]).rounding[0])
    return bool(optimum.gap * optimum.objective <= _NOISE * rounding)


def undetermined(problem: Problem, parameters: Array) -> Warnings:
    """Why the points cannot determine the parameters; empty where they can."""
    n = problem.target.shape[1]
    free = int((~problem.fixed).sum())
    reasons: Warnings = []
    distinct = len(np.unique(np.stack(problem.inputs), axis=1).T) if n else 0
    if distinct < free:
        reasons.append(
            (
                "too_few_points",
                f"{_count(distinct, 'distinct point')} cannot determine {free} parameters "
                f"({', '.join(_free(problem))}): measure more, or fix some.",
            )
        )
    elif n == free > 0:
        reasons.append(
            (
                "no_freedom",
                f"{n} points and {free} parameters leave nothing to estimate the noise from: the law passes through "
                f"the points whatever they are. Measure more, or fix some.",
            )
        )
    effective = n if problem.weight is None else effective_points(problem.weight[0])
    if distinct >= free > effective:
        reasons.append(
            (
                "too_few_effective_points",
                f"The weights leave what {effective:.3g} equal points tell, (sum w)^2 / sum w^2, and that cannot "
                f"determine {free} parameters: choose gentler weights, or fix some.",
            )
        )
    constant = constant_target(problem.target[0])
    flat = _flat_direction(problem, parameters)
    if not (reasons or constant or flat):
        return []
    units = problem.law.units
    raw = {name: x * units[name] for name, x in zip(problem.law.inputs, problem.inputs, strict=True)}
    return [*reasons, *constant, *untold_inputs(raw)] or flat


def constant_target(target: Array) -> Warnings:
    """What to say of a target [n] that does not vary."""
    if len(target) < 2 or np.ptp(target) > 0:
        return []
    words = f"All points have the same target ({target[0]:g}): nothing varies that a law could explain."
    return [("constant_target", words)]


def untold_inputs(inputs: Mapping[str, Array]) -> Warnings:
    """What to say of inputs (raw units, [n]) that do not vary, or of two that rise and fall together."""
    reasons: Warnings = []
    for name, values in inputs.items():
        if len(values) > 1 and np.ptp(values) == 0:
            reasons.append(
                (
                    "constant_input",
                    f"All points have the same {name} ({values[0]:g}): "
                    f"how the error depends on it cannot be told from them.",
                )
            )
    return reasons or _collinear(inputs)


def _collinear(inputs: Mapping[str, Array]) -> Warnings:
    logs = {name: np.log(v) - np.log(v).mean() for name, v in inputs.items()}
    for (a, one), (b, other) in combinations(logs.items(), 2):
        if len(one) > 2 and abs(one @ other) > (1 - 1e-10) * np.sqrt((one @ one) * (other @ other)):
            return [
                (
                    "collinear_inputs",
                    f"{a} and {b} rise and fall together in these points: what each of them "
                    f"does to the error cannot be told apart.",
                )
            ]
    return []


def _flat_direction(problem: Problem, parameters: Array) -> Warnings:
    """A combination of the free parameters along which the law does not change at any point."""
    columns, unseen = _columns(problem, parameters)
    names = np.array(problem.law.parameters)[~problem.fixed]
    if columns is None:
        return [
            (
                "flat",
                "The law has no finite derivative at the lowest point found: its parameters are not determined.",
            )
        ]
    if unseen.any():
        lost = ", ".join(names[unseen])
        return [
            ("flat", f"At the lowest point found, the law's values do not depend on {lost}: not determined.")
        ]
    if not columns.size:
        return []
    _, spread, directions = np.linalg.svd(columns.T, full_matrices=False)
    if spread[-1] > _SMALL * spread[0]:
        return []
    mixed = ", ".join(names[np.abs(directions[-1]) > 0.1])
    return [("flat", f"The points determine only a combination of {mixed}, not each of them.")]


def rank(problem: Problem, parameters: Array) -> int:
    """How many of the free parameters, or combinations of them, the points determine."""
    columns, unseen = _columns(problem, parameters)
    if columns is None or unseen.all():
        return 0
    spread = np.linalg.svd(columns[~unseen], compute_uv=False)
    return int(np.sum(spread > _SMALL * spread[0]))


def _columns(problem: Problem, parameters: Array) -> tuple[Array | None, Array]:
    """([free, n] weighted derivatives by the free parameters, of length one; [free] those that move nothing).

    The first is None where a derivative is not finite.
    """
    free = ~problem.fixed
    jacobian = problem.law.jacobian(problem.inputs, parameters[:, None])[0][free]
    if not np.isfinite(jacobian).all():
        return None, np.ones(len(jacobian), bool)
    root = 1.0 if problem.weight is None else np.sqrt(problem.weight[0])
    jacobian = jacobian * root
    size = np.sqrt(np.sum(jacobian**2, axis=1))
    place, value = parameters[free], root * problem.law.value(problem.inputs, parameters[:, None])[0]
    unseen = (size == 0) | ((place != 0) & (size * np.abs(place) <= _NOTHING * np.sqrt(np.sum(value**2))))
    return jacobian / np.where(size > 0, size, 1.0)[:, None], unseen


def bounds_hit(problem: Problem, parameters: Array) -> list[tuple[str, str]]:
    """(parameter, 'lower' or 'upper') for each free parameter that lies on a bound."""
    sides = []
    for j, name in enumerate(problem.law.parameters):
        if not problem.fixed[j] and parameters[j] == problem.lower[j]:
            sides.append((name, "lower"))
        elif not problem.fixed[j] and parameters[j] == problem.upper[j]:
            sides.append((name, "upper"))
    return sides


def _explain(problem: Problem, name: str, side: str) -> tuple[str, str]:
    j = problem.law.parameters.index(name)
    bound = (problem.lower if side == "lower" else problem.upper)[j]
    way = "below" if side == "lower" else "above"
    meaning = problem.law.notes.get(
        name, "it is the bound, not the points, that sets it, and what depends on it"
    )
    return (
        "at_bound",
        f"{name} lies on its {side} bound {bound:g}; the points would take it {way}. "
        f"What that means: {meaning}.",
    )


def _free(problem: Problem) -> Sequence[str]:
    return [name for name, fixed in zip(problem.law.parameters, problem.fixed, strict=True) if not fixed]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
