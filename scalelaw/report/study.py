"""A study (a fit with its plans), the names of several studies, and the source of their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scalelaw.fit import FittedLaw
from scalelaw.report.text import format as fmt
from scalelaw.table.read import bundled_tables, describe

_LABELS = ("task_family", "compressor", "model_family", "benchmark")


@dataclass
class Study:
    """A fit with the optima planned on it; either may be missing.

    optima: the data of `scalelaw optimize --json`, its contrast where one was asked for. ablation: rows of `ablate`.
    group: the value of the column by which it was fitted apart from others. name: what tells it from the others.
    """

    fitted: FittedLaw | None
    optima: list[dict[str, Any]] = field(default_factory=list)
    ablation: list[dict[str, Any]] = field(default_factory=list)
    group: str = ""
    name: str = ""


def subjects(studies: Sequence[Study]) -> list[str]:
    """A name for each study, no two alike (empty for one alone): of the labels that the points share, the group, the
    table, its filter, target, law, loss and inputs those that tell them apart; a number where nothing does.
    """
    if len(studies) < 2:
        return [""] * len(studies)
    names: list[tuple[str, ...]] = [()] * len(studies)
    for feature in _FEATURES:
        values = [fmt.named(feature(study)) for study in studies]
        longer = [
            (*name, value) if value and value not in name else name
            for name, value in zip(names, values, strict=True)
        ]
        if len(set(longer)) > len(set(names)):
            names = longer
    labels = [
        ", ".join(name) or ("fit" if study.fitted else "plan")
        for name, study in zip(names, studies, strict=True)
    ]
    return [
        name if labels.count(name) == 1 else f"{name} {1 + labels[:place].count(name)}"
        for place, name in enumerate(labels)
    ]


def facts_of(name: str) -> dict[str, Any]:
    """Title, citation and limitations of a bundled table; nothing for others."""
    return describe(name) if name in bundled_tables() else {}


def source_of(fitted: FittedLaw) -> str:
    """Which numbers a law was fitted to: 'table vlm_ocr', with its filter; empty without a name."""
    name, where = str(fitted.checklist.get("table", "not named")), _where(fitted)
    return "" if name == "not named" else f"table {name}" + (f", {where}" if where else "")


def _where(fitted: FittedLaw) -> str:
    where = fitted.checklist.get("where")
    return ", ".join(fmt.named(str(v)) for v in where.values()) if isinstance(where, Mapping) else ""


def _of_fit(feature: Callable[[FittedLaw], str]) -> Callable[[Study], str]:
    return lambda study: feature(study.fitted) if study.fitted else ""


def _shared(column: str) -> Callable[[FittedLaw], str]:
    def shared(fitted: FittedLaw) -> str:
        values = set(fitted.points["labels"].get(column, ()))
        return str(next(iter(values))) if len(values) == 1 else ""

    return shared


def _columns(fitted: FittedLaw) -> str:
    columns = fitted.checklist.get("columns", {})
    return ", ".join(fmt.named(column) for name, column in columns.items() if name != "target")


_FEATURES: tuple[Callable[[Study], str], ...] = (
    *(_of_fit(_shared(column)) for column in _LABELS),
    lambda study: study.group,
    *map(
        _of_fit,
        (
            lambda fitted: str(fitted.checklist.get("table", "")),
            _where,
            lambda fitted: fmt.target_of(fitted),
            lambda fitted: fmt.law(fitted.law),
            lambda fitted: f"{fitted.loss['kind']} loss",
            lambda fitted: f"{fitted.loss['residual']} residuals",
            _columns,
        ),
    ),
)
