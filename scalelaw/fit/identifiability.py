"""Identifiability: whether the points determine every parameter, whether one is on a bound, and convergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from scalelaw.errors import Note
from scalelaw.fit.multistart import Minimum
from scalelaw.fit.varpro import Problem, State
from scalelaw.fit.weights import effective_points

Array = np.ndarray
_NOISE = 100.0
"""Multiple of the objective's rounding error below which a decrease is not significant."""
_SMALL = 1e-9
"""Share of the largest singular value below which one counts as zero."""
_LOOSE, _LOOSE_AT_BOUND = 30.0, 10.0
"""Width of an interval, in values of its parameter, above which the points do not determine the parameter; the second
for an interval that reaches a bound."""
_SHARE = 0.3
"""Share of a direction above which a parameter is part of it."""
_APART = 1e-3
"""Change of the nonlinear parameters at which a derivative is compared."""
_NEGLIGIBLE = 1e-12
"""Share of the law's values below which the effect of doubling a parameter counts as zero."""


def judge(problem: Problem, optimum: Minimum) -> tuple[str, list[Note]]:
    """(status, warnings): identified, at_bound, not_identified or not_converged, and the reasons."""
    converged = optimum.converged or at_rounding(problem, optimum)
    reasons = undetermined(problem, optimum.parameters)
    if reasons and (converged or any(code != "flat" for code, _ in reasons)):
        return "not_identified", [reason for reason in reasons if converged or reason[0] != "flat"]
    # a direction that is flat where the search stopped need not be flat at the minimum
    if not converged:
        why = "The fit did not converge: "
        if np.isfinite(optimum.gap):
            why += f"another step could still lower the objective by {100 * optimum.gap:.2g}%."
        else:
            why += "the law has no finite derivative where the search stopped."
        return "not_converged", [
            ("not_converged", f"{why} Do not use this fit; try narrower bounds (--bound).")
        ]
    if hits := bounds_hit(problem, optimum.parameters):
        return "at_bound", [_explain(problem, optimum.parameters, name, side) for name, side in hits]
    return "identified", []


def at_rounding(problem: Problem, optimum: Minimum) -> bool:
    """Whether the decrease that another step predicts is below the rounding error of the objective."""
    rounding = float(State.at(problem, optimum.parameters[:, None]).rounding[0])
    return bool(optimum.gap * optimum.objective <= _NOISE * rounding)


def undetermined(problem: Problem, parameters: Array) -> list[Note]:
    """The reasons why the points do not determine the parameters; empty where they do."""
    n = problem.target.shape[1]
    free = int((~problem.fixed).sum())
    reasons: list[Note] = []
    distinct = len(np.unique(np.stack(problem.inputs), axis=1).T) if n else 0
    if distinct < free:
        reasons.append(
            (
                "too_few_points",
                f"{_count(distinct, 'distinct point')} cannot determine {free} parameters "
                f"({', '.join(_free(problem))}). Measure more points, or fix parameters (--fix).",
            )
        )
    elif n == free > 0:
        reasons.append(
            (
                "no_freedom",
                f"{n} points and {free} parameters leave no degrees of freedom to estimate the noise. "
                f"Measure more points, or fix parameters (--fix).",
            )
        )
    effective = n if problem.weight is None else effective_points(problem.weight[0])
    if distinct >= free > effective:
        reasons.append(
            (
                "too_few_effective_points",
                f"With these weights there are {effective:.3g} effective points, (sum w)^2 / sum w^2, which cannot "
                f"determine {free} parameters. Use less extreme weights, or fix parameters (--fix).",
            )
        )
    constant = constant_target(problem.target[0])
    flat = _flat_direction(problem, parameters)
    if not (reasons or constant or flat):
        return []
    units = problem.law.units
    raw = {name: x * units[name] for name, x in zip(problem.law.inputs, problem.inputs, strict=True)}
    return [*reasons, *constant, *degenerate_inputs(raw)] or flat


def constant_target(target: Array) -> list[Note]:
    """The warning about a target [n] that does not vary."""
    if len(target) < 2 or np.ptp(target) > 0:
        return []
    words = f"All points have the same target ({target[0]:g}), so there is no variation to explain."
    return [("constant_target", words)]


def degenerate_inputs(inputs: Mapping[str, Array]) -> list[Note]:
    """Warnings about inputs (raw units, [n]) that do not vary, or about two that are collinear."""
    reasons: list[Note] = []
    for name, values in inputs.items():
        if len(values) > 1 and np.ptp(values) == 0:
            reasons.append(
                (
                    "constant_input",
                    f"All points have the same {name} ({values[0]:g}), "
                    f"so they do not show how the error depends on it.",
                )
            )
    return reasons or _collinear(inputs)


def _collinear(inputs: Mapping[str, Array]) -> list[Note]:
    logs = {name: np.log(v) - np.log(v).mean() for name, v in inputs.items()}
    for (a, one), (b, other) in combinations(logs.items(), 2):
        if len(one) > 2 and abs(one @ other) > (1 - 1e-10) * np.sqrt((one @ one) * (other @ other)):
            return [
                (
                    "collinear_inputs",
                    f"{a} and {b} are collinear in these points, "
                    f"so their effects on the error cannot be separated.",
                )
            ]
    return []


def _flat_direction(problem: Problem, parameters: Array) -> list[Note]:
    """A combination of the free parameters along which the law does not change at any point."""
    columns, unseen = _columns(problem, parameters)
    names = np.array(problem.law.parameters)[~problem.fixed]
    if columns is None:
        return [
            (
                "flat",
                "The law has no finite derivative at the minimum, so its parameters are not determined.",
            )
        ]
    if unseen.any():
        lost = ", ".join(names[unseen])
        return [
            (
                "flat",
                f"At the minimum the law's values do not depend on {lost}, so the points do not determine it.",
            )
        ]
    if not columns.size:
        return []
    _, spread, directions = np.linalg.svd(columns.T, full_matrices=False)
    if spread[-1] > _SMALL * spread[0]:
        return []
    mixed = ", ".join(names[np.abs(directions[-1]) > 0.1])
    return [("flat", f"The points determine only a combination of {mixed}, not each of them.")]


def loose_parameters(
    problem: Problem, parameters: Array, intervals: Mapping[str, tuple[float, float]]
) -> list[Note]:
    """The warning about nonlinear parameters whose interval is many times as wide as the value, with its direction."""
    law, free = problem.law, ~problem.fixed
    loose = []
    for j in np.flatnonzero(free & ~law.is_linear):
        low, high = intervals[law.parameters[j]]
        at_bound = low <= problem.lower[j] or high >= problem.upper[j]
        if high - low > (_LOOSE_AT_BOUND if at_bound else _LOOSE) * abs(parameters[j]):
            loose.append(f"{law.parameters[j]} ({low:.3g} to {high:.3g})")
    if not loose:
        return []
    columns, unseen = _columns(problem, parameters)
    mixed: Sequence[str] = ()
    if columns is not None and not unseen.any():
        directions = np.linalg.svd(columns.T, full_matrices=False)[2]
        mixed = np.array(law.parameters)[free][np.abs(directions[-1]) > _SHARE].tolist()
    along = f" The law changes least where {', '.join(mixed)} change together." if len(mixed) > 1 else ""
    return [("flat", f"The points do not determine {', '.join(loose)}.{along}")]


def rank(problem: Problem, parameters: Array) -> int:
    """Number of free parameters, or combinations of them, that the points determine."""
    columns, unseen = _columns(problem, parameters)
    if columns is None or unseen.all():
        return 0
    spread = np.linalg.svd(columns[~unseen], compute_uv=False)
    return int(np.sum(spread > _SMALL * spread[0]))


def _columns(problem: Problem, parameters: Array) -> tuple[Array | None, Array]:
    """([free, n] weighted derivatives by the free parameters, of length one; [free] whether a parameter has no effect).

    The first is None where a derivative is not finite.
    """
    free = ~problem.fixed
    jacobian = problem.law.jacobian(problem.inputs, parameters[:, None])[0][free]
    if not np.isfinite(jacobian).all():
        return None, np.ones(len(jacobian), bool)
    constant = _additive(problem, parameters)[free]
    root = 1.0 if problem.weight is None else np.sqrt(problem.weight[0])
    jacobian = jacobian * root
    size = np.sqrt(np.sum(jacobian**2, axis=1))
    place, value = parameters[free], root * problem.law.value(problem.inputs, parameters[:, None])[0]
    negligible = size * np.abs(place) <= _NEGLIGIBLE * np.sqrt(np.sum(value**2))
    unseen = (size == 0) | ((place != 0) & ~constant & negligible)
    return jacobian / np.where(size > 0, size, 1.0)[:, None], unseen


def _additive(problem: Problem, parameters: Array) -> Array:
    """[p] True for parameters whose derivative is the same for any parameters: the law always depends on them."""
    law = problem.law
    apart = np.where(law.is_linear, parameters, parameters * (1 + _APART) + _APART)
    here, there = (law.jacobian(problem.inputs, place[:, None])[0] for place in (parameters, apart))
    same: Array = law.is_linear & (here == there).all(axis=1)
    return same


def _at_rounding_of(problem: Problem, parameters: Array, bound: Array) -> Array:
    """[p] True for additive parameters whose distance to a bound changes the law's values by rounding only."""
    law = problem.law
    place = parameters[:, None]
    size = np.sqrt(np.sum(law.jacobian(problem.inputs, place)[0] ** 2, axis=1))
    value = np.sqrt(np.sum(law.value(problem.inputs, place)[0] ** 2))
    with np.errstate(invalid="ignore"):
        near: Array = size * np.abs(parameters - bound) <= _NEGLIGIBLE * value
    at_rounding_of: Array = near & _additive(problem, parameters)
    return at_rounding_of


def bounds_hit(problem: Problem, parameters: Array) -> list[tuple[str, str]]:
    """(parameter, 'lower' or 'upper') for each free parameter that lies on a bound, an additive one up to rounding."""
    sides = []
    low, high = (
        (parameters == bound) | _at_rounding_of(problem, parameters, bound)
        for bound in (problem.lower, problem.upper)
    )
    for j, name in enumerate(problem.law.parameters):
        if not problem.fixed[j] and (low[j] or high[j]):
            sides.append((name, "lower" if low[j] else "upper"))
    return sides


def _explain(problem: Problem, parameters: Array, name: str, side: str) -> Note:
    j = problem.law.parameters.index(name)
    bound = (problem.lower if side == "lower" else problem.upper)[j]
    way = "below" if side == "lower" else "above"
    meaning = problem.law.notes.get(
        name, "the bound, not the points, determines it and everything that depends on it"
    )
    favored = f", and the points favor a value {way} it" if parameters[j] == bound else " up to rounding"
    return "at_bound", f"{name} lies on its {side} bound {bound:g}{favored}. Interpretation: {meaning}."


def _free(problem: Problem) -> Sequence[str]:
    return [name for name, fixed in zip(problem.law.parameters, problem.fixed, strict=True) if not fixed]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
