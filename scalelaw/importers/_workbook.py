"""Spreadsheets (.xlsx) as lines of text, as a csv of them would hold."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError, missing_dependency
from scalelaw.files.safe_load import read_bytes

MOST_UNPACKED = 8 * 2**20
"""Bytes of a workbook's parts; a file of scores holds kilobytes."""
MOST_ROWS, MOST_CELLS = 10_000, 200_000
"""Of a sheet: one cell at XFD1048576 makes seventeen thousand million of them."""


def workbook(path: Path) -> list[list[str]]:
    """The cells of the one filled sheet, line by line, "" where a cell is empty; numbers in full precision.

    Raises InputError for what is no workbook, is too large once unpacked, or has several filled sheets.
    """
    try:
        from openpyxl import load_workbook
    except ModuleNotFoundError as error:
        raise missing_dependency(error) from error
    try:
        content = io.BytesIO(read_bytes(path, MOST_UNPACKED))
        with zipfile.ZipFile(content) as packed:
            size = sum(part.file_size for part in packed.infolist())
        if size > MOST_UNPACKED:
            raise _too_large(path, f"{size:,} bytes")
        book = load_workbook(content, read_only=True, data_only=True)
        try:
            filled = [lines for sheet in book.worksheets if (lines := _lines(sheet, path))]
        finally:
            book.close()
    except InputError:
        raise
    except Exception as error:  # of a spoilt file openpyxl, zipfile, zlib and expat raise whatever they meet
        raise InputError(
            f"{path} cannot be read as a spreadsheet: {error}.", code="unreadable_file"
        ) from error
    if len(filled) != 1:
        raise InputError(
            f"{path} has {len(filled)} filled sheets; a score file has one.", code="unreadable_file"
        )
    width = max(map(len, filled[0]))
    return [[*line, *[""] * (width - len(line))] for line in filled[0]]


def _lines(sheet: Any, path: Path) -> list[list[str]]:
    """The lines that hold something, each up to its last filled cell."""
    from openpyxl.cell.cell import ERROR_CODES

    sheet.reset_dimensions()  # which the file states, true or not
    rows, cells = [], 0
    for count, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells += len(row)
        if count > MOST_ROWS or cells > MOST_CELLS:
            raise _too_large(path, f"more than {MOST_ROWS:,} rows or {MOST_CELLS:,} cells")
        line = ["" if value is None or value in ERROR_CODES else str(value) for value in row]
        while line and not line[-1]:
            line.pop()
        if line:
            rows.append(line)
    return rows


def _too_large(path: Path, amount: str) -> InputError:
    return InputError(f"{path} holds {amount}: samples, not scores.", code="file_too_large")
