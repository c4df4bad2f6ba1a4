"""A published table: a csv as found that states the error itself, and a mapping of its columns to the table's.

Options (a mapping; the bundled ones stand in data/tables/sources.yaml):
    columns     {column of the table: column of the csv}
    scale       {column of the table: factor}, e.g. n_params: 1e9 for a csv in billions
    constants   {column of the table: value} for every row
    model       a format string for the model's name; may use {n_params_billion}
    citation    written to the column `source`
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError, unknown
from scalelaw.importers._files import number
from scalelaw.importers._scores import Imported
from scalelaw.importers._tabular import read_sheet
from scalelaw.table import COLUMNS, OK


def read(path: str | Path, options: Mapping[str, Any]) -> Imported:
    """The csv's rows as rows of the table. Raises InputError for a column that is not there."""
    records = read_sheet(path)
    columns: dict[str, str] = dict(options.get("columns") or {c: c for c in records[0] if c in COLUMNS})
    for name, column in columns.items():
        if name not in COLUMNS:
            raise unknown("column", name, COLUMNS)
        if column not in records[0]:
            raise unknown("column", column, records[0])
    rows = [_row(record, columns, options, Path(path).name, at) for at, record in enumerate(records, start=2)]
    return Imported(rows, (), (Path(path).name,))


def _row(
    record: dict[str, Any], columns: dict[str, str], options: Mapping[str, Any], origin: str, at: int
) -> dict[str, Any]:
    row: dict[str, Any] = dict(options.get("constants") or {})
    for name, column in columns.items():
        row[name] = _value(record[column], name, (options.get("scale") or {}).get(name), at)
    if "model" in options:
        try:
            row["model"] = str(options["model"]).format(
                n_params_billion=(row.get("n_params") or float("nan")) / 1e9
            )
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise InputError(
                f"'model: {options['model']}' cannot be filled: {error}.", code="bad_model_name"
            ) from error
    key = "/".join(
        str(row.get(name)) for name in ("experiment", "model", "compressor", "visual_tokens", "benchmark")
    )
    row["cell"] = hashlib.sha256(key.encode()).hexdigest()[:12]
    row["status"] = OK
    row["source"] = options.get("citation", origin)
    return row


def _value(written: str, name: str, factor: Any, at: int) -> Any:
    """A cell as its column holds it: text, or a number times its factor; None where the cell is empty."""
    if COLUMNS[name][0] == "text" or not written:
        return written or None
    if (value := number(written)) is None:
        raise InputError(f"Row {at}: '{written[:40]}' in '{name}' is not a number.", code="bad_value")
    if factor is not None:
        return round(value * float(factor))
    return int(value) if COLUMNS[name][0] == "count" and value == int(value) else value
