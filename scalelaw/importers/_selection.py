"""Rows of a csv that are left out, and averages over benchmarks that are added."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from scalelaw.errors import InputError, Note, unknown
from scalelaw.importers._files import text
from scalelaw.importers._metrics import Metric, metric
from scalelaw.importers._models import FACTS
from scalelaw.importers._scores import Score
from scalelaw.importers._tabular import Record


def kept(
    records: list[Record], options: Mapping[str, Any], warnings: list[Note]
) -> Iterator[tuple[int, Record]]:
    """The rows of data, numbered from 1, but for those that `leave_out` names: [{where: {...}, because: ...}]."""
    rules = options.get("leave_out") or []
    if not isinstance(rules, list) or not all(
        isinstance(r, Mapping) and isinstance(r.get("where"), Mapping) for r in rules
    ):
        raise InputError(
            "'leave_out' must be a list of {where: {column: value}, because: ...}.", code="bad_yaml"
        )
    for rule in rules:
        for key in rule:
            if key not in ("where", "because"):
                raise unknown("key of 'leave_out'", str(key), ("where", "because"), code="unknown_key")
    dropped = [0] * len(rules)
    for at, record in enumerate(records, start=1):
        rule = next((i for i, r in enumerate(rules) if _matches(record, r["where"])), None)
        if rule is None:
            yield at, record
        else:
            dropped[rule] += 1
    for rule, times in zip(rules, dropped, strict=True):
        warnings.append(("left_out", f"{times} row(s) left out: {rule.get('because', 'by `leave_out`')}."))


def left_out_by(options: Mapping[str, Any]) -> set[str]:
    """The csv's columns that `leave_out` looks at."""
    rules = options.get("leave_out")
    rules = rules if isinstance(rules, list) else []
    named = [r["where"] for r in rules if isinstance(r, Mapping) and isinstance(r.get("where"), Mapping)]
    return {str(column) for where in named for column in where}


def _matches(record: Record, where: Mapping[str, Any]) -> bool:
    for column, wanted in where.items():
        if column not in record:
            raise unknown("column", str(column), record)
        values = wanted if isinstance(wanted, list) else [wanted]
        if str(record[column]) not in {str(value) for value in values}:
            return False
    return True


def averages(
    scores: list[Score],
    means: Mapping[str, Metric],
    options: Mapping[str, Any],
    citation: str,
    warnings: list[Note],
) -> list[Score]:
    """`average: {benchmark: NAME, over: [...]}`: the mean of value/maximum over benchmarks, where all are there.

    means: benchmark -> what its score means. Raises InputError for a benchmark that is not in the file.
    """
    entry = options.get("average")
    if not entry:
        return []
    if not isinstance(entry, Mapping) or not isinstance(entry.get("over"), list) or not entry["over"]:
        raise InputError("'average' must be {benchmark: NAME, over: [benchmark, ...]}.", code="bad_yaml")
    for key in entry:
        if key not in (keys := ("benchmark", "over", "task_family")):
            raise unknown("key of 'average'", str(key), keys, code="unknown_key")
    over = [str(name) for name in entry["over"]]
    for name in over:
        if name not in means:
            raise unknown("benchmark", name, means)
    groups: dict[tuple[Any, ...], dict[str, Score]] = {}
    for score in scores:
        if not math.isfinite(score.value):
            continue
        key = (score.model, *(score.facts.get(c) for c in FACTS), score.status)
        groups.setdefault(key, {})[score.benchmark] = score
    made, lacking = [], []
    name = text(str(entry.get("benchmark", ""))) or f"average of {len(over)}"
    for by_benchmark in groups.values():
        first = next(iter(by_benchmark.values()))
        if missing := [benchmark for benchmark in over if benchmark not in by_benchmark]:
            kind = ", ".join(
                str(first.facts[c]) for c in ("compressor", "visual_tokens") if first.facts.get(c)
            )
            lacking.append(f"{first.model} ({kind}) lacks {', '.join(missing)}")
            continue
        mean = sum(1 - means[b].error(by_benchmark[b].value) for b in over) / len(over)
        family = entry.get("task_family")
        made.append(
            replace(
                first, benchmark=name, metric="mean of value/maximum", value=mean, se=None, n_examples=None,
                source=citation, means=metric({"maximum": 1, "unit": "fraction"}, task=name),
                family=None if family is None else str(family),
            )
        )  # fmt: skip
    if lacking:
        warnings.append(("no_average", f"No '{name}' where a benchmark is missing: {'; '.join(lacking)}."))
    return made
