"""The results table: one schema for writing and reading.

The table is the waist of the project: sweeps and importers write it, fits and reports read it.
Columns are only ever added. Each row is one score of one trained model on one benchmark.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from scalelaw.errors import InputError, typed, unknown
from scalelaw.files.file_type import TABLE, otherwise
from scalelaw.files.paths import SweepFolder, atomic, bundled
from scalelaw.files.safe_load import is_pipe, open_input, parse_json, read_text, special_file
from scalelaw.table import cells, csv_reader
from scalelaw.table.checksums import BrokenPart, Verified, is_verified, read_part, read_verified, special
from scalelaw.table.parquet import PARQUET, in_pandas, read_parquet
from scalelaw.table.schema import ARROW, COLUMNS, SCHEMA_VERSION, schema


def write_table(
    rows: pd.DataFrame | Iterable[Mapping[str, Any]],
    path: str | Path,
    metadata: Mapping[str, str] | None = None,
    *,
    by_user: bool = False,
) -> None:
    """Write rows to a parquet file atomically, in the schema; missing columns become null.

    by_user: the user named the path, see `files.atomic`.
    `metadata` (package version, git revision, ...) goes into the file's metadata beside the schema version.
    Raises InputError for a value that its column cannot hold, for a name that says another format and for a path that
    cannot be written.
    """
    if Path(path).suffix and Path(path).suffix not in PARQUET:
        raise InputError(
            f"A table is written as parquet, and {path} is named otherwise.",
            code="bad_format",
            hint=f"Name it {Path(path).with_suffix('.parquet')}.",
        )
    notes = {"scalelaw.schema": str(SCHEMA_VERSION), **(metadata or {})}
    table = to_arrow(rows).replace_schema_metadata(notes)
    with atomic(path, by_user=by_user) as part:
        pq.write_table(table, part, compression="zstd", write_page_checksum=True)


def to_arrow(rows: pd.DataFrame | Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows in the schema; missing columns become null. Raises InputError for a value that its column cannot hold."""
    if isinstance(rows, pd.DataFrame):
        length, held = len(rows), {str(name): list(rows[name].astype(object)) for name in rows}
    else:  # without pandas: in the small process of a cell it would take most of the time
        listed = list(rows)
        names = dict.fromkeys(str(name) for row in listed for name in row)
        length, held = len(listed), {name: [row.get(name) for row in listed] for name in names}
    if extra := [name for name in held if name not in COLUMNS]:
        raise unknown("column", extra[0], COLUMNS)
    arrays = [
        _array(name, kind, held[name]) if name in held else pa.nulls(length, ARROW[kind])
        for name, (kind, _, _) in COLUMNS.items()
    ]
    return pa.Table.from_arrays(arrays, schema=schema())


def _array(name: str, kind: str, given: list[Any]) -> pa.Array:
    values = [None if _absent(v) else v for v in given]
    try:
        if kind == "text":
            return pa.array([None if v is None else str(v) for v in values], pa.string())
        floats = [None if v is None else float(v) for v in values]
        return pa.array(floats, pa.float64()).cast(ARROW[kind], safe=True)
    except (TypeError, ValueError, pa.ArrowInvalid) as error:
        raise InputError(f"Column '{name}' must hold a {kind}: {error}.", code="bad_value") from error


def _absent(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


UNNAMED = ("the DataFrame", "the stream", "standard input")


Where = Mapping[str, Any] | Sequence[str] | str | None


@typed(source=("str", "Path", "DataFrame", "stream"), where=("None", "str", "paths", "Mapping"))
def read_table(source: str | Path | IO[str] | pd.DataFrame, where: Where = None) -> pd.DataFrame:
    """Read a results table: a parquet or csv file, a sweep's folder, `-` (csv on stdin), or a bundled name.

    where: as `points` has it; of a parquet file only such rows are read, for tables larger than memory. What cannot be
    chosen while reading (a csv, a column that the schema does not know or knows as another kind, a choice that leaves
    nothing) is read whole: `points` chooses again, and says what is wrong.

    Returns a DataFrame with every column of the schema, in its order, numbers as float64; columns that
    the schema does not know follow (so that `inputs={"n_params": "my_column"}` can name them), but for the numbers
    of rows that pandas saves beside them (`Unnamed: 0` in a csv, `__index_level_0__` in a parquet file).
    Raises InputError for what is not there or cannot be read.
    """
    if isinstance(source, pd.DataFrame):
        return _conform(source, "the DataFrame")
    if isinstance(source, pa.Table):
        return _conform(in_pandas(source), "the DataFrame")
    if not isinstance(source, str | Path):
        return _conform(_parsed_stream(source, "the stream"), "the stream")
    if str(source) == "-":
        stdin = getattr(sys.stdin, "buffer", sys.stdin)
        return _conform(_parsed_stream(stdin, "standard input"), "standard input")
    path = Path(source)  # os.path, as pathlib raises for a name that no file can have
    if not os.path.exists(path) and str(source) in (known := bundled_tables()):
        return _conform(csv_reader.parse(known[str(source)].read_bytes(), str(source)), str(source))
    if is_pipe(path) or special_file(path):
        return _conform(_parsed_file(path, str(source)), str(source))
    if os.path.isdir(path):
        return _conform(_read_folder(path), str(source))
    if path == (sweep := SweepFolder(path.parent)).results and sweep.manifest.is_file():
        return _conform(_read_folder(path.parent), str(source))
    if where is not None and path.suffix in PARQUET and os.path.isfile(path):
        chosen = read_parquet(path, _chosen(where))
        if chosen.num_rows:
            return _conform(in_pandas(chosen), str(source))
    if not os.path.isfile(path):
        raise (
            unknown("table", str(source), bundled_tables(), code="no_such_table")
            if not path.suffix
            else InputError(
                f"There is no file {path}.",
                code="no_such_file",
                hint="Bundled tables: " + ", ".join(bundled_tables()),
            )
        )
    if path.suffix not in PARQUET and (wrong := otherwise(path, TABLE)):
        raise InputError(f"{path} is not a table.", code="wrong_kind", hint=wrong)
    return _conform(_read_file(path), str(source))


def bundled_tables() -> dict[str, Path]:
    """The bundled tables: name -> csv file."""
    return {p.stem: p for p in sorted(bundled("tables").glob("*.csv"))}


def describe(name: str) -> dict[str, Any]:
    """Title, citation, licence and doubts of a bundled table (data/tables/sources.yaml)."""
    facts: dict[str, Any] = yaml.safe_load(bundled("tables", "sources.yaml").read_text(encoding="utf-8"))
    return dict(facts.get(name, {}))


def _read_file(path: Path) -> pd.DataFrame:
    return in_pandas(read_parquet(path)) if path.suffix in PARQUET else _parsed_file(path, str(path))


def _parsed_file(path: Path, name: str) -> pd.DataFrame:
    """A csv file, or one that comes through a pipe; nothing is read of one that is too large."""
    try:
        if os.path.isfile(path) and path.stat().st_size > csv_reader.MOST_BYTES:
            raise csv_reader.too_large(name, f"{csv_reader.MOST_BYTES >> 20} MiB")
        with open_input(path) as opened:
            content = csv_reader.read_stream(opened, name)
    except OSError as error:
        raise InputError(
            f"{name} cannot be read: {error.strerror or error}.", code="unreadable_table"
        ) from error
    return csv_reader.parse(content, name)


def _parsed_stream(source: Any, name: str) -> pd.DataFrame:
    if not callable(getattr(source, "read", None)):
        raise InputError(
            f"A table is a DataFrame, a path, a bundled name or a stream of csv, not {type(source).__name__}.",
            code="bad_table",
        )
    try:
        content = csv_reader.read_stream(source, name)
    except InputError:
        raise
    except (OSError, ValueError) as error:  # a stream that is closed, or is no text
        raise InputError(f"{name} cannot be read: {error}.", code="unreadable_table") from error
    return csv_reader.parse(content, name)


def _chosen(where: Where) -> list[tuple[str, str, Any]] | None:
    """`where` as parquet's own filter: the terms on the schema's columns; None where there is none."""
    found: list[tuple[str, str, Any]] = []
    for column, value in terms(where):
        if column not in COLUMNS:
            continue
        kind = COLUMNS[column][0]
        try:
            number = 0.0 if kind == "text" else float(value)
        except (TypeError, ValueError):
            return None
        if kind == "count" and not (number.is_integer() and abs(number) < 2**63):
            return None
        found.append(
            (column, "==", str(value) if kind == "text" else int(number) if kind == "count" else number)
        )
    return found or None


def terms(where: Where) -> list[tuple[str, Any]]:
    """The (column, value) pairs of a choice of rows. Raises InputError for what is no `column=value`."""
    if where is None:
        return []
    if isinstance(where, Mapping):
        return list(where.items())
    written = [where] if isinstance(where, str) else list(where)
    written = [
        t.encode("utf-8", "replace").decode() for t in written
    ]  # a byte that is no text stands in no table
    for term in written:
        if "=" not in term:
            raise InputError(
                f"'{term}' is not a term of the form column=value.",
                code="bad_where",
                hint="Rows are chosen by what a column holds, task_family=reasoning; there is no < or >.",
            )
    return [(t.split("=", 1)[0].strip(), t.split("=", 1)[1].strip()) for t in written]


def _read_folder(path: Path) -> pd.DataFrame:
    """A sweep's table, or while there is none the finished parts that its experiment names; else any parquet files.

    What a sweep wrote is verified by its checksum, and nothing is written.
    """
    folder = SweepFolder(path)
    if special(folder.results) or folder.results.exists():
        return in_pandas(_believed(folder.results, read_verified))
    if folder.manifest.is_file():
        name, parts = _stated(folder)
        tables = [_believed(part, partial(read_part, name=part.stem)) for part in parts]
    else:
        name, parts = None, sorted(folder.cells.glob("*.parquet")) or sorted(path.glob("*.parquet"))
        tables = [
            _believed(part, read_verified) if special(part) or is_verified(part) else read_parquet(part)
            for part in parts
        ]
    if not parts:
        raise InputError(
            f"{path} holds no finished cell.",
            code="empty_table",
            hint="A sweep writes them to its cells/ folder.",
        )
    try:
        frame = in_pandas(pa.concat_tables(tables, promote_options="permissive"))
    except pa.ArrowException as error:
        raise InputError(
            f"The parts in {path} do not go together: {error}.", code="unreadable_table"
        ) from error
    return frame if name is None else frame.assign(experiment=name)


def _believed(path: Path, read: Callable[[Path], Verified | None]) -> pa.Table:
    """The rows of a file that a sweep wrote. Raises InputError `broken_part` where they cannot be believed."""
    try:
        found = read(path)
    except (BrokenPart, FileNotFoundError) as error:
        raise InputError(
            f"{path} cannot be used: {error}.",
            code="broken_part",
            hint="Run the sweep again: it sets such a file aside and makes what it held again.",
        ) from error
    assert found is not None
    return found.rows


def _stated(folder: SweepFolder) -> tuple[str, list[Path]]:
    """The experiment's name and the finished parts of its cells, in its order."""
    name, cells = stated_cells(folder)
    return name, [part for part in map(folder.cell, cells) if part.exists() or special(part)]


def stated_cells(folder: SweepFolder) -> tuple[str, list[str]]:
    """The name of a sweep's experiment and its cells, in its order. Raises InputError where that cannot be read."""
    try:
        stated = parse_json(read_text(folder.manifest), folder.manifest)
        cells = [str(cell) for cell in stated["cells"]]
        if strange := [cell for cell in cells if not (cell.isalnum() and cell.isascii() and len(cell) < 100)]:
            raise ValueError(f"'{strange[0][:40]}' is no cell")
        return str(stated["experiment"]), cells
    except InputError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{folder.manifest} cannot be read: {error}.",
            code="unreadable_table",
            hint="Run the sweep again: it writes the file anew.",
        ) from error


_SAVED_INDEX = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__")
"""What pandas calls a column without a name."""


def _conform(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    labels = cells.names(frame.columns, name)
    held = {label: frame.iloc[:, place] for place, label in enumerate(labels)}
    columns: dict[str, Any] = {}
    for column, (kind, _, _) in COLUMNS.items():
        if column not in held:
            empty: Any = None if kind == "text" else np.nan
            columns[column] = pd.Series([empty] * len(frame), dtype=object if kind == "text" else np.float64)
        elif kind == "text":
            columns[column] = cells.texts(held[column], column, name)
        else:
            columns[column] = cells.numbers(held[column], column, name)
    for column, values in held.items():
        if column not in COLUMNS and not _SAVED_INDEX.fullmatch(column):
            columns[column] = cells.own(values)
    made = pd.DataFrame(columns)
    made.attrs = {"table": frame.attrs.get("table", "" if name in UNNAMED else Path(name).name)}
    return made
