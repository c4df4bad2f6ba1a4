"""A study (a fit with its plans, a table, a comparison), the names of several studies, the source of their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pandas as pd

from scalelaw.fit import FittedLaw
from scalelaw.report.text import format as fmt
from scalelaw.table.read import bundled_tables, describe, read_table
from scalelaw.table.schema import COLUMNS

_LABELS = ("task_family", "compressor", "model_family", "benchmark")


@dataclass
class Study:
    """A fit with the optima planned on it, or what a figure draws without one; each may be missing.

    optima: the data of `scalelaw optimize --json`, with its contrast where there is one. ablation: rows of `ablate`.
    group: the value of the column by which it was fitted apart from others. name: what tells it from the others.
    peers: all studies with a fit of the same law, this one among them. table, comparison, bills: a table of results,
    the data of `scalelaw compare --json` and `scalelaw cost --json`, for a study without a fit.
    """

    fitted: FittedLaw | None
    optima: list[dict[str, Any]] = field(default_factory=list)
    ablation: list[dict[str, Any]] = field(default_factory=list)
    group: str = ""
    name: str = ""
    peers: Sequence[Study] = ()
    table: pd.DataFrame | None = None
    comparison: dict[str, Any] | None = None
    bills: Sequence[Mapping[str, Any]] = ()

    @property
    def tag(self) -> str:
        """What a heading adds to tell the study from the others."""
        return f": {self.name}" if self.name else ""


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


def alike(studies: Sequence[Study]) -> list[list[Study]]:
    """Studies with fits of one law, target and set of parameters, where there are several."""
    groups: dict[tuple[Any, ...], list[Study]] = {}
    for study in studies:
        if study.fitted is not None and not fmt.is_average(study.fitted.law):
            fitted = study.fitted
            key = (fitted.law, fmt.target_of(fitted), tuple(fitted.params), tuple(fitted.inputs))
            groups.setdefault(key, []).append(study)
    return [group for group in groups.values() if len(group) > 1]


def selection_of(study: Study) -> dict[str, Any] | None:
    """The comparison of laws by which the law of the study's fit was selected; None where it was not."""
    fitted = study.fitted
    if fitted is None or not fitted.selection:
        return None
    return {"laws": fitted.selection, "inputs": fitted.inputs, "target": fmt.target_of(fitted),
            "n_points": fitted.n_points, "residual": fitted.loss["residual"]}  # fmt: skip


def points_of(study: Study) -> pd.DataFrame | None:
    """The points of a fit as a table; None where they are no errors of sizes, tokens or samples."""
    fitted = study.fitted
    if fitted is None or fitted.target != "error":
        return None
    columns = fitted.checklist.get("columns", {})
    inputs = {columns.get(name, name): values for name, values in fitted.points["inputs"].items()}
    if not set(inputs) <= set(COLUMNS):
        return None
    labels = {name: column for name, column in fitted.points["labels"].items() if name in COLUMNS}
    column = {**labels, **inputs, "error": fitted.points["target"], "error_se": fitted.points["target_se"]}
    if fmt.target_of(fitted) == fmt.LOSS:
        column["direction"] = fmt.LOSS
    return read_table(pd.DataFrame(column))


@cache
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
