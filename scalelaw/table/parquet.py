"""Read untrusted parquet files within limits, whatever their metadata declares."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scalelaw.errors import InputError
from scalelaw.files.safe_load import check_regular
from scalelaw.table import cells
from scalelaw.table.schema import COLUMNS

NESTED = "scalelaw.nested"
"""Key of the metadata that names nested columns."""
PARQUET = (".parquet", ".pq")
FEW_VALUES, FEW_BYTES, MOST_PER_BYTE = 400_000_000, 2**32, 50
"""Limits of a parquet file: values and bytes of text that any file may have, and values per byte of the file.

The first allows eleven million rows of a table. Rows that agree in most columns take a tenth of a byte each, and 1.2 KB
while the table is read as a whole (measured at a million rows).
"""


def read_parquet(path: Path, where: list[tuple[str, str, Any]] | None = None) -> pa.Table:
    """The rows of a parquet file, without nested columns; their types are in the metadata of the rows.

    Args:
        path: the file.
        where: parquet filters; terms on missing columns are ignored.

    Raises:
        InputError: for a file that is not parquet, and for a small file that would fill the memory.
    """
    # here, as a csv is read without it
    import pyarrow.parquet as pq

    try:
        columns = readable_columns(path)
        if filters := [term for term in where or () if term[0] in columns]:
            # a column whose type differs from the schema's cannot be filtered
            with contextlib.suppress(pa.ArrowException):
                selected = pq.read_table(
                    path, columns=columns, filters=filters, page_checksum_verification=True
                )
                return selected.replace_schema_metadata(_nested(path))
        rows = pq.read_table(path, columns=columns, page_checksum_verification=True)
        return rows.replace_schema_metadata(_nested(path))
    except InputError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise InputError(f"{path} is not a parquet file: {error}.", code="unreadable_table") from error


def _nested(path: Path) -> dict[str, str]:
    """Metadata that names the nested columns of a parquet file, which are not read."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        kinds = {f.name: str(f.type)[:80] for f in file.schema_arrow if pa.types.is_nested(f.type)}
    return {NESTED: json.dumps(kinds)} if kinds else {}


def readable_columns(path: Path) -> list[str]:
    """The readable columns of a parquet file.

    A kilobyte of parquet may declare a billion equal values, so the size is checked first from the row groups (reading
    a damaged column chunk ends the process). Missing columns of the schema count as well, as they take memory in a
    table.
    """
    import pyarrow.parquet as pq

    check_regular(path)
    size = path.stat().st_size
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(g) for g in range(file.metadata.num_row_groups)]
        fields = [field for field in file.schema_arrow if not pa.types.is_nested(field.type)]
        rows, most = (
            sum(group.num_rows for group in groups),
            max((g.total_byte_size for g in groups), default=0),
        )
    if len({field.name for field in fields}) < len(fields):
        # raises for the duplicate name
        cells.names([field.name for field in fields], str(path))
    n_columns = len(fields) + len(COLUMNS.keys() - {field.name for field in fields})
    if rows * n_columns > max(FEW_VALUES, MOST_PER_BYTE * size):
        raise _too_large(path, size, f"{rows:,} rows")
    length = 0
    for name in [field.name for field in fields if rows * most > FEW_BYTES and _is_text(field.type)]:
        column = pq.read_table(path, columns=[name], read_dictionary=[name])[name]
        length += sum(_length(chunk) for chunk in column.chunks)
        if length > max(FEW_BYTES, MOST_PER_BYTE * size):
            raise _too_large(path, size, f"{length:,} bytes of text")
    return [field.name for field in fields]


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


def _too_large(path: Path, size: int, content: str) -> InputError:
    return InputError(
        f"{path} declares {content} in {size:,} bytes, which would fill the memory.",
        code="too_large",
        hint="A results table takes about one byte per value.",
    )


def in_pandas(rows: pa.Table) -> pd.DataFrame:
    """Rows as a DataFrame, without pandas metadata; `attrs["nested"]`: column -> type of those that were not read."""
    nested = json.loads((rows.schema.metadata or {}).get(NESTED.encode(), b"{}"))
    try:
        rows = rows.replace_schema_metadata(None)
        for place, field in enumerate(rows.schema):
            column, kind = rows.column(place), field.type
            if pa.types.is_temporal(kind):  # pandas knows only some centuries
                rows = rows.set_column(place, field.name, _written(column))
            elif pa.types.is_decimal(kind):
                rows = rows.set_column(place, field.name, column.cast(pa.float64(), safe=False))
        rows.select([n for n, field in enumerate(rows.schema) if _is_text(field.type)]).validate(full=True)
        frame: pd.DataFrame = rows.to_pandas()
        frame.attrs["nested"] = nested
        return frame
    except (
        pa.ArrowException,
        ValueError,
        TypeError,
        OverflowError,
    ) as error:  # a text that is no UTF-8, a time out of range
        raise InputError(f"The table has a value that cannot be read: {error}.", code="bad_value") from error
