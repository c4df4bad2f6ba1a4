"""What a table covers: its grid of measurements, what is missing from it, what is doubted, and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from scalelaw.errors import InputError, unknown
from scalelaw.files import SweepFolder
from scalelaw.table import OK, bundled_tables, describe, read_table

ROWS = ("n_params", "n_params_vision", "compressor", "model_family", "model")
ALONG = ("visual_tokens", "train_samples", "train_tokens", "benchmark")


@dataclass(frozen=True)
class Coverage:
    """The grid of a table, and what stands around it.

    rows, along     the columns of the table that span the grid; row_values, along_values: what they hold
    counts          [row][column]: rows of status ok; missing: the (row, column) pairs without any
    seeds           [row][column]: different seeds stated (0: none stated)
    benchmarks      benchmark -> how many of the grid's measured cells have it
    unfinished      of a sweep's folder: how many of its cells have no result yet
    statuses        status -> rows; only `ok` is ever fitted
    standard_errors rows with a standard error
    title, citation, licence, doubts   of a bundled table (else empty); sources: what the rows name as theirs
    """

    table: str
    n_rows: int
    rows: str
    along: str
    row_values: list[Any]
    along_values: list[Any]
    counts: list[list[int]]
    seeds: list[list[int]]
    missing: list[tuple[Any, Any]]
    benchmarks: dict[str, int]
    statuses: dict[str, int]
    standard_errors: int
    sources: list[str]
    title: str = ""
    citation: str = ""
    licence: str = ""
    doubts: tuple[str, ...] = ()
    unfinished: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def coverage(table: Any, *, rows: str | None = None, along: str | None = None) -> Coverage:
    """What a table covers; it may be a DataFrame, a path or a bundled name.

    rows, along: the columns that span the grid; by default the first of ROWS and of ALONG that vary.
    Raises InputError for a table that cannot be read, an unknown column, or a table without both.
    """
    frame = read_table(table)
    name = table if isinstance(table, str) else ""
    down, across = _axis(frame, rows, ROWS), _axis(frame, along, ALONG)
    believed = frame[
        (frame["status"].isna() | (frame["status"] == OK)) & frame[down].notna() & frame[across].notna()
    ]
    row_values, along_values = _values(believed[down]), _values(believed[across])
    cells = believed.groupby([down, across])
    counts, seeds = cells.size(), cells["seed"].nunique()
    grid = [[int(counts.get((r, c), 0)) for c in along_values] for r in row_values]
    facts = describe(name) if name in bundled_tables() else {}
    return Coverage(
        table=name,
        n_rows=len(frame),
        rows=down,
        along=across,
        row_values=row_values,
        along_values=along_values,
        counts=grid,
        seeds=[[int(seeds.get((r, c), 0)) for c in along_values] for r in row_values],
        missing=[
            (r, c) for r, line in zip(row_values, grid, strict=True)
            for c, held in zip(along_values, line, strict=True) if not held
        ],
        benchmarks={
            str(benchmark): int(held.groupby([down, across]).ngroups)
            for benchmark, held in believed.groupby("benchmark", sort=True)
        },
        statuses={str(k): int(v) for k, v in frame["status"].fillna(OK).value_counts().sort_index().items()},
        standard_errors=int(frame["error_se"].notna().sum()),
        sources=sorted(map(str, frame["source"].dropna().unique())),
        title=str(facts.get("title", "")),
        citation=str(facts.get("citation", "")),
        licence=str(facts.get("licence", "")),
        doubts=tuple(map(str, facts.get("doubts", ()))),
        unfinished=_unfinished(table),
    )  # fmt: skip


def _unfinished(table: Any) -> int:
    """How many cells that a sweep's folder names have no part file."""
    folder = SweepFolder(Path(table)) if isinstance(table, str | Path) else None
    if folder is None or not folder.manifest.is_file():
        return 0
    stated = json.loads(folder.manifest.read_text(encoding="utf-8"))
    return sum(not folder.cell(str(cell)).is_file() for cell in stated["cells"])


def _axis(frame: pd.DataFrame, asked: str | None, candidates: Sequence[str]) -> str:
    if asked is not None:
        if asked not in frame or frame[asked].isna().all():
            raise unknown("column", asked, (str(c) for c in frame.columns if frame[c].notna().any()))
        return asked
    there = [column for column in candidates if frame[column].notna().any()]
    varied = [column for column in there if frame[column].nunique() > 1]
    if not there:
        raise InputError(
            f"The table holds none of {', '.join(candidates)}: there is no grid to show.",
            code="missing_column",
        )
    return (varied or there)[0]


def _values(column: pd.Series) -> list[Any]:
    """What a column holds, each once, in order; whole numbers as integers."""
    held = sorted(column.unique())
    return [int(v) if isinstance(v, float) and v == int(v) else v for v in held]
