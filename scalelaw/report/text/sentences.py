"""The answer of a report in sentences: the choice, its reasons, its uncertainty, and the warnings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scalelaw.fit import FittedLaw
from scalelaw.fit.input_checks import checked_by_caller
from scalelaw.report.study import Study, source_of
from scalelaw.report.text import format as fmt
from scalelaw.report.text.formula import typeset
from scalelaw.report.values import column_of, with_medians

_MOST_DOUBLINGS = 13.0
"""A ratio of exponents beyond which no number of times is written: 2 to its power would say nothing."""


_MOST_LABELS = 6
"""Answers that a warning about several of them names."""


def the_plan(study: Study) -> tuple[str, str, list[str]]:
    """The answer of an optimum: the question, the best configuration, and the predictions for it and the runner-up."""
    optimum = study.optima[0]
    best = optimum["best"]
    lead = f"{fmt.ask(optimum)}:"
    lines = [f"Predicted {target(study)} {outcome(best, study)}."]
    if rest := optimum["runners_up"]:
        share = "" if (best_in := fmt.of_model(rest[0])) is None else f", best in {fmt.percent(best_in)}"
        name = fmt.configuration(rest[0])
        lines.append(f"Runner-up: {name}, predicted {target(study)} {fmt.error(rest[0]['error'])}{share}.")
    else:
        lines.append("No other LLM of the catalogue fits this budget.")
    return lead, fmt.configuration(best, begins=True), lines


def the_law(study: Study) -> tuple[str, str, list[str]]:
    """The answer of a fit without an optimum: what was fitted, the law in numbers, what its symbols mean."""
    fitted = study.fitted
    assert fitted is not None
    measured = fmt.count(fitted.n_points, "measurement")
    lead = f"{measured}{_of(fitted)}, fitted by the {fmt.kind_of_law(fitted.law)}:"
    return lead, typeset(fitted.formula, fitted.params), [explained_symbols(fitted)]


def explained_symbols(fitted: FittedLaw) -> str:
    """What the symbols of the law stand for, as a sentence."""
    columns = {name: column_of(fitted, name) for name in fitted.inputs}
    return fmt.symbols(fitted.units, columns) + "."


def _of(fitted: FittedLaw) -> str:
    source = source_of(fitted)
    return f" of {source}" if source else ""


def target(study: Study) -> str:
    """What is predicted, by name."""
    if study.fitted:
        return fmt.named(fmt.target_of(study.fitted))
    return fmt.named(fmt.target_of_plan(study.optima[0])) if study.optima else "error"


def outcome(choice: Mapping[str, Any], study: Study) -> str:
    """A choice's error, its interval, and in how many refits its LLM is best: '0.4986 (95% ...); best in 83% ...'."""
    text = fmt.error(choice["error"])
    if span := fmt.span(choice.get("error_interval"), fmt.error):
        level = f"{100 * study.fitted.interval['level']:g}% interval " if study.fitted else "interval "
        text += f" ({level}{span})"
    if (best_in := fmt.of_model(choice)) is not None:
        text += f"; best in {fmt.percent(best_in)} of refits to redrawn data"
        if best_in - choice["p_best"] >= 0.01:
            text += f", with this number of visual tokens in {fmt.percent(choice['p_best'])}"
    return text


def grounds(study: Study) -> Iterator[str]:
    """The reasons for the answer and its uncertainty, one sentence each."""
    fitted, optimum = study.fitted, study.optima[0] if study.optima else None
    if optimum:
        yield _spent(optimum)
    if fitted is not None:
        measured = fmt.count(fitted.n_points, "measurement")
        inside = "; the choice lies inside" if optimum and not optimum["extrapolates"] else ""
        yield (
            f"The law was fitted to {measured}{_of(fitted)} ({_ranges(fitted)}{inside}). "
            f"The RMSE is {fmt.short(fitted.rmse, 2)}{_explained(fitted)}."
        )
        status = fmt.status(fitted)
        yield status if fmt.is_average(fitted.law) else f"Status: {status}"
        yield from _ratio(fitted)
    if optimum and (free := optimum.get("continuous")):
        size, seen = fmt.parameters(free["n_params"]), fmt.tokens(free["visual_tokens"])
        beyond = any(w["code"] == "continuous_extrapolates" for w in optimum["warnings"])
        where = ", beyond the sizes that were measured" if beyond else ""
        yield (
            f"With continuous sizes: {size} with {seen}{where}, "
            f"predicted {target(study)} {fmt.error(free['error'])}."
        )
    if optimum and (ties := [t for t in optimum["near_ties"] if t["model"] != optimum["best"]["model"]]):
        name, value = fmt.configuration(ties[0]), fmt.error(ties[0]["error"])
        costs = ties[0]["costs"], optimum["best"]["costs"]
        cheap = all(costs[0].get(kind, math.inf) <= spent for kind, spent in costs[1].items())
        by = ties[0]["error"] - optimum["best"]["error"]
        more = f" ({fmt.short(abs(by), 2)} {'more' if by > 0 else 'less'})" if by else ""
        sure = (fmt.of_model(optimum["best"]) or 0.0) >= 0.9
        rank = " The refits nearly always rank it second, but the difference is small."
        yield (
            f"Nearly as good{', and costs no more' if cheap else ''}: {name}, predicted {target(study)} {value}{more}."
            f"{rank if sure else ''}"
        )


def mind_all(blocks: Sequence[Study]) -> list[str]:
    """The warnings of several answers, each once, with the answers it is about where it is not about all."""
    about: dict[str, list[str]] = {}
    for block in blocks:
        label = [
            block.name,
            *(fmt.budget(optimum["budget"], fmt.units_of(optimum)) for optimum in block.optima),
        ]
        for note in dict.fromkeys(mind(block)):
            about.setdefault(note, []).append(", ".join(part for part in label if part))
    return [
        note if len(labels) == len(blocks) else f"{fmt.capital(_some(labels))}: {note}"
        for note, labels in about.items()
    ]


def _some(labels: Sequence[str]) -> str:
    """The first of several labels, and how many more there are."""
    more = f" and {len(labels) - _MOST_LABELS} more" if len(labels) > _MOST_LABELS else ""
    return "; ".join(labels[:_MOST_LABELS]) + more


def mind(study: Study) -> Iterator[str]:
    """The warnings of the plan and of the fit."""
    for optimum in study.optima:
        yield from (fmt.symbolic(w["message"]) for w in optimum["warnings"])
    if study.fitted is not None:
        yield from (fmt.symbolic(message) for _, message in study.fitted.warnings)


def _ratio(fitted: FittedLaw) -> Iterator[str]:
    """Each ratio of two exponents, and what it means where the law is a product of their powers."""
    for name, entry in fitted.derived.items():
        exponents = name.split("_over_")
        inputs = [_input_of(fitted, exponent) for exponent in exponents]
        value = entry["value"]
        if len(inputs) != 2 or None in inputs or value is None or not 0 < value < math.inf:
            continue  # no ratio, or an exponent of 0 or on its bound, which the status says
        span, ratio = fmt.span(entry["interval"]), fmt.short(value)
        level = f", {100 * fitted.interval['level']:g}% interval {span}" if span else ""
        one, other = (fmt.named(column_of(fitted, str(name))) for name in inputs)
        times = value if value >= 1 else 1 / value
        if times < _MOST_DOUBLINGS and _trades(fitted, str(inputs[0]), str(inputs[1]), value):
            one, other = (one, other) if value >= 1 else (other, one)
            worth = f"Doubling the {one} is worth {fmt.short(2.0**times, 2)} times the {other}"
            yield f"{worth} (ratio of the exponents {ratio}{level})."
        else:
            yield f"The exponent of the {one} is {ratio} times that of the {other}{level}."


def _input_of(fitted: FittedLaw, exponent: str) -> str | None:
    """The input whose power has this exponent in the law's formula; None where there is none."""
    power = re.search(rf"(\([^()]*\)|\w+)\s*\^-?{re.escape(exponent)}\b", fitted.formula)
    return next((name for name in fitted.inputs if power and re.search(rf"\b{name}\b", power[1])), None)


def _trades(fitted: FittedLaw, one: str, other: str, ratio: float) -> bool:
    """Whether twice as much of one input and 2^-ratio times as much of the other give the same value."""
    place = with_medians(fitted, {})
    traded = {**place, one: 2 * place[one], other: place[other] / 2.0**ratio}
    with checked_by_caller(), np.errstate(all="ignore"):
        values = [float(fitted.predict(**inputs)) for inputs in (place, traded)]
    return math.isclose(*values, rel_tol=1e-9)


def _spent(optimum: Mapping[str, Any]) -> str:
    costs, limits = optimum["best"]["costs"], optimum["budget"]
    units = fmt.units_of(optimum)
    kinds = [kind for kind in costs if kind in limits]
    needs = [
        f"{fmt.amount(kind, costs[kind], units)} (limit {fmt.cost(kind, limits[kind], units)})"
        for kind in kinds
    ] or [fmt.amount(kind, costs[kind], units) for kind in list(costs)[:1]]
    return f"Cost: {fmt.listed(needs)}. {fmt.costing(optimum['cost'])}."


def served(optimum: Mapping[str, Any]) -> str:
    """On what and how the choice is served: card, price, precision, batch, images, encoder, compressor."""
    best, searched = optimum["best"], optimum["searched"]
    parts = [f"precision {best['dtype']}"] if best.get("dtype") else []
    if hardware := searched.get("hardware"):
        devices = searched.get("devices") or 1
        many = f"{fmt.short(devices)} × " if devices != 1 else ""
        state = "calibrated" if searched.get("calibrated") else "not calibrated"
        parts.insert(0, f"card {many}{fmt.plain_name(hardware)} ({state})")
        if (price := searched.get("usd_per_hour")) is not None:
            parts.append(f"${fmt.short(price)} per hour" + (" and card" if devices != 1 else ""))
    if (batch := best.get("batch")) is not None:
        parts.append(f"batch {fmt.short(batch)}")
    parts.append(f"{fmt.count(searched.get('images', 1), 'image')} per query")
    if (tower := searched.get("tower")) is not None:
        parts.append("no vision encoder counted" if tower == "none" else f"encoder {fmt.plain_name(tower)}")
    if compressor := searched.get("compressor"):
        parts.append(f"compressor {fmt.named(compressor)}")
    return f"{fmt.capital(', '.join(parts))}."


def _ranges(fitted: FittedLaw) -> str:
    parts = []
    for name, ends in fitted.measured_range.items():
        column = column_of(fitted, name)
        low, high = (fmt.level(column, end) for end in ends)
        parts.append(
            f"{fmt.named(column)} {low} to {high}" if low != high else f"{fmt.named(column)} {low} only"
        )
    return ", ".join(parts)


def _explained(fitted: FittedLaw) -> str:
    if not math.isfinite(fitted.r2):
        return ""
    share = f"{fitted.r2:.3f}" if fitted.r2 < 0.9995 else "more than 0.9995"
    return f", R² is {share}"


def extent(frame: pd.DataFrame) -> str:
    """How far a table reaches: sizes, tokens, errors."""
    parts = []
    for name in ("n_params", "visual_tokens"):
        values = frame[name].dropna()
        if len(values):
            low, high = fmt.level(name, float(values.min())), fmt.level(name, float(values.max()))
            ends = low if low == high else f"{low} to {high}"
            parts.append(f"{fmt.named(name)} {ends} ({fmt.count(int(values.nunique()), 'level')})")
    target = fmt.target_of_rows(frame)
    parts.append(
        f"{target} {fmt.error(float(frame['error'].min()))} to {fmt.error(float(frame['error'].max()))}"
    )
    return fmt.capital("; ".join(parts)) + "."
