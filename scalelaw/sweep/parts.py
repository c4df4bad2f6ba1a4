"""The result file of a cell: written atomically with a checksum, and verified when it is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from scalelaw.errors import ScalelawError
from scalelaw.files.paths import SweepFolder, versions
from scalelaw.sweep.grid import Cell
from scalelaw.table.checksums import IDENTITY, BrokenPart, read_part, special, write_verified
from scalelaw.table.read import to_arrow

__all__ = ["BrokenPart", "read_part", "set_aside", "set_aside_special", "write_part", "write_results"]


def write_part(folder: SweepFolder, cell: Cell, rows: list[dict[str, Any]], facts: Mapping[str, Any]) -> None:
    """Write the rows of a cell, each completed by `facts` (experiment, started_at, seconds).

    Raises ScalelawError if there is no row, or if an error is not finite.
    """
    if not rows:
        raise ScalelawError("The cell was trained, but scoring returned no row.", code="no_rows")
    for row in rows:
        if not math.isfinite(error := float(row.get("error", math.nan))):
            raise ScalelawError(f"The error of {row.get('task_family')} is {error}.", code="not_finite")
    source = f"scalelaw {versions()['scalelaw.version']}"
    whole = [{**row, **facts, "cell": cell.name, "source": source} for row in rows]
    write_verified(to_arrow(whole), folder.cell(cell.name), {**versions(), IDENTITY: cell.identity})


def set_aside(path: Path) -> Path:
    """Rename a file, or anything in its place, that fails verification. Returns its new path; nothing is deleted."""
    number = 0
    while (aside := path.with_name(f"{path.name}.set-aside-{number}")).exists() or aside.is_symlink():
        number += 1
    return path.replace(aside)


def set_aside_special(path: Path) -> list[tuple[str, str]]:
    """Set aside a folder, FIFO or other special file in the place of a file. Returns one warning, or none."""
    if not (kind := special(path)):
        return []
    sentence = f"{path} is {kind}, not a file. It was renamed to {set_aside(path).name}."
    return [("special_file", sentence)]


def write_results(folder: SweepFolder, experiment: str, rows: pa.Table) -> None:
    """Write the rows of a sweep as its table, with the present name of the experiment."""
    place = rows.schema.get_field_index("experiment")
    named = rows.set_column(place, "experiment", pa.repeat(pa.scalar(experiment), rows.num_rows))
    write_verified(named, folder.results, versions())
