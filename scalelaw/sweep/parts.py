"""The result of one cell as a file: written whole, checked before it is believed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scalelaw.columns import SCHEMA_VERSION, schema
from scalelaw.errors import InputError, ScalelawError
from scalelaw.files import SweepFolder, atomic, versions
from scalelaw.parquet import readable_columns
from scalelaw.sweep.grid import Cell
from scalelaw.table import write_table


class BrokenPart(Exception):
    """A part that is not what its name says; the text says why."""


def write_part(folder: SweepFolder, cell: Cell, rows: list[dict[str, Any]], facts: Mapping[str, Any]) -> None:
    """Write the rows of a cell, each completed by `facts` (experiment, started_at, seconds).

    Raises ScalelawError where there is no row, or one whose error is not a number: that is no measurement.
    """
    if not rows:
        raise ScalelawError("The cell was trained, but scoring it gave no row.", code="no_rows")
    for row in rows:
        if not math.isfinite(error := float(row.get("error", math.nan))):
            raise ScalelawError(f"The error of {row.get('task_family')} is {error}.", code="not_finite")
    source = f"scalelaw {versions()['scalelaw.version']}"
    whole = [{**row, **facts, "cell": cell.name, "source": source} for row in rows]
    write_table(whole, folder.cell(cell.name), {**versions(), "scalelaw.identity": cell.identity})


def read_part(path: Path, name: str) -> pa.Table | None:
    """The rows of cell `name`, or None where there is no file. Raises BrokenPart for one that cannot be believed."""
    try:
        columns = readable_columns(path)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            rows = file.read(columns, use_threads=False)
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError, InputError) as error:
        raise BrokenPart(f"it cannot be read ({str(error).splitlines()[0].rstrip('.')})") from error
    if "cell" not in rows.column_names or not rows.num_rows:
        raise BrokenPart("it holds no cell")
    if others := set(rows["cell"].to_pylist()) - {name}:
        raise BrokenPart(f"it holds another cell ({', '.join(map(str, sorted(others, key=str)))})")
    return rows


def set_aside(path: Path) -> Path:
    """Move a part that cannot be believed out of the way, never away. Returns where it lies now."""
    number = 0
    while (aside := path.with_name(f"{path.name}.set-aside-{number}")).exists():
        number += 1
    return path.replace(aside)


def write_results(folder: SweepFolder, experiment: str, rows: pa.Table) -> None:
    """Write the rows of a sweep as its table, under the name that the experiment has now."""
    place = rows.schema.get_field_index("experiment")
    named = rows.set_column(place, "experiment", pa.repeat(pa.scalar(experiment), rows.num_rows))
    write_rows(named, folder.results, versions())


def write_rows(rows: pa.Table, path: Path, notes: Mapping[str, str]) -> None:
    """Write rows in the schema, atomically, with notes in the file's metadata."""
    told = schema().with_metadata({"scalelaw.schema": str(SCHEMA_VERSION), **notes})
    with atomic(path) as part:
        pq.write_table(rows.cast(told), part, compression="zstd", write_page_checksum=True)
