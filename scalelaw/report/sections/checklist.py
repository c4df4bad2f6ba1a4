"""The checklist: everything one must know to judge or repeat a fit and a plan, as rows of a table over pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scalelaw.fit import FittedLaw
from scalelaw.report.blocks import Block, Heading, Row
from scalelaw.report.study import Study
from scalelaw.report.text import format as fmt
from scalelaw.report.text.sentences import served
from scalelaw.report.values import numbers

_PLUG_INS = ("compressor", "tower", "hardware")


def checklist(studies: Iterable[Study]) -> Iterator[Block]:
    """Every fact of every study: headings with rows."""
    for study in studies:
        yield from _sections(study)


def _sections(study: Study) -> Iterator[Block]:
    if study.fitted is not None:
        yield from _section(f"Status of the fit{study.tag}", _status(study.fitted))
        yield from _section(f"How well it fits{study.tag}", _rows(_quality(study.fitted)))
        facts = {name: value for name, value in study.fitted.checklist.items() if name != "status"}
        if fmt.is_average(study.fitted.law):
            facts["law"] = fmt.formula(study.fitted.formula)
        yield from _section(f"The fit{study.tag}", _rows(facts))
    shown: list[Row] = []
    for optimum in study.optima:
        rows = _plan(optimum)
        notes = _warnings(w["message"] for w in optimum["warnings"])
        title = "The plan" if not shown else "Another plan, where it differs"
        yield from _section(f"{title}{study.tag}", [*(row for row in rows if row not in shown), *notes])
        shown = rows


def _section(title: str, rows: Iterable[Row]) -> Iterator[Block]:
    yield Heading(title)
    yield from rows


def _warnings(messages: Iterable[str]) -> list[Row]:
    return [Row("" if place else "warning", fmt.symbolic(message)) for place, message in enumerate(messages)]


def _status(fitted: FittedLaw) -> list[Row]:
    return [Row("status", fmt.status(fitted)), *_warnings(message for _, message in fitted.warnings)]


def _quality(fitted: FittedLaw) -> dict[str, Any]:
    """Goodness of fit and the certificate of the search; no durations, so that a second run gives the same page."""
    return {
        **_parameters(fitted),
        "objective": fitted.objective,
        "RMSE": fitted.rmse,
        "R²": fitted.r2,
        "AICc": fitted.aicc,
        "intervals": f"{100 * fitted.interval['level']:g}%, {fitted.interval['method']}",
        "decrease that one more step predicts (share of the objective)": fitted.certificate["gap"],
        "gradient norm": fitted.certificate["gradient_norm"],
        **({"held out": fitted.holdout} if fitted.holdout else {}),
    }


def _parameters(fitted: FittedLaw) -> dict[str, Any]:
    if not fmt.is_average(fitted.law):
        derived = {fmt.greek(name): _derived(entry) for name, entry in fitted.derived.items()}
        return {"parameters": fitted.params, **({"derived": derived} if derived else {})}
    return {"weights": {fmt.greek(bar.name).removeprefix("weight of "): bar.value for bar in numbers(fitted)}}


def _derived(entry: Mapping[str, Any]) -> str:
    span = fmt.span(entry.get("interval"))
    return "∞" if entry["value"] is None else fmt.plainly(entry["value"]) + (f" ({span})" if span else "")


def _rows(facts: Mapping[str, Any]) -> list[Row]:
    return [
        Row(fmt.named(str(name)), _columns(value) if name == "columns" else fmt.plainly(value))
        for name, value in facts.items()
    ]


def _columns(columns: Mapping[str, str]) -> str:
    return ", ".join(name if name == column else f"{name} from {column}" for name, column in columns.items())


def _plan(optimum: Mapping[str, Any]) -> list[Row]:
    best, units = optimum["best"], fmt.units_of(optimum)
    facts: dict[str, Any] = {
        "budget": fmt.budget(optimum["budget"], units),
        "query": fmt.workload(optimum),
        "cost": fmt.costing(optimum["cost"]),
        "best configuration": fmt.configuration(best),
        "it costs": "; ".join(fmt.amount(kind, value, units) for kind, value in best["costs"].items()),
        "served": served(optimum),
        "binding": fmt.named(best["binding"]) if best.get("binding") else "nothing",
        "extrapolates": optimum["extrapolates"],
        **_searched(optimum["searched"]),
    }
    return _rows(facts)


def _searched(searched: Mapping[str, Any]) -> dict[str, Any]:
    """The search space and its settings; unset ones are left out."""
    if not searched:
        return {}
    low, high = searched["visual_tokens"]
    if sizes := searched.get("image_sizes"):
        many = f"{sizes:,} images" if isinstance(sizes, int) else ""
        shown = many or ", ".join(f"{width}x{height}" for width, height in sizes)
        searched = {**searched, "image_sizes": shown}
    listed = (
        "models",
        "models_from",
        "visual_tokens",
        "visual_tokens_from",
        "configurations",
        "that_fit",
        "limits",
        "rule",
        "units",
    )
    return {
        "searched models": f"{fmt.plainly(searched['models'])} ({searched['models_from']})",
        "searched tokens": f"{low:g} to {high:g} ({searched['visual_tokens_from']})",
        "configurations": f"{searched['configurations']:,}, of which {searched['that_fit']:,} fit the budget",
        **{
            name: fmt.named(value) if name in _PLUG_INS else value
            for name, value in searched.items()
            if name not in listed and value
        },
    }
