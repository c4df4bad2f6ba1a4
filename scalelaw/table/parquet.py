"""Parquet files as strangers have them: read within limits, whatever they say of themselves."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scalelaw.errors import InputError
from scalelaw.files.safe_load import note_read
from scalelaw.table import cells
from scalelaw.table.schema import COLUMNS

PARQUET = (".parquet", ".pq")
FEW_VALUES, FEW_BYTES, MOST_PER_BYTE = 400_000_000, 2**32, 50
"""What a parquet file may hold however small it is (values: of a table eleven million rows; bytes of text), and for
each of its bytes. Rows that agree in most columns take a tenth of a byte each, and 1.2 KB while the table is read whole
(measured at a million rows)."""


def read_parquet(path: Path, chosen: list[tuple[str, str, Any]] | None = None) -> pa.Table:
    """Rows of a parquet file, of its columns that are not nested: no other can hold numbers or texts.

    Raises InputError for what is no parquet file, and for a small file that would fill the memory.
    """
    try:
        columns = readable_columns(path)
        if filters := [term for term in chosen or () if term[0] in columns]:
            with contextlib.suppress(pa.ArrowException):  # the column is of another kind than the schema's
                return pq.read_table(path, columns=columns, filters=filters, page_checksum_verification=True)
        return pq.read_table(path, columns=columns, page_checksum_verification=True)
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise InputError(f"{path} is not a parquet file: {error}.", code="unreadable_table") from error


def readable_columns(path: Path) -> list[str]:
    """The columns of a parquet file that can be read. A kilobyte of it may say that a value comes a thousand million
    times: that is looked at first, on what it says of its row groups (to ask for a spoilt column chunk ends the
    process). A column of the schema counts whether the file has it or not: in a table it takes its room.
    """
    size = path.stat().st_size
    note_read(path)
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(g) for g in range(file.metadata.num_row_groups)]
        fields = [held for held in file.schema_arrow if not pa.types.is_nested(held.type)]
        rows, most = (
            sum(group.num_rows for group in groups),
            max((g.total_byte_size for g in groups), default=0),
        )
    if len({held.name for held in fields}) < len(fields):
        cells.names([held.name for held in fields], str(path))  # raises
    held_columns = len(fields) + len(COLUMNS.keys() - {held.name for held in fields})
    if rows * held_columns > max(FEW_VALUES, MOST_PER_BYTE * size):
        raise _too_large(path, size, f"{rows:,} rows")
    length = 0
    for name in [held.name for held in fields if rows * most > FEW_BYTES and _is_text(held.type)]:
        column = pq.read_table(path, columns=[name], read_dictionary=[name])[name]
        length += sum(_length(chunk) for chunk in column.chunks)
        if length > max(FEW_BYTES, MOST_PER_BYTE * size):
            raise _too_large(path, size, f"{length:,} bytes of text")
    return [held.name for held in fields]


_TEXTS = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())


def _is_text(kind: pa.DataType) -> bool:
    return (kind.value_type if pa.types.is_dictionary(kind) else kind) in _TEXTS


def _length(texts: pa.Array) -> int:
    if not pa.types.is_dictionary(texts.type):
        return int(texts.nbytes)
    lengths = pc.binary_length(texts.dictionary)
    return int(pc.sum(lengths.take(texts.indices)).as_py() or 0)


def _written(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """Times as text; durations and intervals as their count of units."""
    try:
        return column.cast(pa.string())
    except pa.ArrowNotImplementedError:
        pass
    try:
        return column.cast(pa.int64()).cast(pa.string())
    except pa.ArrowException:
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())


def _too_large(path: Path, size: int, held: str) -> InputError:
    return InputError(
        f"{path} holds {held} in {size:,} bytes: it would fill the memory.",
        code="too_large",
        hint="A table of results takes about a byte for each of its values.",
    )


def in_pandas(rows: pa.Table) -> pd.DataFrame:
    """Rows as pandas has them, whatever notes on itself pandas left in their file."""
    try:
        rows = rows.replace_schema_metadata(None)
        for place, held in enumerate(rows.schema):
            column, kind = rows.column(place), held.type
            if pa.types.is_temporal(kind):  # pandas knows only some centuries
                rows = rows.set_column(place, held.name, _written(column))
            elif pa.types.is_decimal(kind):
                rows = rows.set_column(place, held.name, column.cast(pa.float64(), safe=False))
        rows.select([n for n, held in enumerate(rows.schema) if _is_text(held.type)]).validate(full=True)
        return rows.to_pandas()
    except (
        pa.ArrowException,
        ValueError,
        TypeError,
        OverflowError,
    ) as error:  # a text that is no UTF-8, a time out of range
        raise InputError(
            f"The table holds a value that cannot be read: {error}.", code="bad_value"
        ) from error
