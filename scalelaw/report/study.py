"""What each study of a report is about, in as few words as tell them apart, and where its numbers come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scalelaw.fit import FittedLaw
from scalelaw.report.text import format as fmt
from scalelaw.table.read import bundled_tables, describe

if TYPE_CHECKING:
    from scalelaw.report.collect import Study

_LABELS = ("task_family", "compressor", "model_family", "benchmark")


def subjects(studies: Sequence[Study]) -> list[str]:
    """A name for each study, no two alike (empty for one alone): of the labels that the points share, the group, the
    table, what was chosen of it, target, law, loss and inputs those that tell them apart; a number where nothing does.
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
    told = [
        ", ".join(name) or ("fit" if study.fitted else "plan")
        for name, study in zip(names, studies, strict=True)
    ]
    return [
        name if told.count(name) == 1 else f"{name} {1 + told[:place].count(name)}"
        for place, name in enumerate(told)
    ]


def facts_of(name: str) -> dict[str, Any]:
    """Title, citation and doubts of a bundled table; nothing for others."""
    return describe(name) if name in bundled_tables() else {}


def source_of(fitted: FittedLaw) -> str:
    """Which numbers a law was fitted to: 'table vlm_ocr', with what was chosen of it; nothing without a name."""
    name, chosen = str(fitted.checklist.get("table", "not named")), _where(fitted)
    return "" if name == "not named" else f"table {name}" + (f", {chosen}" if chosen else "")


def _where(fitted: FittedLaw) -> str:
    held = fitted.checklist.get("where")
    return ", ".join(fmt.named(str(v)) for v in held.values()) if isinstance(held, Mapping) else ""


def _of_fit(feature: Callable[[FittedLaw], str]) -> Callable[[Study], str]:
    return lambda study: feature(study.fitted) if study.fitted else ""


def _shared(column: str) -> Callable[[FittedLaw], str]:
    def shared(fitted: FittedLaw) -> str:
        held = set(fitted.points["labels"].get(column, ()))
        return str(next(iter(held))) if len(held) == 1 else ""

    return shared


def _columns(fitted: FittedLaw) -> str:
    held = fitted.checklist.get("columns", {})
    return ", ".join(fmt.named(column) for name, column in held.items() if name != "target")


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
