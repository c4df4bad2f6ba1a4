"""What would change the answer, in one sentence: a budget, a target, the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scalelaw.fit import FittedLaw
from scalelaw.report.study import Study
from scalelaw.report.text import format as fmt
from scalelaw.report.values import column_of

_SURE = 0.95
Change = tuple[bool, str]
"""Whether something would change the answer, and what it is."""


def would_change(study: Study) -> str:
    """What would change a plan (or a law that stands alone), and what would not: 'What would change it: ...'."""
    answers = list(_of_plan(study.optima[0]) if study.optima else _of_law(study.fitted))
    would = [text for changes, text in answers if changes]
    not_so = [text for changes, text in answers if not changes]
    parts = [f"What would change it: {'; '.join(would)}."] if would else []
    parts += [f"What would not: {'; '.join(not_so)}."] if not_so else []
    return " ".join(parts)


def _of_plan(optimum: Mapping[str, Any]) -> Iterator[Change]:
    rule = optimum["searched"].get("rule") or {}
    if rule.get("target_error") is not None:
        yield from _target(optimum)
    elif optimum["budget"] and not rule.get("within"):
        yield from _budget(optimum)
    best = optimum["best"]
    for row in (optimum.get("contrast") or {}).get("rows", ())[1:]:
        other = row["best"]
        if other["model"] != best["model"] or not 0.5 <= other["visual_tokens"] / best["visual_tokens"] <= 2:
            limit = fmt.budget({row["kind"]: row["limit"]}, fmt.units_of(optimum))
            yield True, f"instead of this budget one of {limit}: then {fmt.configuration(other)}"
            break
    yield from _noise(optimum)


def _budget(optimum: Mapping[str, Any]) -> Iterator[Change]:
    """The nearest budgets, below and above, at which another model is the choice: read off the front."""
    kind, limit = next(iter(optimum["budget"].items()))
    units = fmt.units_of(optimum)
    front = [point for point in optimum["pareto"] if kind in point["costs"]]
    model = optimum["best"]["model"]
    if (below := _stretch(front, limit, model, kind)) is not None:
        cost, before = below[0]["costs"][kind], fmt.configuration(below[1])
        yield (
            True,
            f"a budget below {fmt.amount(kind, cost, units)} ({_share(cost / limit)}): then {before}",
        )
    elif len([point for point in front if point["costs"][kind] <= limit]) > 1:
        yield False, "a smaller budget, which gives fewer visual tokens for the same LLM"
    more = [point for point in front if point["costs"][kind] > limit]
    above = next((point for point in more if point["model"] != model), None)
    if above is not None:
        cost, after = above["costs"][kind], fmt.configuration(above)
        yield (
            True,
            f"a budget from {fmt.amount(kind, cost, units)} on ({_share(cost / limit)}): then {after}",
        )
    elif more:
        yield False, "a larger budget, which gives more visual tokens for the same LLM"
    elif (binding := optimum["best"].get("binding")) not in (None, kind):
        yield False, f"more {fmt.kind(kind)}: the binding constraint is {fmt.kind(binding)}"
    elif front:
        yield False, f"a larger budget: no searched configuration has less {fmt.target_of_plan(optimum)}"


def _share(ratio: float) -> str:
    """A ratio as more or less: '12% less', '32% more', '4.5 times as much'."""
    if ratio >= 2:
        return f"{fmt.short(ratio, 2)} times as much"
    return f"{fmt.short(100 * abs(ratio - 1), 2)}% {'more' if ratio > 1 else 'less'}"


def _stretch(
    front: Sequence[Mapping[str, Any]], limit: float, model: str, kind: str
) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """The cheapest point from which on the front is of this model up to the limit, and the point before it."""
    within = [point for point in front if point["costs"][kind] <= limit]
    for before, point in zip(within[-2::-1], within[:0:-1], strict=True):
        if before["model"] != model:
            return (point, before) if point["model"] == model else None
    return None


def _target(optimum: Mapping[str, Any]) -> Iterator[Change]:
    """The nearest errors, stricter and looser, at which another model is the choice."""
    kind = next(iter(optimum["budget"]), "flops")
    front = [point for point in optimum["pareto"] if kind in point["costs"]]
    model, error = optimum["best"]["model"], optimum["best"]["error"]
    at = next((i for i, p in enumerate(front) if p["model"] == model and p["error"] <= error), None)
    if at is None:
        return
    stricter = next((i for i in range(at, len(front)) if front[i]["model"] != model), None)
    if stricter is not None:
        ends, after = fmt.error(front[stricter - 1]["error"]), fmt.configuration(front[stricter])
        yield True, f"a target below {ends}: then {after}"
    looser = next((front[i] for i in range(at, -1, -1) if front[i]["model"] != model), None)
    if looser is not None:
        yield (
            True,
            f"a target of {fmt.error(looser['error'])} or more: then {fmt.configuration(looser)}",
        )


def _noise(optimum: Mapping[str, Any]) -> Iterator[Change]:
    """Whether repeating the measurements might: how often another LLM is the best in the refits."""
    share = optimum["best"].get("p_model", optimum["best"].get("p_best"))
    if optimum["extrapolates"]:
        yield True, "measurements near the choice, which lies outside the measured range"
    if share is not None and share < _SURE:
        yield (
            True,
            f"new measurements: another LLM is best in {fmt.percent(1 - share)} of the refits",
        )
    elif share is not None:
        yield (
            False,
            "the noise of the measurements",
        )


def _of_law(fitted: FittedLaw | None) -> Iterator[Change]:
    """What might change a law: what its status leaves open, and where it was not measured."""
    if fitted is None:
        return
    if fitted.status == "not_identified":
        yield True, "measurements that determine its parameters, which these do not"
    ends = []
    for name, (_, high) in fitted.measured_range.items():
        column = column_of(fitted, name)
        ends.append(f"{fmt.named(column)} {fmt.level(column, high)}")
    yield True, f"measurements beyond {' or '.join(ends)}, the largest measured values"
