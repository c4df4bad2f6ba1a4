"""A published table: a csv as found that states the error itself, and a mapping of its columns to the table's.

Options (a mapping; the bundled ones stand in data/tables/sources.yaml):
    columns     {column of the table: column of the csv}
    scale       {column of the table: factor}, e.g. n_params: 1e9 for a csv in billions
    constants   {column of the table: value} for every row
    experiment  the experiment's name
    model       a format string for the model's name; may use {n_params_billion}
    decimal     "." or ",": what the commas in numbers are (see `_tabular.read_sheet`)
    citation    written to the column `source`
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError, data_row, unknown
from scalelaw.importers._duplicates import Entry, flag, settled, these
from scalelaw.importers._files import is_no_score, number, text
from scalelaw.importers._layout import of_header, refuse_other
from scalelaw.importers._models import nearly_whole
from scalelaw.importers._scores import Imported
from scalelaw.importers._tabular import Mapped, formatted, not_a_number, read_sheet, scales, strings, values
from scalelaw.table.schema import COLUMNS, OK

DIRECTIONS = ("score", "loss")
MEASURED = (
    "cell",
    "value",
    "error",
    "error_se",
    "error_se_kind",
    "source",
    "started_at",
    "seconds",
    "status",
)
"""Columns in which two measurements of the same thing may differ."""
OPTIONS = ("columns", "scale", "constants", "model", "experiment", "decimal", "citation")


def read(path: str | Path, options: Mapping[str, Any]) -> Imported:
    """The csv's rows as rows of the table. Raises InputError for a column that is not there."""
    records = read_sheet(path, options.get("decimal"))
    columns = strings(options, "columns") or {c: c for c in records[0] if c in COLUMNS}
    for name, column in columns.items():
        if name not in COLUMNS:
            raise unknown("column", name, COLUMNS)
        if column not in records[0]:
            raise unknown("column", column, records[0])
    scale = scales(options, columns)
    constants = values(options, "constants")
    if options.get("experiment"):
        constants = {**constants, "experiment": str(options["experiment"])}
    constants = {name: (text(v) if isinstance(v, str) else v) for name, v in constants.items()}
    if "status" not in columns and "error" not in records[0]:
        refuse_other(path, "published_table", of_header(records[0], Path(path)))
    if "error" not in columns and "error" not in constants:
        raise InputError(
            "Which column holds the error is not stated.",
            code="missing_column",
            hint="Add to the file given with --models:\ncolumns: {error: ...}  # "
            f"{', '.join(records[0])}\nA table of scores: scalelaw import wide_csv, or long_csv.",
        )
    origin, warnings = Path(path).name, list[tuple[str, str]]()
    mapped = Mapped(columns, scale, {}, constants, None, origin)
    mapped.report_unused(records[0], (), origin, warnings)
    entries, empty = [], []
    for at, record in enumerate(records, 1):
        row = _row(record, columns, scale, {**constants}, options, origin, at)
        if row.get("error") is None:
            empty.append(f"{row.get('model') or 'row'} (data row {at})")
            continue
        if row.get("direction") not in (None, *DIRECTIONS):
            raise unknown("direction", str(row["direction"]), DIRECTIONS)
        key = tuple(row.get(name) for name in ("model", *COLUMNS) if name not in MEASURED)
        entries.append(Entry(key, row, f"data row {at}"))
    if empty:
        warnings.append(
            (
                "no_score",
                f"{len(empty)} error(s) are empty or not finite and give no row: {these(empty, 20)}.",
            )
        )
    if not entries:
        raise InputError("There is no error to import.", code="no_scores", hint=warnings[-1][1])
    rows = [entry.row for entry in settled(entries, warnings)]
    flag([{"judge": None, "metric": None, "benchmark": None, **row} for row in rows], warnings)
    return Imported(rows, tuple(warnings), (origin,))


def _row(
    record: dict[str, Any],
    columns: Mapping[str, str],
    scale: Mapping[str, float],
    row: dict[str, Any],
    options: Mapping[str, Any],
    origin: str,
    at: int,
) -> dict[str, Any]:
    for name, column in columns.items():
        row[name] = _value(record[column], name, scale.get(name), at)
    if "model" in options:
        size = number(row.get("n_params"))
        fields = {"n_params_billion": float("nan") if size is None else size / 1e9}
        row["model"] = formatted(str(options["model"]), fields, f"from {data_row(at)}")
    key = "/".join(
        str(row.get(name)) for name in ("experiment", "model", "compressor", "visual_tokens", "benchmark")
    )
    row["cell"] = hashlib.sha256(key.encode()).hexdigest()[:12]
    row["status"] = text(str(row.get("status") or OK)) or OK
    row["source"] = text(str(options.get("citation") or "")) or origin
    return row


def _value(written: str, name: str, factor: float | None, at: int) -> Any:
    """A cell as its column holds it: text, or a number times its factor, whole where the column counts; None where
    the cell is empty."""
    if COLUMNS[name][0] == "text" or is_no_score(written):
        return written or None if COLUMNS[name][0] == "text" else None
    if (value := number(written)) is None:
        raise not_a_number(written, at, name)
    if factor is not None:
        value *= factor
        if COLUMNS[name][0] == "count":
            return round(value) if math.isfinite(value) else value
    if name == "visual_tokens":
        return nearly_whole(value)
    return int(value) if COLUMNS[name][0] == "count" and value == int(value) else value
