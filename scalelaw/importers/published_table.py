"""A published table: a csv as found, and a mapping of its columns to the table's.

Options (a mapping; the bundled ones stand in data/tables/sources.yaml):
    columns     {column of the table: column of the csv}
    scale       {column of the table: factor}, e.g. n_params: 1e9 for a csv in billions
    constants   {column of the table: value} for every row
    model       a format string for the model's name; may use {n_params_billion}
    citation    written to the column `source`
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from scalelaw.errors import InputError, unknown
from scalelaw.table import COLUMNS, OK


def read(path: str | Path, options: dict[str, Any]) -> list[dict[str, Any]]:
    """The csv's rows as rows of the table. Raises InputError for a column that is not there."""
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as csv: {error}.", code="unreadable_table") from error
    columns: dict[str, str] = options.get("columns") or {c: c for c in frame.columns if c in COLUMNS}
    for name, column in columns.items():
        if name not in COLUMNS:
            raise unknown("column", name, COLUMNS)
        if column not in frame:
            raise unknown("column", column, map(str, frame.columns))
    return [_row(record, columns, options, str(path)) for record in frame.to_dict("records")]


def _row(
    record: dict[Any, Any], columns: dict[str, str], options: dict[str, Any], origin: str
) -> dict[str, Any]:
    row: dict[str, Any] = dict(options.get("constants", {}))
    for name, column in columns.items():
        factor = options.get("scale", {}).get(name)
        row[name] = record[column] if factor is None else round(float(record[column]) * factor)
    if "model" in options:
        row["model"] = options["model"].format(n_params_billion=row["n_params"] / 1e9)
    key = "/".join(
        str(row.get(name)) for name in ("experiment", "model", "compressor", "visual_tokens", "benchmark")
    )
    row["cell"] = hashlib.sha256(key.encode()).hexdigest()[:12]
    row["status"] = OK
    row["source"] = options.get("citation", origin)
    return row
