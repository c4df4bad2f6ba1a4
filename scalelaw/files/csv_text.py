"""Comma-separated text as lines of fields, and what every reader of a csv refuses.

A quotation mark at the start of a cell that nobody meant as a quote joins all rows up to the next mark into one cell,
and the rest still has as many fields as the header. `swallowed` finds such cells.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from scalelaw.errors import InputError, data_row

QUOTE_HINT = "Remove the stray quotation mark, or the line breaks inside the quoted cell."
OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*%?\s*", re.ASCII)
_BREAK = re.compile(r"\r\n|\r|\n")


def swallowed(cell: str, columns: int, separator: str = ",") -> int:
    """How many rows a quoted cell has swallowed: it holds as many separators and numbers as they have. 0 for none."""
    if columns < 2 or not _BREAK.search(cell):
        return 0
    first, *inner = _BREAK.split(cell)
    inner = [line for line in inner if line.strip()]
    fields = [field for line in (first, *inner) for field in line.split(separator)]
    separators = len(fields) - 1 - len(inner)
    numbers = sum(bool(_NUMBER.fullmatch(field)) for field in fields)
    return len(inner) if inner and separators >= len(inner) * (columns - 1) and numbers >= len(inner) else 0


def separator_of(header: str) -> str:
    """In words, what separates the columns of a header line without commas; "" where nothing does."""
    return next((words for mark, words in OTHER_SEPARATORS.items() if mark in header), "")


def read_lines(
    text: str, name: str, separator: str = ",", *, code: str = "unreadable_table", spaced: bool = False
) -> list[list[str]]:
    """The lines of a csv as fields, the header first; lines without any field are left out.

    Args:
        text: the csv.
        name: of the file, for errors.
        separator: between fields.
        code: of the error.
        spaced: spaces after a separator do not belong to the cell.

    Raises:
        InputError: with `code`, for text that is no csv, and for a quoted cell that has swallowed rows.
    """
    stream = io.StringIO(text.removeprefix("\ufeff"), newline="")
    try:
        lines = [line for line in csv.reader(stream, delimiter=separator, skipinitialspace=spaced) if line]
    except csv.Error as error:
        raise InputError(f"{name} cannot be read as csv: {error}.", code=code) from error
    if '"' in text:
        check_quotes(lines, name, separator, code)
    return lines


def check_quotes(lines: Sequence[Iterable[str]], name: str, separator: str, code: str) -> None:
    """Raises InputError for a quoted cell that has swallowed rows; the first line is the header."""
    columns = len(list(lines[0])) if lines else 0
    for at, line in enumerate(lines):
        if rows := max((swallowed(cell, columns, separator) for cell in line), default=0):
            where = data_row(at) if at else "the header"
            raise InputError(f"{name}: {stray_quote(where, rows)}.", code=code, hint=QUOTE_HINT)


def stray_quote(where: str, rows: int) -> str:
    """The sentence for a quoted cell that has swallowed rows, without its end."""
    return (
        f"a quoted cell of {where} contains {rows} line break{'s' * (rows > 1)} and what look like whole rows"
    )


def check_names(names: Iterable[str], name: str) -> None:
    """Raises InputError `duplicate_column` for a column that is named twice."""
    listed = [column for column in names if column]
    if twice := sorted({column for column in listed if listed.count(column) > 1}):
        raise InputError(f"{name} names a column twice: {', '.join(twice)}.", code="duplicate_column")


def read_records(
    text: str, name: str, *, code: str = "unreadable_table", lower: bool = False
) -> tuple[list[str], list[dict[str, str]]]:
    """The column names of a csv and its rows as mappings of text; a row may lack its last cells, which are empty.

    Args:
        text, name, code: as of `read_lines`.
        lower: column names are read in lower case.

    Raises:
        InputError: as `read_lines`, `duplicate_column`, and for a row with more fields than the header.
    """
    lines = read_lines(text, name, code=code, spaced=True)
    if not lines:
        return [], []
    names = [column.strip().lower() if lower else column.strip() for column in lines[0]]
    if len(names) == 1 and (mark := separator_of(names[0])):
        raise InputError(
            f"{name} cannot be read as csv: its columns are separated by {mark}.",
            code=code,
            hint="Save it with commas.",
        )
    check_names(names, name)
    rows = []
    for at, line in enumerate(lines[1:], start=1):
        cells = [cell.strip() for cell in line]
        if any(cells[len(names) :]):
            raise InputError(
                f"{name} cannot be read as csv: {data_row(at)} has {len(cells)} fields, and the header {len(names)}.",
                code=code,
                hint="Write quotation marks around a cell with a comma.",
            )
        cells += [""] * (len(names) - len(cells))
        rows.append({column: cell for column, cell in zip(names, cells, strict=False) if column})
    return names, rows
