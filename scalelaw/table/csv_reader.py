"""Comma-separated text, read within limits; every row has as many fields as the header.

There are no comments inside the data, where `#` is an ordinary character. Lines that begin with `#` above the header
are skipped.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from scalelaw.errors import InputError, data_row
from scalelaw.files.csv_text import QUOTE_HINT, separator_of, stray_quote, swallowed
from scalelaw.files.file_type import answer_in
from scalelaw.files.safe_load import CHUNK
from scalelaw.table.cells import EMPTY_TEXT, names, numbers
from scalelaw.table.schema import COLUMNS

MOST_BYTES = 2**29
"""Maximum bytes of a csv; a larger table should be parquet."""
MOST_CELLS = 60_000_000
"""Maximum cells of a csv, including empty ones; a million rows of the schema have 35 million."""
LONGEST_ROW = 2**23
"""Maximum bytes of one row."""


def read_stream(source: IO[Any], name: str) -> bytes:
    """All bytes of a stream of text or bytes. Raises InputError `too_large`, and for another kind of stream."""
    chunks: list[bytes] = []
    size = 0
    while chunk := source.read(CHUNK):
        if isinstance(chunk, str):
            chunk = chunk.encode("utf-8", "surrogatepass")
        if not isinstance(chunk, bytes):
            raise InputError(f"{name} gives {type(chunk).__name__}, not text.", code="bad_table")
        refuse_nul(chunk, name)
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            raise too_large(name, f"{MOST_BYTES >> 20} MiB")
    return b"".join(chunks)


def too_large(name: str, limit: str) -> InputError:
    """The error for a csv beyond a limit."""
    return InputError(
        f"{name} has more than {limit}.", code="too_large", hint="Write a larger table as parquet."
    )


def refuse_nul(data: bytes, name: str) -> None:
    """Raises InputError for NUL bytes, which text does not contain."""
    if b"\0" in data:
        raise _unreadable(name, "it contains NUL bytes, so it is not UTF-8 text")


def parse(data: bytes, name: str) -> pd.DataFrame:
    """The rows of a csv: columns of the schema by its types, others as numbers where all their cells are.

    Raises:
        InputError: `unreadable_table`, `wrong_kind`, `too_large`, `duplicate_column`, `empty_table`, `bad_value`.
    """
    refuse_nul(data, name)
    if wrong := answer_in(data):
        raise InputError(f"{name} is not a table.", code="wrong_kind", hint=wrong)
    start, header, skipped = _header(data, name)
    if data.count(b",", start) + data.count(b"\n", start) > MOST_CELLS:
        raise too_large(name, f"{MOST_CELLS:,} cells")
    fields = _fields(header, name)
    if len(fields) > 1 and all(re.fullmatch(r"[+-]?[\d.]+([eE][+-]?\d+)?", field) for field in fields):
        near = any(len(line.split(",")) == len(fields) for line in skipped)
        raise _unreadable(
            name,
            "it has no header line",
            "Remove the # from the header line." if near else "Name the columns in the first line.",
        )
    if rows := max(swallowed(field, len(fields)) for field in fields):
        raise _unreadable(name, stray_quote("the header", rows), QUOTE_HINT)
    if len(fields) == 1 and (mark := separator_of(header)):
        raise _separated(name, mark)
    columns = names(fields, name)
    body = data[start:]
    _check_utf8(body, name)
    if (quotes := body.count(b'"')) % 2:
        raise _unreadable(name, "a quotation mark is not closed")
    if quotes:
        body = re.sub(rb',[ \t]+"', b',"', body)
    table = _rows(body, columns, name)
    if not table.num_rows:
        raise InputError(f"{name} has no rows.", code="empty_table")
    if quotes:
        _check_quotes(table, name)
    unnamed = iter(f"Unnamed: {place}" for place in range(len(columns)))
    made = {
        column or next(unnamed): _column(table.column(place), column, name)
        for place, column in enumerate(columns)
    }
    return pd.DataFrame(made)


def _check_utf8(body: bytes, name: str) -> None:
    """Raises InputError for bytes that are not UTF-8, without a copy of the whole text."""
    decoder, size = codecs.getincrementaldecoder("utf-8")(), 1 << 20
    for at in range(0, len(body), size):
        try:
            decoder.decode(body[at : at + size], final=at + size >= len(body))
        except UnicodeDecodeError as error:
            row = data_row(1 + body.count(b"\n", 0, at + error.start))
            raise _unreadable(name, f"{row} holds bytes that are not UTF-8", "Save it as UTF-8.") from error


def _header(data: bytes, name: str) -> tuple[int, str, list[str]]:
    """Where the data begin, the header's text, and the lines skipped above it."""
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    skipped: list[str] = []
    while at < len(data):
        end, quoted = at, False
        for match in re.finditer(rb'["\r\n]', data[at : at + LONGEST_ROW]):
            if match[0] == b'"' and data[at : at + 1] != b"#":
                quoted = not quoted
            elif not quoted:
                end = at + match.start()
                break
        else:
            end = min(len(data), at + LONGEST_ROW)
        try:
            line = data[at:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise _unreadable(name, f"{error}", "Save it as UTF-8.") from error
        at = end + (2 if data[end : end + 2] == b"\r\n" else 1)
        if line.strip() and not line.startswith("#"):
            return at, line, skipped
        if line.startswith("#"):
            skipped.append(line)
    raise _unreadable(name, "it is empty")


def _fields(header: str, name: str) -> list[str]:
    try:
        fields = next(csv.reader(io.StringIO(header, newline=""), skipinitialspace=True, strict=True))
    except (csv.Error, StopIteration) as error:
        raise _unreadable(name, f"its header is {error}") from error
    fields = [field.strip() for field in fields]
    if len(fields) > MOST_CELLS // 1000:
        raise too_large(name, f"{MOST_CELLS // 1000:,} columns")
    return fields


def _rows(body: bytes, columns: list[str], name: str) -> pa.Table:
    blank, wrong = 0, list[Any]()

    def irregular(row: Any) -> str:
        nonlocal blank
        if not row.text.strip():
            blank += 1
            return "skip"
        wrong.append(row)
        return "error"

    keys = [str(place) for place in range(len(columns))]
    try:
        return pacsv.read_csv(
            pa.BufferReader(body),
            read_options=pacsv.ReadOptions(column_names=keys, use_threads=False, block_size=LONGEST_ROW),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=irregular),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(keys, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        if not body.strip():
            raise InputError(f"{name} has no rows.", code="empty_table") from error
        if not wrong:
            raise _unreadable(name, str(error)) from error
        row = wrong[0]
        where = data_row(row.number - blank) if row.number else "a row"
        hint = ""
        if row.text.lstrip().startswith("#"):
            hint = "Comments may only stand above the header; remove the line."
        elif row.actual_columns < row.expected_columns:
            hint = "Write a comma for each empty cell."
        fields = f"{row.actual_columns} field{'' if row.actual_columns == 1 else 's'}"
        raise _unreadable(
            name, f"{where} has {fields}, and the header {row.expected_columns}", hint
        ) from error
    except (pa.ArrowException, OverflowError, ValueError) as error:
        raise _unreadable(name, str(error)) from error


def _column(cells: pa.ChunkedArray, column: str, name: str) -> pd.Series:
    trimmed = pc.utf8_trim_whitespace(cells.combine_chunks())
    known = COLUMNS.get(column)
    if known is None or known[0] != "text":
        try:
            return numbers(pd.Series(pd.arrays.ArrowExtensionArray(trimmed)), column, name)
        except InputError:
            if known is not None:
                raise
    empty = pc.is_in(trimmed, pa.array(EMPTY_TEXT))
    kept = pc.if_else(empty, pa.scalar(None, pa.string()), trimmed)
    codes = kept.dictionary_encode()
    values = np.array([*codes.dictionary.to_pylist(), None], dtype=object)
    return pd.Series(
        values[pc.fill_null(codes.indices, len(values) - 1).to_numpy(zero_copy_only=False)], dtype=object
    )


def _check_quotes(rows: pa.Table, name: str) -> None:
    """Raises InputError for a quoted cell that has swallowed rows."""
    for column in rows.columns:
        for at in np.flatnonzero(pc.match_substring_regex(column, "[\r\n]").to_numpy()):
            if count := swallowed(column[int(at)].as_py(), rows.num_columns):
                raise _unreadable(name, stray_quote(data_row(int(at) + 1), count), QUOTE_HINT)


def _separated(name: str, mark: str) -> InputError:
    return _unreadable(
        name,
        f"its columns are separated by {mark}",
        "`scalelaw import wide_csv` reads it, or save it with commas.",
    )


def _unreadable(name: str, why: str, hint: str = "") -> InputError:
    return InputError(
        f"{name} cannot be read as csv: {why}.",
        code="unreadable_table",
        hint=hint or "A csv has a header line, then one row for each measurement, separated by commas.",
    )
