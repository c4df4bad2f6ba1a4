"""Compare laws of the same inputs by how they extrapolate, and weight them for an average.

The score of a law is its prediction error on the points that windows hide, S = exp(sum_i m_i ln s_i / sum_i m_i). s_i
is the mean, over the windows along input i, of the root mean square of log(predicted / measured); m_i is the number of
lines along i (one for a learning curve). The weights are S^-(sum_i m_i): errors of one line are dependent, so each line
counts once. Members whose S is more than 4 times the smallest are left out (Occam's window), and so are members with
the same predictions as a simpler one. For one input, each law is a member once per tail weight with enough points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scalelaw.errors import Note
from scalelaw.fit.candidates import TAILS, Member, Sample, fit_members, leave_one_out
from scalelaw.fit.diagnostics import scores
from scalelaw.fit.holdout_windows import lines, windows
from scalelaw.fit.identifiability import constant_target, degenerate_inputs
from scalelaw.fit.law import Law
from scalelaw.fit.multistart import Minimum
from scalelaw.fit.options import FitOptions
from scalelaw.fit.varpro import Problem, State
from scalelaw.fit.weights import effective_points, make_weights, need_positive, need_squares
from scalelaw.results.envelope import Answer
from scalelaw.results.warning import Warning, as_warnings
from scalelaw.table.points import Points

Array = np.ndarray
OCCAM = 4.0
MOST_POINTS = 500
CLEAR = 0.9
"""The share of the weight from which a law wins clearly."""
_FLOOR, _SAME = 1e-7, 1e-6
_EQUAL = 1e-4
"""Relative difference of scores below which two laws are the same law in two forms."""


@dataclass(frozen=True)
class Comparison(Answer):
    """A comparison of laws: one row per law, the best first, and the members of their average.

    laws: {law, n_parameters, aicc, leave_one_out, leave_largest_out {input: {score, spread, windows}}, score, weight,
    members [{tail_weight, score, weight}], reason}; the law is the winner where its weight reaches 0.9.
    tie: the first law and those with as many parameters and the same predictions; then there is no winner.
    """

    command: ClassVar[str] = "compare"

    inputs: tuple[str, ...]
    target: str
    residual: str
    n_points: int
    laws: tuple[dict[str, Any], ...]
    winner: str
    warnings: list[Warning]
    members: tuple[tuple[Member, float], ...]
    tie: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The `data` object of `scalelaw compare --json`."""
        names = ("inputs", "target", "residual", "n_points", "winner", "tie", "laws")
        return {name: getattr(self, name) for name in names}


@np.errstate(all="ignore")
def weigh(points: Points, laws: Sequence[Law], options: FitOptions) -> Comparison:
    """Fit every law to all points and to every window, score and weigh."""
    sample, notes = _sample(points, options)
    tails = _tails(sample, options)
    fits = {law.name: fit_members(law, sample, tails) for law in laws}
    if not any(fits.values()):
        notes = (*notes, ("too_few_points", _too_few(laws, sample)))
    members = sorted(
        (m for fitted in fits.values() for m in fitted), key=lambda m: (len(m.law.parameters), m.tail_weight)
    )
    counts = {name: lines(sample.inputs, name) for name in sample.inputs}
    totals = [_score(m, sample, counts) for m in members]
    power = sum(counts[name] for name in {w.name for w in sample.windows}) or 1
    reasons, weights = _weights(members, totals, power)
    rows = [_row(law, fits[law.name], members, totals, weights, reasons, sample) for law in laws]
    rows.sort(key=lambda row: (-row["weight"], row["score"] if row["score"] is not None else np.inf))
    degenerate = (*constant_target(sample.target), *degenerate_inputs(sample.inputs))
    notes = (*notes, *degenerate)
    tie = _tie(rows, fits)
    winner = rows[0]["law"] if rows[0]["weight"] >= CLEAR and not degenerate and not tie else ""
    if members and not sample.windows:
        notes = (*notes, ("no_windows", "No input has enough values to hide the largest, so laws are compared by "
                          "leaving out one point at a time."))  # fmt: skip
    kept = tuple((m, float(w)) for m, w in zip(members, weights, strict=True) if w > 0)
    return Comparison(
        tuple(sample.inputs), points.target_name, sample.objective.residual, len(points), tuple(rows), winner,
        as_warnings((*points.warnings, *notes)), kept, tie,
    )  # fmt: skip


def _sample(points: Points, options: FitOptions) -> tuple[Sample, tuple[Note, ...]]:
    objective = options.checked()
    tail_weights = options.tail_weight if isinstance(options.tail_weight, Mapping) else 0.0
    weights = make_weights(points, options.weights, tail_weights, objective.residual)
    rows = np.flatnonzero(weights.kept)
    notes: tuple[Note, ...] = ()
    if len(rows) > MOST_POINTS:
        order = rows[np.lexsort([points.inputs[name][rows] for name in reversed(list(points.inputs))])]
        rows = order[np.linspace(0, len(order) - 1, MOST_POINTS).round().astype(int)]
        text = f"Laws are compared on {MOST_POINTS} of {len(order)} points, evenly along the inputs."
        notes = (("thinned", text),)
    inputs = {name: values[rows] for name, values in points.inputs.items()}
    target = points.target[rows]
    if objective.residual == "log":
        need_positive(target)
    need_squares(target)
    weight = np.ones(len(rows)) if weights.weight is None else weights.weight[rows]
    return Sample(inputs, target, weight, objective, windows(inputs)), notes


def _tails(sample: Sample, options: FitOptions) -> tuple[float, ...]:
    """The tail weight of the options; else, for one input, a range of them."""
    if not isinstance(options.tail_weight, Mapping) and options.tail_weight:
        return (float(options.tail_weight),)
    return TAILS if len(sample.inputs) == 1 and not isinstance(options.tail_weight, Mapping) else (0.0,)


def _score(member: Member, sample: Sample, counts: Mapping[str, int]) -> float:
    """S; without windows, the leave-one-out error."""
    if not sample.windows:
        return max(leave_one_out(_problem(member, sample), member.parameters), _FLOOR)
    parts = _by_input(member, sample)
    total = sum(counts[name] * np.log(max(float(np.mean(missed)), _FLOOR)) for name, missed in parts.items())
    score = float(np.exp(total / sum(counts[name] for name in parts)))
    return score if np.isfinite(member.values).all() else np.inf


def _by_input(member: Member, sample: Sample) -> dict[str, list[float]]:
    by_input: dict[str, list[float]] = {}
    for window, missed in zip(sample.windows, member.window_misses, strict=True):
        by_input.setdefault(window.name, []).append(missed)
    return by_input


def _weights(members: Sequence[Member], totals: Sequence[float], power: int) -> tuple[dict[int, str], Array]:
    """(index of a member -> why it is left out; weights [members], which sum to 1 or are all 0)."""
    reasons: dict[int, str] = {}
    least = min(totals, default=np.inf)
    if not np.isfinite(least):
        return reasons, np.zeros(len(members))
    for k, (member, total) in enumerate(zip(members, totals, strict=True)):
        twin = next((j for j in range(k) if j not in reasons and _alike(members[j], member)), None)
        if total > OCCAM * least:
            reasons[k] = f"its error is more than {OCCAM:g} times that of the best"
        elif twin is not None:
            reasons[k] = f"predicts the same as {members[twin].law.name}"
    logs = np.array([-np.inf if k in reasons else -power * np.log(t) for k, t in enumerate(totals)])
    weights = np.exp(logs - logs.max())
    return reasons, weights / weights.sum()


def _tie(rows: Sequence[Mapping[str, Any]], fits: Mapping[str, Sequence[Member]]) -> tuple[str, ...]:
    """The first law and those that no point or window distinguishes from it; empty where it is alone."""
    first = fits[rows[0]["law"]]
    same = [
        row["law"]
        for row in rows
        if first
        and len(fits[row["law"]]) == len(first)
        and row["n_parameters"] == rows[0]["n_parameters"]
        and all(_alike(a, b) for a, b in zip(first, fits[row["law"]], strict=True))
        and np.allclose(row["score"], rows[0]["score"], rtol=_EQUAL, atol=0)
    ]
    return tuple(same) if len(same) > 1 else ()


def _alike(one: Member, other: Member) -> bool:
    size = float(np.sqrt(np.mean(one.values**2)))
    return bool(np.max(np.abs(one.values - other.values)) <= _SAME * size)


def _problem(member: Member, sample: Sample) -> Problem:
    law = member.law
    weight = sample.tail(member.tail_weight)
    inputs, weight = law.scale(sample.inputs), weight / weight.mean()
    return Problem(law, inputs, sample.target[None], sample.objective, weight[None], law.lower, law.upper)


def _row(
    law: Law,
    fits: Sequence[Member],
    members: Sequence[Member],
    totals: Sequence[float],
    weights: Array,
    reasons: Mapping[int, str],
    sample: Sample,
) -> dict[str, Any]:
    """The row of one law: the windows of its best member, AICc and leave-one-out of its simplest member."""
    row: dict[str, Any] = {
        "law": law.name, "n_parameters": len(law.parameters), "aicc": None, "leave_one_out": None,
        "leave_largest_out": {}, "score": None, "weight": 0.0, "members": [], "reason": "",
    }  # fmt: skip
    if not fits:
        return row | {"reason": _too_few([law], sample)}
    places = [k for k, m in enumerate(members) if any(m is f for f in fits)]
    best = min(places, key=lambda k: totals[k])
    plain = fits[0]
    problem = _problem(plain, sample)
    total = float(State.at(problem, plain.parameters[:, None]).total[0])
    quality = scores(problem, Minimum(plain.parameters, total, True, 0, 0, 0.0, 0.0))
    return row | {
        "aicc": quality["aicc"],
        "leave_one_out": leave_one_out(problem, plain.parameters),
        "leave_largest_out": _windows(members[best], sample),
        "score": totals[best],
        "weight": float(weights[places].sum()),
        "members": [
            {"tail_weight": members[k].tail_weight, "score": totals[k], "weight": float(weights[k])}
            for k in places
        ],
        "reason": reasons.get(best, ""),
    }


def _windows(member: Member, sample: Sample) -> dict[str, Any]:
    by_input: dict[str, Any] = {}
    for name, missed in _by_input(member, sample).items():
        cuts = [w for w in sample.windows if w.name == name]
        by_input[name] = {
            "score": float(np.mean(missed)),
            "spread": float(np.std(missed)),
            "windows": [
                {
                    "up_to": w.cut,
                    "n_fitted": int(w.kept.sum()),
                    "n_predicted": int((~w.kept).sum()),
                    "miss": s,
                }
                for w, s in zip(cuts, missed, strict=True)
            ],
        }
    return by_input


def _too_few(laws: Sequence[Law], sample: Sample) -> str:
    need = min(laws, key=lambda law: len(law.parameters))
    available = effective_points(sample.weight)
    return f"{len(need.parameters)} parameters need more than {available:.3g} effective points"
