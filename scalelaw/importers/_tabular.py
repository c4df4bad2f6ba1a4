"""What the csv importers share: a line of strings becomes facts and scores by a mapping that a person writes."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from string import Formatter
from typing import Any

from scalelaw.errors import InputError, Note, data_row, unknown
from scalelaw.files.csv_text import check_names, read_lines
from scalelaw.files.file_type import TABLE, otherwise
from scalelaw.importers import _scores
from scalelaw.importers._duplicates import these
from scalelaw.importers._files import check_there, count, is_no_score, number, read_text, text
from scalelaw.importers._layout import NAMES, layout_of, refuse_other
from scalelaw.importers._metrics import Metric, metric
from scalelaw.importers._models import FACTS, fact, nearly_whole
from scalelaw.importers._scores import Score
from scalelaw.importers._workbook import workbook
from scalelaw.table.schema import COLUMNS, OK

Record = dict[str, Any]
PLAIN_FORMAT = re.compile(r"[-+ ]?0?\d?\d?,?(\.\d\d?)?[a-zA-Z%]?")
OPTIONS = (*_scores.OPTIONS, "columns", "scale", "rename", "constants", "model", "citation", "scores", "leave_out",
           "average", "decimal")  # fmt: skip
"""What an importer of a csv takes."""
ABOUT = ("benchmark", "metric", "value", "task_family", "n_examples", "error_se", "judge", "status", "started_at",
         "seconds", "source", "n_shot")  # fmt: skip
"""Columns of the table, besides the facts, that a column of the csv may give; error_se on the value's own scale."""


def read_sheet(path: str | Path, decimal: Any = None) -> list[Record]:
    """The lines of a table as mappings of strings: a csv separated by commas, semicolons, tabs or bars (the first
    lines tell), or the one filled sheet of an .xlsx.

    decimal: "." or "," where numbers are grouped or have decimal commas: the other mark then groups thousands, and
    both are read so. Without it no comma is read as either. Raises InputError for what is no table.
    """
    file = Path(path)
    if os.path.isdir(file):
        result = layout_of(file)
        reads = f"It holds results of {NAMES[result]}: scalelaw import {result} {file} ..." if result else ""
        raise InputError(f"There is no file {file}: it is a folder.", code="no_such_file", hint=reads)
    check_there(file)
    if file.suffix.lower() == ".json":
        refuse_other(file, "long_csv", layout_of(file))
    if file.suffix.lower() != ".xlsx" and (wrong := otherwise(file, TABLE)):
        raise InputError(f"{file} is not a csv.", code="wrong_kind", hint=wrong)
    if decimal not in (None, ".", ","):
        raise InputError(
            f"The decimal mark is '.' or ',', not '{str(decimal)[:20]}'.", code="unknown_decimal_mark"
        )
    lines = [line for line in _lines(file) if any(line)]
    if len(lines) < 2:
        raise InputError(f"{file} holds no rows below a header line.", code="empty_table")
    header = [name.strip() for name in lines[0]]
    for at, line in enumerate(lines[1:], start=1):
        if len(line) != len(header):
            raise InputError(
                f"{file}: {data_row(at)} has {len(line)} fields, the header {len(header)}.",
                code="unreadable_file",
                hint="Is a quote not closed, or a comma in a text not quoted? Lines above the header must go.",
            )
    named = [i for i, name in enumerate(header) if name or any(line[i].strip() for line in lines[1:])]
    header = [header[i] for i in named]
    check_names([name or "(no name)" for name in header], str(file))
    return [{header[k]: _plain(line[i].strip(), decimal) for k, i in enumerate(named)} for line in lines[1:]]


def _lines(file: Path) -> list[list[str]]:
    if file.suffix.lower() == ".xlsx":
        return workbook(file)
    written = read_text(file)
    separator = "\t" if file.suffix == ".tsv" else _separator(written)
    return read_lines(written, str(file), separator, code="unreadable_file")


def _separator(written: str) -> str:
    """The mark by which the first lines have the same number of fields, most of them; else what the header has."""
    first = next((line for line in written.splitlines() if line.strip()), "")
    fields = {mark: _fields(written, mark) for mark in "\t,;|" if mark in first}
    if even := [mark for mark, numbers in fields.items() if len(numbers) == 1 and max(numbers) > 1]:
        return max(even, key=lambda mark: max(fields[mark]))
    if first.count(";") > first.count(","):
        return ";"
    return next((mark for mark in ",;\t|" if mark in first), ",")


def _fields(written: str, mark: str) -> set[int]:
    """The numbers of fields of the first lines; none where they cannot be read so."""
    try:
        lines = islice(filter(any, csv.reader(io.StringIO(written, newline=""), delimiter=mark)), 20)
        return {len(line) for line in lines}
    except csv.Error:
        return set()


def _plain(written: str, decimal: str | None) -> str:
    """A number as Python writes it, where it is known which mark is which; any other text as it is."""
    if decimal is None or not re.fullmatch(r"[+-]?[\d.,]+( ?%)?", written):
        return written
    group = "," if decimal == "." else "."
    whole, _, rest = written.partition(decimal)
    if group in rest or not re.fullmatch(rf"[+-]?(\d*|\d{{1,3}}(\{group}\d{{3}})+)( ?%)?", whole):
        return written
    return whole.replace(group, "") + ("." + rest if rest else "")


def score_of(written: str, maximum: float | None) -> float | None:
    """The number in a cell; a percentage is one where the stated maximum is 100. NaN for an empty cell, for NaN and
    for infinity (see `is_no_score`); None for anything else."""
    if is_no_score(written):
        return math.nan
    if written.endswith("%") and maximum == 100:
        written = written[:-1].rstrip()
    return number(written)


def not_a_number(written: str, at: int, column: str = "") -> InputError:
    """The sentence for a cell that should hold a number, with what is likely meant."""
    where = f" in column '{column}'" if column else ""
    hint = ""
    if written.endswith("%"):
        hint = "A percentage has the maximum 100: state that, or write 61.3 for 61.3 %."
    elif "," in written:
        hint = "Say what the commas are: --decimal . where they group thousands, --decimal , where they are decimal."
    elif number(written.rstrip("*†‡§ ")) is not None:
        hint = "Take the mark away, and keep what it means in the column 'source'."
    message = f"'{written[:40]}'{where} is not a number, in {data_row(at)}."
    return InputError(message, code="bad_value", hint=hint)


@dataclass(frozen=True)
class Mapped:
    """The mapping a person wrote, checked against the columns there are.

    columns     {column of the table: column of the csv, or a format string of several, "{method} at {res}"};
                a column of the table's own name needs no line
    scale       {column of the table: factor}, e.g. n_params: 1e9 for a csv in billions; text has none
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
        scale = scales(options, columns)
        constants, rename = values(options, "constants"), options.get("rename") or {}
        if not isinstance(rename, Mapping) or not all(
            isinstance(content, Mapping) and not any(map(_is_nested, content.values()))
            for content in rename.values()
        ):
            raise InputError("'rename' must map columns to {old value: new value}.", code="bad_yaml")
        for name in (*constants, *rename):
            if name not in allowed:
                raise unknown("column", str(name), allowed)
        renamed = {str(c): {str(old): new for old, new in content.items()} for c, content in rename.items()}
        model = options.get("model")
        citation = text(str(options.get("citation") or "")) or origin
        return cls(columns, scale, renamed, constants, None if model is None else str(model), citation)

    def score(self, record: Record, at: int) -> Score:
        """The line's facts as a score without a value. Raises InputError for a cell that its column cannot hold."""
        content: Record = dict(self.constants)
        for name, column in self.columns.items():
            value = (
                record[column] if column in record else _filled(column, record, at) if "{" in column else None
            )
            value = self.rename.get(name, {}).get(str(value), value)
            if name in self.scale and (read := number(value)) is not None:
                value = read * self.scale[name]
                value = nearly_whole(value) if COLUMNS[name][0] == "count" else value
            if value not in (None, ""):
                content[name] = value
        try:
            facts = {name: fact(name, content[name]) for name in FACTS if name in content}
        except InputError as error:
            message = f"{error.message.removesuffix('.')}, in {data_row(at)}."
            raise InputError(message, code=error.code, hint=error.hint) from error
        model = self._name(record, facts, at)
        noted = text(str(content["source"])) if "source" in content else None
        return Score(
            model=model or f"row {at}",
            unnamed=model is None,
            place=f"data row {at}",
            also=tuple(str(v) for v in record.values() if isinstance(v, str) and v),
            benchmark=text(str(content.get("benchmark", ""))) or "unnamed",
            metric=text(str(content.get("metric", ""))) or "score",
            value=float("nan"),
            facts={k: v for k, v in facts.items() if k != "model"},
            se=_read(content, "error_se", number, at),
            n_examples=_read(content, "n_examples", count, at),
            n_shot=_read(content, "n_shot", _not_negative, at),
            judge=text(str(content["judge"])) if "judge" in content else None,
            family=text(str(content["task_family"])) if "task_family" in content else None,
            status=text(str(content.get("status", OK))) or OK,
            started_at=text(str(content["started_at"])) if "started_at" in content else None,
            seconds=number(content.get("seconds")),
            source=f"{self.citation}; {noted}" if noted else self.citation,
        )

    def _name(self, record: Record, facts: Mapping[str, Any], at: int) -> str | None:
        if self.model is None:
            return str(facts["model"]) if facts.get("model") else None
        return _filled(self.model, record, at, (facts.get("n_params") or float("nan")) / 1e9)

    def report_unused(
        self, header: Iterable[str], used: Iterable[str], origin: str, warnings: list[Note]
    ) -> None:
        """Add the csv's columns that neither the mapping nor `used` reads to `warnings`."""
        read = {*self.columns.values(), *used}
        for pattern in (self.model or "", *(c for c in self.columns.values() if "{" in c)):
            read |= {name for _, name, _, _ in _parts(pattern) if name}
        read |= {name.partition(".")[2] for name in read if name.startswith(("config.", "summary."))}
        unused = [
            name
            for name in header
            if name and name not in read and not name.startswith(("config.", "summary."))
        ]
        if unused:
            warnings.append(
                ("not_used", f"{len(unused)} column(s) of {origin} are not used: {these(unused)}.")
            )


def _not_negative(value: Any) -> int | None:
    return 0 if number(value) == 0 else count(value)


def _read(content: Record, name: str, kind: Callable[[Any], Any], at: int) -> Any:
    """A number that a line may state; None where it states none. Raises InputError for what is no number."""
    written = str(content.get(name, ""))
    if is_no_score(written):
        return None
    if (value := kind(written)) is None:
        raise not_a_number(written, at, name)
    return value


def _filled(pattern: str, record: Record, at: int, n_params_billion: float | None = None) -> str | None:
    """A format string filled from a line's columns. Raises InputError where it names something else."""
    fields = record if n_params_billion is None else {**record, "n_params_billion": n_params_billion}
    return formatted(pattern, fields, f"from {data_row(at)}")


def formatted(pattern: str, fields: Mapping[str, Any], whence: str) -> str | None:
    """A format string filled: names and plain formats alone, as Python's own reach into objects and pad to any length.

    Raises InputError for a name that is not given and for another format.
    """
    parts = []
    try:
        for before, name, form, conversion in _parts(pattern):
            parts.append(before)
            if name is not None:
                if conversion or not PLAIN_FORMAT.fullmatch(form or ""):
                    raise ValueError(f"{{{name}}} has a format that is not plain")
                parts.append(format(fields[name], form or ""))
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"'{pattern[:80]}' cannot be filled {whence}: {error}.",
            code="bad_pattern",
            hint=f"It may name the columns {', '.join(map(str, fields))}.",
        ) from error
    return text("".join(parts))


def _parts(pattern: str) -> list[tuple[str, str | None, str | None, str | None]]:
    """The parts of a format string. Raises InputError for a brace that is not closed."""
    try:
        return list(Formatter().parse(pattern))
    except ValueError as error:
        raise InputError(
            f"'{pattern[:80]}' is not a format string: {error}.",
            code="bad_pattern",
            hint="Write {column} for the value of a column.",
        ) from error


def values(options: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A section that maps names to single values. Raises InputError for anything else."""
    content = options.get(key) or {}
    if not isinstance(content, Mapping) or any(map(_is_nested, content.values())):
        raise InputError(f"'{key}' must map names to single values.", code="bad_yaml")
    return {str(name): value for name, value in content.items()}


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple | set)


def strings(options: Mapping[str, Any], key: str) -> dict[str, str]:
    """A section that maps names to texts. Raises InputError for anything else."""
    return {name: str(value) for name, value in values(options, key).items()}


def scales(options: Mapping[str, Any], columns: Iterable[str]) -> dict[str, float]:
    """The `scale` section: column of the table -> factor. Raises InputError for a column that is not among `columns`
    or holds text, and for a factor that is not positive."""
    result = {}
    for name, written in strings(options, "scale").items():
        if name not in columns:
            raise unknown("column", name, columns)
        if COLUMNS[name][0] == "text":
            raise InputError(f"'{name}' holds text, which has no scale.", code="bad_value")
        if (factor := number(written)) is None or factor <= 0:
            raise InputError(
                f"The scale of '{name}' must be a positive number, not {written[:40]}.", code="bad_value"
            )
        result[name] = factor
    return result


def score_specs(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The `scores` section: name -> registry entry; `GQA: 100` is short for {maximum: 100}, `loss` for a loss."""
    content = options.get("scores") or {}
    if not isinstance(content, Mapping):
        raise InputError("'scores' must map columns or benchmarks to their maximum.", code="bad_yaml")
    specs: dict[str, dict[str, Any]] = {}
    for name, fields in content.items():
        if isinstance(fields, Mapping):
            if fields.get("direction") == "loss" and fields.get("maximum") is not None:
                raise InputError(
                    f"'{name}' in 'scores' is a loss and has a maximum.",
                    code="bad_metric",
                    hint="A loss is its own error: leave `maximum` out; a score has `direction: score`.",
                )
            specs[str(name)] = {str(key): value for key, value in fields.items()}
        elif fields == "loss":
            specs[str(name)] = {"direction": "loss"}
        elif number(fields) is not None:
            specs[str(name)] = {"maximum": number(fields)}
        else:
            raise InputError(
                f"The maximum of '{name}' must be a number, or `loss`, not {fields!r}.", code="bad_metric"
            )
    return specs


def means_of(spec: Mapping[str, Any], task: str, name: str) -> Metric:
    """A `scores` entry as a registry entry."""
    return metric({key: value for key, value in spec.items() if key not in ("benchmark", "metric", "se")},
                  task=task, metric=name)  # fmt: skip
