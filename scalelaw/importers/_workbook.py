"""Spreadsheets (.xlsx) as lines of text, as a csv of them would hold."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd

from scalelaw.errors import InputError
from scalelaw.importers._files import MAX_BYTES


def workbook(path: Path) -> list[list[str]]:
    """The cells of the one filled sheet, line by line, "" where a cell is empty; numbers in full precision.

    Raises InputError for what is no workbook, is too large once unpacked, or has several filled sheets.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(part.file_size for part in packed.infolist())
        if size > MAX_BYTES:
            raise InputError(f"{path} holds {size:,} bytes: samples, not scores.", code="file_too_large")
        sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=object, engine="openpyxl")
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, SyntaxError) as error:
        raise InputError(
            f"{path} cannot be read as a spreadsheet: {error}.", code="unreadable_file"
        ) from error
    filled = [sheet.dropna(how="all") for sheet in sheets.values() if sheet.notna().any(axis=None)]
    if len(filled) != 1:
        raise InputError(
            f"{path} has {len(filled)} filled sheets; a score file has one.", code="unreadable_file"
        )
    return [["" if pd.isna(cell) else str(cell) for cell in line] for line in filled[0].to_numpy().tolist()]
