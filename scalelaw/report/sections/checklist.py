"""The checklist: everything one must know to judge or repeat a fit and a plan, as rows of a table over pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scalelaw.fit import FittedLaw
from scalelaw.report.render.pdf import FOOT, Page
from scalelaw.report.study import Study
from scalelaw.report.style import BODY, MARGIN, MUTED, PAGE, TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.text.measure import LEADING, wrap
from scalelaw.report.text.sentences import served
from scalelaw.report.values import numbers

Row = tuple[str, str]
_NAME = 1.55
_GAP = 0.45
_AFTER = 0.035
_COLUMN = (PAGE[0] - 2 * MARGIN - _GAP) / 2
_SIZE = TINY + 0.5
_PLUG_INS = ("compressor", "tower", "hardware")


def checklist(studies: Iterable[Study]) -> Iterator[tuple[str, list[Row]]]:
    """Every fact of every study: sections of rows (name, value)."""
    for study in studies:
        yield from _sections(study, f": {study.name}" if study.name else "")


def pages_of(heading: str, line: str, sections: Iterable[tuple[str, list[Row]]]) -> Iterator[Page]:
    """Sections of rows in two columns, over as many pages as it takes."""
    page, column, top = Page(heading, line), 0, 0.0
    top = begin = page.top + 0.25
    for title, rows in sections:
        for index, (name, value) in enumerate(rows):
            if index == 0:
                page.texts.append(("heading", title))
            page.texts.append(("row", f"{name}\t{value}"))
            lines = wrap(value, _COLUMN - _NAME, _SIZE)
            for part, first in _split(lines, begin):
                shown = title if index == 0 and first else ""
                need = len(part) * LEADING * _SIZE / 72 + _AFTER + (0.42 if shown else 0.0)
                if top + need > FOOT:
                    column, top = column + 1, begin
                if column > 1:
                    yield page
                    page, column = Page(heading, "Continued."), 0
                    top = begin = page.top + 0.25
                left = MARGIN + column * (_COLUMN + _GAP)
                if shown:
                    top += 0.12 if top > begin else 0.0
                    top = page.text(left, top, shown, _COLUMN, size=BODY, weight="bold") + 0.02
                    page.rule(left, top, _COLUMN)
                    top += 0.06
                if name and first:
                    page.text(left, top, name, _NAME - 0.1, size=_SIZE, colour=MUTED)
                under = len(wrap(name, _NAME - 0.1, _SIZE)) if name and first else 1
                end = page.text(left + _NAME, top, "\n".join(part), _COLUMN, size=_SIZE)
                top = max(end, top + under * LEADING * _SIZE / 72) + _AFTER
    yield page


def _split(lines: list[str], begin: float) -> Iterator[tuple[list[str], bool]]:
    """A value's lines in parts that each fit a column."""
    room = max(1, int((FOOT - begin - 0.5) / (LEADING * _SIZE / 72)))
    for start in range(0, len(lines), room):
        yield lines[start : start + room], start == 0


def _sections(study: Study, tag: str) -> Iterator[tuple[str, list[Row]]]:
    if study.fitted is not None:
        yield f"Status of the fit{tag}", _status(study.fitted)
        yield f"How well it fits{tag}", _rows(_quality(study.fitted))
        facts = {name: value for name, value in study.fitted.checklist.items() if name != "status"}
        if fmt.is_average(study.fitted.law):
            facts["law"] = fmt.formula(study.fitted.formula)
        yield f"The fit{tag}", _rows(facts)
    shown: list[Row] = []
    for optimum in study.optima:
        rows = _plan(optimum)
        notes = [
            ("warning" if i == 0 else "", fmt.symbolic(w["message"]))
            for i, w in enumerate(optimum["warnings"])
        ]
        title = "The plan" if not shown else "Another plan, where it differs"
        yield f"{title}{tag}", [*(row for row in rows if row not in shown), *notes]
        shown = rows


def _status(fitted: FittedLaw) -> list[Row]:
    rows = [("status", fmt.status(fitted))]
    rows += [
        ("warning" if i == 0 else "", fmt.symbolic(message)) for i, (_, message) in enumerate(fitted.warnings)
    ]
    return rows


def _quality(fitted: FittedLaw) -> dict[str, Any]:
    """Goodness of fit and the certificate of the search; no durations, so that a second run gives the same page."""
    return {
        **_parameters(fitted),
        "objective": fitted.objective,
        "RMSE": fitted.rmse,
        "R²": fitted.r2,
        "AICc": fitted.aicc,
        "intervals": f"{100 * fitted.interval['level']:g}%, {fitted.interval['method']}",
        "gap to a better fit (share of the objective)": fitted.certificate["gap"],
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
    return [(fmt.named(str(name)), _columns(value) if name == "columns" else fmt.plainly(value))
            for name, value in facts.items()]  # fmt: skip


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
