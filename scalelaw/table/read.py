"""Read and write results tables, in one schema.

Sweeps and importers write tables; fits and reports read them. Columns are only ever added. Each row is one score of one
trained model on one benchmark.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from scalelaw.errors import InputError, typed, unknown
from scalelaw.files.file_type import TABLE, otherwise
from scalelaw.files.paths import SweepFolder, atomic, bundled
from scalelaw.files.safe_load import (
    is_pipe,
    open_input,
    open_stdin,
    parse_json,
    read_text,
    read_yaml,
    special_file,
)
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
    """Write rows to a parquet file atomically, in the schema.

    Args:
        rows: the rows; missing columns become null.
        path: a parquet file.
        metadata: entries of the file's metadata beside the schema version (package version, git revision, ...).
        by_user: the user named the path, see `files.atomic`.

    Raises:
        InputError: for a value of the wrong type, a file name of another format, and a path that cannot be written.
    """
    if Path(path).suffix and Path(path).suffix not in PARQUET:
        raise InputError(
            f"A table is written as parquet, and {path} has another suffix.",
            code="bad_format",
            hint=f"Name it {Path(path).with_suffix('.parquet')}.",
        )
    notes = {"scalelaw.schema": str(SCHEMA_VERSION), **(metadata or {})}
    table = to_arrow(rows).replace_schema_metadata(notes)
    import pyarrow.parquet as pq

    with atomic(path, by_user=by_user) as part:
        pq.write_table(table, part, compression="zstd", write_page_checksum=True)


def to_arrow(rows: pd.DataFrame | Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows in the schema; missing columns become null. Raises InputError for a value of the wrong type."""
    if isinstance(rows, pd.DataFrame):
        length, columns = len(rows), {str(name): list(rows[name].astype(object)) for name in rows}
    # without pandas, whose import would take most of the time of a small cell
    else:
        listed = list(rows)
        names = dict.fromkeys(str(name) for row in listed for name in row)
        length, columns = len(listed), {name: [row.get(name) for row in listed] for name in names}
    if extra := [name for name in columns if name not in COLUMNS]:
        raise unknown("column", extra[0], COLUMNS)
    arrays = [
        _array(name, kind, columns[name]) if name in columns else pa.nulls(length, ARROW[kind])
        for name, (kind, _, _) in COLUMNS.items()
    ]
    return pa.Table.from_arrays(arrays, schema=schema())


def _array(name: str, kind: str, column: list[Any]) -> pa.Array:
    values = [None if _absent(v) else v for v in column]
    try:
        if kind == "text":
            written = [None if v is None else str(v) for v in values]
            if any("\0" in text for text in written if text is not None):
                raise ValueError("a value has a NUL character")
            return pa.array(written, pa.string())
        floats = [None if v is None else float(v) for v in values]
        return pa.array(floats, pa.float64()).cast(ARROW[kind], safe=True)
    except (TypeError, ValueError, pa.ArrowInvalid) as error:
        raise InputError(f"Column '{name}' must hold a {kind}: {error}.", code="bad_value") from error


def _absent(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


UNNAMED = ("the DataFrame", "the stream", "standard input")


Where = Mapping[str, Any] | Sequence[str] | str | None


@typed(source=("str", "Path", "DataFrame", "Table", "stream"), where=("None", "str", "paths", "Mapping"))
def read_table(source: str | Path | IO[str] | pd.DataFrame, where: Where = None) -> pd.DataFrame:
    """Read a results table: a parquet or csv file, a sweep's folder, `-` (csv on stdin), or a bundled name.

    Args:
        source: the table.
        where: `column=value` terms as in `points`. Of a parquet file only the matching rows are read, for tables larger
            than memory. Terms that cannot be applied while reading (a csv, a column that is not in the schema) are
            left to `points`, which applies all of them and reports errors.

    Returns:
        A DataFrame with every column of the schema, in its order, numbers as float64. Columns that the schema does
        not have follow, so that `inputs={"n_params": "my_column"}` can name them; index columns saved by pandas
        (`Unnamed: 0` in a csv, `__index_level_0__` in a parquet file) are dropped.

    Raises:
        InputError: for a table that does not exist or cannot be read.
    """
    if isinstance(source, pd.DataFrame):
        return _conform(source, "the DataFrame")
    if isinstance(source, pa.Table):
        return _conform(in_pandas(source), "the DataFrame")
    if not isinstance(source, str | Path):
        return _conform(_parsed_stream(source, "the stream"), "the stream")
    if str(source) == "-":
        with open_stdin() as stdin:
            return _conform(_parsed_stream(stdin, "standard input"), "standard input")
    # os.path below, as pathlib raises for a name that no file can have
    path = Path(source)
    if not os.path.exists(path) and str(source) in (known := bundled_tables()):
        return _conform(csv_reader.parse(known[str(source)].read_bytes(), str(source)), str(source))
    if is_pipe(path) or special_file(path):
        return _conform(_parsed_file(path, str(source)), str(source))
    if os.path.isdir(path):
        return _conform(_read_folder(path), str(source))
    if path == (sweep := SweepFolder(path.parent)).results and sweep.manifest.is_file():
        return _conform(_read_folder(path.parent), str(source))
    if where is not None and path.suffix in PARQUET and os.path.isfile(path):
        selected = read_parquet(path, _filters(where))
        if selected.num_rows:
            return _conform(in_pandas(selected), str(source))
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
    """Title, citation, licence and limitations of a bundled table (data/tables/sources.yaml)."""
    facts: dict[str, Any] = read_yaml(bundled("tables", "sources.yaml"))
    return dict(facts.get(name, {}))


def _read_file(path: Path) -> pd.DataFrame:
    return in_pandas(read_parquet(path)) if path.suffix in PARQUET else _parsed_file(path, str(path))


def _parsed_file(path: Path, name: str) -> pd.DataFrame:
    """A csv file, or a csv from a pipe; a file that is too large is not read at all."""
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
    # a closed stream, or one that is not text
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be read: {error}.", code="unreadable_table") from error
    return csv_reader.parse(content, name)


def _filters(where: Where) -> list[tuple[str, str, Any]] | None:
    """`where` as a parquet filter: the terms on columns of the schema; None where there is none."""
    filters: list[tuple[str, str, Any]] = []
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
        filters.append(
            (column, "==", str(value) if kind == "text" else int(number) if kind == "count" else number)
        )
    return filters or None


def terms(where: Where) -> list[tuple[str, Any]]:
    """The (column, value) pairs of `where`. Raises InputError for a term that is not `column=value`."""
    if where is None:
        return []
    if isinstance(where, Mapping):
        return list(where.items())
    written = [where] if isinstance(where, str) else list(where)
    # bytes that are not text match no cell of a table
    written = [t.encode("utf-8", "replace").decode() for t in written]
    for term in written:
        if "=" not in term:
            raise InputError(
                f"'{term}' is not a term of the form column=value.",
                code="bad_where",
                hint="Rows are selected by equality, for example task_family=reasoning; < and > are not supported.",
            )
    return [(t.split("=", 1)[0].strip(), t.split("=", 1)[1].strip()) for t in written]


def _read_folder(path: Path) -> pd.DataFrame:
    """A sweep's table, or its finished parts while there is no table; of another folder, all parquet files.

    Files written by a sweep are verified by their checksum. Nothing is written.
    """
    folder = SweepFolder(path)
    if special(folder.results) or folder.results.exists():
        return in_pandas(_verified_rows(folder.results, read_verified))
    if folder.manifest.is_file():
        name, parts = _experiment_parts(folder)
        tables = [_verified_rows(part, partial(read_part, name=part.stem)) for part in parts]
    else:
        name, parts = None, sorted(folder.cells.glob("*.parquet")) or sorted(path.glob("*.parquet"))
        tables = [
            _verified_rows(part, read_verified) if special(part) or is_verified(part) else read_parquet(part)
            for part in parts
        ]
    if not parts and not folder.manifest.is_file() and not os.path.isdir(folder.cells):
        files = sorted(file.name for file in path.glob("*.csv"))[:5]
        raise InputError(
            f"{path} is a folder without a table: neither the folder of a sweep nor one with parquet files.",
            code="empty_table",
            hint=f"Name a file: {', '.join(str(path / file) for file in files)}."
            if files
            else "Name a parquet or csv file, or a sweep's folder; `scalelaw import` reads other tools' results.",
        )
    if not parts:
        raise InputError(
            f"{path} has no finished cell.",
            code="empty_table",
            hint="A sweep writes finished cells to its cells/ folder.",
        )
    try:
        frame = in_pandas(pa.concat_tables(tables, promote_options="permissive"))
    except pa.ArrowException as error:
        raise InputError(
            f"The parts in {path} have different columns: {error}.", code="unreadable_table"
        ) from error
    return frame if name is None else frame.assign(experiment=name)


def _verified_rows(path: Path, read: Callable[[Path], Verified | None]) -> pa.Table:
    """The rows of a file that a sweep wrote. Raises InputError `broken_part` for a damaged or foreign file."""
    try:
        verified = read(path)
    except (BrokenPart, FileNotFoundError) as error:
        raise InputError(
            f"{path} cannot be used: {error}.",
            code="broken_part",
            hint="Run the sweep again; it sets the file aside and computes its cell again.",
        ) from error
    assert verified is not None
    return verified.rows


def _experiment_parts(folder: SweepFolder) -> tuple[str, list[Path]]:
    """The experiment's name and the finished parts of its cells, in its order."""
    name, cells = stated_cells(folder)
    return name, [part for part in map(folder.cell, cells) if part.exists() or special(part)]


def stated_cells(folder: SweepFolder) -> tuple[str, list[str]]:
    """The name of a sweep's experiment and its cells, in order. Raises InputError for an unreadable manifest."""
    try:
        manifest = parse_json(read_text(folder.manifest), folder.manifest)
        cells = [str(cell) for cell in manifest["cells"]]
        if strange := [cell for cell in cells if not (cell.isalnum() and cell.isascii() and len(cell) < 100)]:
            raise ValueError(f"'{strange[0][:40]}' is not a cell")
        return str(manifest["experiment"]), cells
    except InputError:
        raise
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{folder.manifest} cannot be read: {error}.",
            code="unreadable_table",
            hint="Run the sweep again; it rewrites the file.",
        ) from error


_SAVED_INDEX = re.compile(r"Unnamed: \d+(\.\d+)*|__index_level_\d+__")
"""Names that pandas gives to a column without a name."""


def _conform(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    labels = cells.names(frame.columns, name)
    by_label = {label: frame.iloc[:, place] for place, label in enumerate(labels)}
    columns: dict[str, Any] = {}
    for column, (kind, _, _) in COLUMNS.items():
        if column not in by_label:
            empty: Any = None if kind == "text" else np.nan
            columns[column] = pd.Series([empty] * len(frame), dtype=object if kind == "text" else np.float64)
        elif kind == "text":
            columns[column] = cells.texts(by_label[column], column, name)
        else:
            columns[column] = cells.numbers(by_label[column], column, name)
    for column, values in by_label.items():
        if column not in COLUMNS and not _SAVED_INDEX.fullmatch(column):
            columns[column] = cells.own(values, column, name)
    made = pd.DataFrame(columns)
    made.attrs = {"table": frame.attrs.get("table", "" if name in UNNAMED else Path(name).name)}
    if nested := frame.attrs.get("nested"):
        made.attrs["nested"] = nested
    return made
