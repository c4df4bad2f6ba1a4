"""Convert columns of any type, from a csv, a parquet file or a DataFrame, to float64 or text.

A number is written as `7e9`, `7000000000` or `.5`; an empty cell is one of `EMPTY`. Anything else in a column of
numbers is an error with its row: thousands separators, `1_000`, `0x10`, `61.5%` and `7B` are never read as numbers.
"""

from __future__ import annotations

import math
import numbers as abstract
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scalelaw.errors import InputError, data_row

EMPTY = ("", "-", "–", "—", "n/a", "#n/a", "na", "nan", "-nan", "none", "null", "<na>")
"""Empty cells of a column of numbers, in upper or lower case."""

EMPTY_TEXT = ("", "#N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
"""Empty cells of a column of text; `none` is the name of a compressor."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)
_NUMBER_RE2 = r"^([+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(?i:inf(inity)?))$"
_SUFFIXED = re.compile(r"([+-]?[\d.]+(?:[eE][+-]?\d+)?) ?([kKMBGT])", re.ASCII)
_SUFFIX = {"k": "e3", "K": "e3", "M": "e6", "B": "e9", "G": "e9", "T": "e12"}
_SHOWN = 40
LONGEST_TEXT = 10_000
"""Maximum length of a cell that is neither a number nor text and is stored as text."""


def empty_cells(frame: pd.DataFrame, column: str) -> np.ndarray:
    """[n] bool: rows whose cell of a column holds nothing: missing, blank, or one of `EMPTY_TEXT`. All without it."""
    if column not in frame:
        return np.ones(len(frame), bool)
    cells = frame[column]
    blank = np.array(cells.isna(), dtype=bool)
    if not pd.api.types.is_numeric_dtype(cells):
        blank |= np.array(
            [isinstance(cell, str) and cell.strip() in EMPTY_TEXT for cell in cells], dtype=bool
        )
    return blank


def numbers(column: pd.Series, label: str, name: str) -> pd.Series:
    """A column as float64, with NaN for empty cells and a new index. `name` is that of the table.

    Raises:
        InputError: `bad_value` for a cell or type that is not numeric, with the row.
    """
    kind = column.dtype
    if kind == np.float64:
        return column.reset_index(drop=True)
    if isinstance(kind, pd.CategoricalDtype):
        categories = numbers(pd.Series(kind.categories), label, name).to_numpy()
        codes = column.cat.codes.to_numpy()
        return pd.Series(np.where(codes < 0, np.nan, categories[codes] if len(categories) else np.nan))
    if isinstance(kind, pd.ArrowDtype):
        return _arrow_numbers(column, label, name)
    if isinstance(kind, pd.SparseDtype):
        return numbers(pd.Series(np.asarray(column)), label, name)
    if pd.api.types.is_bool_dtype(kind) or pd.api.types.is_numeric_dtype(kind):
        if pd.api.types.is_complex_dtype(kind):
            raise _wrong_type(label, name, "complex numbers")
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
    if isinstance(kind, pd.StringDtype):
        return _from_text(pa.array(column, pa.string(), from_pandas=True), label, name)
    if kind != np.dtype(object):
        raise _wrong_type(label, name, str(kind))
    values = column.to_numpy()
    inferred = pd.api.types.infer_dtype(values, skipna=False)
    if inferred == "string":
        return _from_text(pa.array([_printable(value) for value in values], pa.string()), label, name)
    return pd.Series(
        [_number(value, row, label, name) for row, value in enumerate(values, 1)], dtype=np.float64
    )


def _arrow_numbers(column: pd.Series, label: str, name: str) -> pd.Series:
    array: Any = pa.array(column)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
        kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(array.cast(pa.string()), label, name)
    if pa.types.is_null(kind):
        return pd.Series(np.full(len(array), np.nan))
    sound = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_boolean)
    if not any(test(kind) for test in sound):
        raise _wrong_type(label, name, str(kind))
    if pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    return pd.Series(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _from_text(texts: pa.Array, label: str, name: str) -> pd.Series:
    trimmed = pc.utf8_trim_whitespace(texts)
    empty = pc.is_in(pc.utf8_lower(trimmed), pa.array(EMPTY))
    kept = pc.if_else(empty, pa.scalar(None, pa.string()), trimmed)
    wrong = pc.invert(pc.match_substring_regex(kept, _NUMBER_RE2))
    at = pc.index(pc.fill_null(wrong, False), True).as_py()
    if at >= 0:
        raise _not_a_number(str(texts[at].as_py()), at + 1, label, name)
    return pd.Series(pc.cast(kept, pa.float64()).to_numpy(zero_copy_only=False))


def _number(value: Any, row: int, label: str, name: str) -> float:
    """A cell of an object column."""
    if value is None or value is pd.NA or value is pd.NaT:
        return math.nan
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    try:
        if isinstance(value, str):
            written = value.strip()
            if written.lower() in EMPTY:
                return math.nan
            if _NUMBER.fullmatch(written):
                return float(written)
        elif isinstance(value, abstract.Real | Decimal | np.bool_):
            return float(value)
    except (OverflowError, ValueError, TypeError, ArithmeticError):
        pass
    raise _not_a_number(value if isinstance(value, str) else shown(value), row, label, name)


def _printable(value: str) -> str:
    """Text without unpaired surrogates, which cannot be printed."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _not_a_number(written: str, row: int, label: str, name: str) -> InputError:
    return InputError(
        f"Column '{label}' of {name} has a value that is not a number: '{_printable(written[:_SHOWN])}' in "
        f"{data_row(row)}.",
        code="bad_value",
        hint=_way_out(written.strip()[: 2 * _SHOWN]),
    )


def _wrong_type(label: str, name: str, kind: str) -> InputError:
    return InputError(
        f"Column '{label}' of {name} has type {kind[:_SHOWN]}, not numbers.",
        code="bad_value",
        hint="Convert it to numbers, or remove the column.",
    )


def _way_out(written: str) -> str:
    """The hint for a text that has an obvious form as a number."""
    if written.endswith("%") and _NUMBER.fullmatch(written[:-1].strip()):
        return f"Write a percentage as a fraction: {float(written[:-1]) / 100:.12g}."
    if (match := _SUFFIXED.fullmatch(written)) and _NUMBER.fullmatch(match[1]):
        number = float(match[1]) * float(f"1{_SUFFIX[match[2]]}")
        return f"Write it in full: {number:g}.".replace("e+0", "e").replace("e+", "e")
    pointed = f"Write a decimal point: {written.replace(',', '.')}."
    # no grouped number begins with 0, so 0,545 has a decimal comma
    if re.fullmatch(r"[+-]?0*,\d+|[+-]?0\d*,\d+", written):
        return pointed
    if re.fullmatch(r"[+-]?\d{1,3}([,_ ']\d{3})+(\.\d+)?", written):
        joined = f"Write it without separators: {re.sub(r'[,_ ]', '', written).replace(chr(39), '')}"
        return (
            f"{joined}, or {written.replace(',', '.')}."
            if re.fullmatch(r"[+-]?\d+,\d+", written)
            else f"{joined}."
        )
    if re.fullmatch(r"[+-]?\d+,\d+", written):
        return pointed
    return "Write a number (7e9, 0.615), or leave the cell empty."


def texts(column: pd.Series, label: str, name: str) -> pd.Series:
    """A column as text, with None for empty cells and a new index.

    Raises:
        InputError: `bad_value` for a list, a mapping or bytes that are not UTF-8.
    """
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        categories = texts(pd.Series(kind.categories, dtype=object), label, name).to_numpy()
        made = np.array([*categories, None], dtype=object)
        return pd.Series(made[column.cat.codes.to_numpy()], dtype=object)
    values = column.astype(object).to_numpy()
    _refuse_nul(values, label, name)
    inferred = pd.api.types.infer_dtype(values, skipna=True)
    # fast path: few of a million cells are distinct
    if inferred in ("string", "empty"):
        codes, different = pd.factorize(values)
        plain = np.array([*map(_printable, different), None], dtype=object)
        return pd.Series(plain[codes], dtype=object)
    known: dict[Any, str | None] = {}
    result: list[str | None] = []
    for row, value in enumerate(values, 1):
        try:
            key = (type(value), value)
            if key not in known:
                known[key] = _text(value)
            result.append(known[key])
        except (TypeError, ValueError, UnicodeDecodeError) as error:
            raise InputError(
                f"Column '{label}' of {name} has a value that is not text: {shown(value)} in {data_row(row)}.",
                code="bad_value",
            ) from error
    return pd.Series(result, dtype=object)


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float | np.floating):
        return f"{value:.15g}"
    if isinstance(value, list | dict | tuple | set | frozenset | np.ndarray):
        raise TypeError
    return str(value)


def shown(value: Any) -> str:
    """A value in the form of a message."""
    try:
        return _printable(repr(value)[:_SHOWN])
    except Exception:  # noqa: BLE001 - a foreign object's own failure
        return f"a {type(value).__name__}"


def _refuse_nul(values: np.ndarray, label: str, name: str) -> None:
    """Raises InputError for text with a NUL character: pandas and numpy end a name there, and two names are one."""
    row = next((row for row, value in enumerate(values, 1) if isinstance(value, str) and "\0" in value), 0)
    if row:
        raise InputError(
            f"Column '{label[:_SHOWN]}' of {name} has a NUL character in {data_row(row)}, which text does not hold.",
            code="bad_value",
            hint="Remove the character: names that differ in it alone are taken for one.",
        )


def own(column: pd.Series, label: str = "", name: str = "") -> pd.Series:
    """A column that is not in the schema: numbers as float64, booleans and text unchanged, other cells as text.

    Raises:
        InputError: `bad_value` for text with a NUL character.
    """
    kind = column.dtype
    column = column.reset_index(drop=True)
    if pd.api.types.is_bool_dtype(kind) and not isinstance(kind, pd.CategoricalDtype) and not column.hasnans:
        return column.astype(bool)
    if kind == np.dtype(object) or pd.api.types.is_numeric_dtype(kind) or isinstance(kind, pd.ArrowDtype):
        values = column.to_numpy() if kind == np.dtype(object) else None
        if values is None or not any(isinstance(v, str | bytes) for v in values):
            try:
                return numbers(column, "", "")
            except InputError:
                pass
    converted = [_own(value) for value in column.astype(object)]
    _refuse_nul(np.array([*converted, None], dtype=object), label, name)
    # an empty column has one type, whatever type it is read from
    empty = all(value is None for value in converted)
    return pd.Series(converted, dtype=np.float64 if empty else object)


def _own(value: Any) -> Any:
    try:
        return _text(value)
    except (TypeError, ValueError):
        try:
            return _printable(str(value)[:LONGEST_TEXT])
        except Exception:  # noqa: BLE001 - a foreign object's own failure
            return f"a {type(value).__name__}"


_RENAMED = re.compile(r"(.*[^\d.])\.1")
"""A second column of one name, as pandas renames it; a name that ends in a digit may be a version, qwen2.1."""


def names(columns: pd.Index | list[Any], name: str) -> list[str]:
    """The names of a table's columns as text, trimmed; the levels of several are joined by `_`.

    Raises:
        InputError: `duplicate_column` where two are the same, or one is the other as pandas renames it (error.1);
            `bad_value` for a NUL character.
    """
    result = []
    for column in columns:
        parts = column if isinstance(column, tuple) else (column,)
        text = "_".join(part for part in (_own(p) or "" for p in parts) if part)
        if "\0" in text:
            raise InputError(
                f"{name} has a column name with a NUL character, which text does not hold.",
                code="bad_value",
                hint="Rename the column.",
            )
        result.append(text.strip("\ufeff").strip())
    counts: dict[str, int] = {}
    for text in result:
        counts[text] = counts.get(text, 0) + 1
    if twice := [text for text, count in counts.items() if count > 1 and text]:
        raise InputError(
            f"{name} has {counts[twice[0]]} columns named '{twice[0][:200]}'.",
            code="duplicate_column",
            hint="Rename or remove all but one.",
        )
    renamed = [text for text in result if (match := _RENAMED.fullmatch(text)) and match[1] in counts]
    if renamed:
        original = renamed[0].removesuffix(".1")
        raise InputError(
            f"{name} has the columns '{original[:200]}' and '{renamed[0][:200]}', which pandas writes for two columns "
            f"named '{original[:200]}'.",
            code="duplicate_column",
            hint="Remove one, or rename it to what it holds.",
        )
    return result
