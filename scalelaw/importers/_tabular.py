"""What the csv importers share: a line of strings becomes facts and scores by a mapping that a person writes."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from string import Formatter
from typing import Any

from scalelaw.errors import InputError, unknown
from scalelaw.importers._duplicates import Warnings
from scalelaw.importers._files import count, number, read_text, text
from scalelaw.importers._metrics import Metric, metric
from scalelaw.importers._models import FACTS, fact
from scalelaw.importers._scores import Score
from scalelaw.table import OK

Record = dict[str, Any]
PLAIN_FORMAT = re.compile(r"[-+ ]?0?\d?\d?,?(\.\d\d?)?[a-zA-Z%]?")
NO_SCORE = {"", "-", "–", "—", "n/a", "na", "nan", "none", "null"}
"""What stands in a cell that holds no score."""
ABOUT = ("benchmark", "metric", "value", "task_family", "n_examples", "error_se", "judge", "status", "started_at",
         "seconds", "source")  # fmt: skip
"""Columns of the table, besides the facts, that a column of the csv may give; error_se on the value's own scale."""


def read_sheet(path: str | Path) -> list[Record]:
    """The lines of a csv (or tab-separated .tsv) as mappings of strings. Raises InputError for what is no csv."""
    file = Path(path)
    if not os.path.isfile(file):
        raise InputError(f"There is no file {file}.", code="no_such_file")
    separator = "\t" if file.suffix == ".tsv" else ","
    try:
        lines = [line for line in csv.reader(io.StringIO(read_text(file)), delimiter=separator) if any(line)]
    except csv.Error as error:
        raise InputError(f"{file} cannot be read as csv: {error}.", code="unreadable_file") from error
    if len(lines) < 2:
        raise InputError(f"{file} holds no rows below a header line.", code="empty_table")
    header = [name.strip() for name in lines[0]]
    if len(header) == 1 and (other := next((mark for mark in (";", "\t", "|") if mark in header[0]), None)):
        named = "tabs" if other == "\t" else f"'{other}'"
        raise InputError(
            f"{file} is separated by {named}, not by commas.",
            code="unreadable_file",
            hint="Export it with commas and decimal points, or name a tab-separated file .tsv.",
        )
    if len(set(header)) < len(header):
        twice = sorted({name for name in header if header.count(name) > 1})
        raise InputError(f"{file} names a column twice: {', '.join(twice)}.", code="duplicate_column")
    for at, line in enumerate(lines[1:], start=2):
        if len(line) != len(header):
            raise InputError(
                f"Row {at} of {file} has {len(line)} fields, the header {len(header)}.",
                code="unreadable_file",
            )
    return [dict(zip(header, (value.strip() for value in line), strict=True)) for line in lines[1:]]


def not_a_number(written: str, at: int, column: str = "") -> InputError:
    """The sentence for a cell that should hold a number, with what is likely meant."""
    where = f" in column '{column}'" if column else ""
    hint = ""
    if written.endswith("%"):
        hint = "Write 61.3 for 61.3 %, and state the maximum: 100."
    elif "," in written:
        hint = "Write a decimal point, and no commas between thousands."
    elif number(written.rstrip("*†‡§ ")) is not None:
        hint = "Take the mark away, and keep what it means in the column 'source'."
    return InputError(f"Row {at}: '{written[:40]}'{where} is not a number.", code="bad_value", hint=hint)


@dataclass(frozen=True)
class Mapped:
    """The mapping a person wrote, checked against the columns there are.

    columns     {column of the table: column of the csv, or a format string of several, "{method} at {res}"};
                a column of the table's own name needs no line
    scale       {column of the table: factor}, e.g. n_params: 1e9 for a csv in billions
    rename      {column of the table: {value in the csv: value in the table}}
    constants   {column of the table: value} for every row
    model       a format string for the model's name from the csv's columns, or none
    """

    columns: Mapping[str, str]
    scale: Mapping[str, float]
    rename: Mapping[str, Mapping[str, Any]]
    constants: Mapping[str, Any]
    model: str | None
    citation: str

    @classmethod
    def of(cls, options: Mapping[str, Any], header: Iterable[str], origin: str) -> Mapped:
        """Raises InputError for a column that is in neither the table nor the csv, and for a wrong factor."""
        there, allowed = list(header), (*FACTS, *ABOUT)
        columns = {c: c for c in allowed if c in there} | strings(options, "columns")
        for name, column in columns.items():
            if name not in allowed:
                raise unknown("column", name, allowed)
            if column not in there and "{" not in column:
                raise unknown("column", column, there)
        scale = {}
        for name, factor in strings(options, "scale").items():
            if name not in columns:
                raise unknown("column", name, columns)
            if (read := number(factor)) is None or read <= 0:
                raise InputError(
                    f"The scale of '{name}' must be a positive number, not {factor}.", code="bad_value"
                )
            scale[name] = read
        constants, rename = options.get("constants") or {}, options.get("rename") or {}
        if not isinstance(constants, Mapping):
            raise InputError("'constants' must map columns to values.", code="bad_yaml")
        if not isinstance(rename, Mapping) or not all(isinstance(held, Mapping) for held in rename.values()):
            raise InputError("'rename' must map columns to {old value: new value}.", code="bad_yaml")
        for name in (*constants, *rename):
            if name not in allowed:
                raise unknown("column", str(name), allowed)
        renamed = {str(c): {str(old): new for old, new in held.items()} for c, held in rename.items()}
        model = options.get("model")
        citation = text(str(options.get("citation") or "")) or origin
        return cls(columns, scale, renamed, constants, None if model is None else str(model), citation)

    def score(self, record: Record, at: int) -> Score:
        """The line's facts as a score without a value. Raises InputError for a cell that its column cannot hold."""
        held: Record = dict(self.constants)
        for name, column in self.columns.items():
            value = (
                record[column] if column in record else _filled(column, record, at) if "{" in column else None
            )
            value = self.rename.get(name, {}).get(str(value), value)
            if name in self.scale and (read := number(value)) is not None:
                value = read * self.scale[name]
                value = round(value) if abs(value - round(value)) < 1e-6 * abs(value) else value
            if value not in (None, ""):
                held[name] = value
        try:
            facts = {name: fact(name, held[name]) for name in FACTS if name in held}
        except InputError as error:
            raise InputError(f"Row {at}: {error.message}", code=error.code, hint=error.hint) from error
        name = self._name(record, facts, at)
        noted = text(str(held["source"])) if "source" in held else None
        return Score(
            model=name,
            also=tuple(str(v) for v in record.values() if isinstance(v, str) and v),
            benchmark=text(str(held.get("benchmark", ""))) or "unnamed",
            metric=text(str(held.get("metric", ""))) or "score",
            value=float("nan"),
            facts={k: v for k, v in facts.items() if k != "model"},
            se=number(held.get("error_se")),
            n_examples=count(held.get("n_examples")),
            judge=text(str(held["judge"])) if "judge" in held else None,
            family=text(str(held["task_family"])) if "task_family" in held else None,
            status=text(str(held.get("status", OK))) or OK,
            started_at=text(str(held["started_at"])) if "started_at" in held else None,
            seconds=number(held.get("seconds")),
            source=f"{self.citation}; {noted}" if noted else self.citation,
        )

    def _name(self, record: Record, facts: Mapping[str, Any], at: int) -> str:
        if self.model is None:
            return str(facts.get("model") or f"row {at}")
        return _filled(self.model, record, at, (facts.get("n_params") or float("nan")) / 1e9) or f"row {at}"


def _filled(pattern: str, record: Record, at: int, n_params_billion: float | None = None) -> str | None:
    """A format string filled from a line's columns. Raises InputError where it names something else."""
    given = record if n_params_billion is None else {**record, "n_params_billion": n_params_billion}
    return formatted(pattern, given, f"from row {at}")


def formatted(pattern: str, given: Mapping[str, Any], whence: str) -> str | None:
    """A format string filled: names and plain formats alone, as Python's own reach into objects and pad to any length.

    Raises InputError for a name that is not given and for another format.
    """
    parts = []
    try:
        for before, name, form, conversion in Formatter().parse(pattern):
            parts.append(before)
            if name is not None:
                if conversion or not PLAIN_FORMAT.fullmatch(form or ""):
                    raise ValueError(f"{{{name}}} has a format that is not plain")
                parts.append(format(given[name], form or ""))
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"'{pattern[:80]}' cannot be filled {whence}: {error}.",
            code="bad_pattern",
            hint=f"It may name the columns {', '.join(map(str, given))}.",
        ) from error
    return text("".join(parts))


def strings(options: Mapping[str, Any], key: str) -> dict[str, str]:
    """A section of texts. Raises InputError where it is no mapping."""
    held = options.get(key) or {}
    if not isinstance(held, Mapping):
        raise InputError(f"'{key}' must be a mapping.", code="bad_yaml")
    return {str(name): str(value) for name, value in held.items()}


def score_specs(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The `scores` section: name -> registry entry; `GQA: 100` is short for {maximum: 100}, `loss` for a loss."""
    held = options.get("scores") or {}
    if not isinstance(held, Mapping):
        raise InputError("'scores' must map columns or benchmarks to their maximum.", code="bad_yaml")
    specs: dict[str, dict[str, Any]] = {}
    for name, given in held.items():
        if isinstance(given, Mapping):
            specs[str(name)] = {str(key): value for key, value in given.items()}
        elif given == "loss":
            specs[str(name)] = {"direction": "loss"}
        elif number(given) is not None:
            specs[str(name)] = {"maximum": number(given)}
        else:
            raise InputError(
                f"The maximum of '{name}' must be a number, or `loss`, not {given!r}.", code="bad_metric"
            )
    return specs


def means_of(spec: Mapping[str, Any], task: str, name: str) -> Metric:
    """A `scores` entry as a registry entry."""
    return metric({key: value for key, value in spec.items() if key not in ("benchmark", "metric", "se")},
                  task=task, metric=name)  # fmt: skip


def kept(
    records: list[Record], options: Mapping[str, Any], warnings: Warnings
) -> Iterator[tuple[int, Record]]:
    """The lines, numbered as in the file, but for those that `leave_out` names: [{where: {...}, because: ...}]."""
    rules = options.get("leave_out") or []
    if not isinstance(rules, list) or not all(
        isinstance(r, Mapping) and isinstance(r.get("where"), Mapping) for r in rules
    ):
        raise InputError(
            "'leave_out' must be a list of {where: {column: value}, because: ...}.", code="bad_yaml"
        )
    dropped = [0] * len(rules)
    for at, record in enumerate(records, start=2):
        rule = next((i for i, r in enumerate(rules) if _matches(record, r["where"])), None)
        if rule is None:
            yield at, record
        else:
            dropped[rule] += 1
    for rule, times in zip(rules, dropped, strict=True):
        warnings.append(("left_out", f"{times} row(s) left out: {rule.get('because', 'as asked')}."))


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
    warnings: Warnings,
) -> list[Score]:
    """`average: {benchmark: NAME, over: [...]}`: the mean of value/maximum over benchmarks, where all are there.

    means: benchmark -> what its score means. Raises InputError for a benchmark that is not in the file.
    """
    asked = options.get("average")
    if not asked:
        return []
    if not isinstance(asked, Mapping) or not isinstance(asked.get("over"), list) or not asked["over"]:
        raise InputError("'average' must be {benchmark: NAME, over: [benchmark, ...]}.", code="bad_yaml")
    over = [str(name) for name in asked["over"]]
    for name in over:
        if name not in means:
            raise unknown("benchmark", name, means)
    groups: dict[tuple[Any, ...], dict[str, Score]] = {}
    for score in scores:
        key = (score.model, *(score.facts.get(c) for c in FACTS), score.status)
        groups.setdefault(key, {})[score.benchmark] = score
    made, lacking = [], []
    name = text(str(asked.get("benchmark", ""))) or f"average of {len(over)}"
    for held in groups.values():
        first = next(iter(held.values()))
        if missing := [benchmark for benchmark in over if benchmark not in held]:
            kind = ", ".join(
                str(first.facts[c]) for c in ("compressor", "visual_tokens") if first.facts.get(c)
            )
            lacking.append(f"{first.model} ({kind}) lacks {', '.join(missing)}")
            continue
        mean = sum(1 - means[b].error(held[b].value) for b in over) / len(over)
        family = asked.get("task_family")
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
