"""The points that a law is fitted to: the selected rows of a table as numbers, with warnings about them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from scalelaw.errors import InputError, data_row, unknown
from scalelaw.table.cells import numbers
from scalelaw.table.checks import ERROR, SIZE, check_shares, check_target, missing_target, target_kind
from scalelaw.table.conflicts import check_cells, check_scores, repeated_rows
from scalelaw.table.mixed_scores import check_mixture
from scalelaw.table.pooling import pooled
from scalelaw.table.read import Where, terms
from scalelaw.table.schema import OK
from scalelaw.table.unit_checks import check_units

_MOST = 1e30
"""Largest value of an input, in raw units."""


@dataclass(frozen=True)
class Points:
    """The n points that a law is fitted to.

    inputs: name of the law's input -> values [n], in the column's own unit (n_params in parameters).
    target: values [n]. target_se: standard errors [n], NaN where unknown.
    rows: the n rows of the table, for groups, clusters and labels.
    dropped: rows that were left out, with the reason. warnings: (code, message) pairs.
    columns: input -> column; where: column -> value, the selected rows.
    target_kind: `error` (a share of 1), `loss` (in its own unit) or `other`.
    """

    inputs: dict[str, np.ndarray]
    target: np.ndarray
    target_se: np.ndarray
    rows: pd.DataFrame
    target_name: str = "error"
    dropped: tuple[str, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    target_kind: str = "error"

    @property
    def table(self) -> str:
        """The name of the table: of a bundled table or a file; empty for a DataFrame."""
        return str(self.rows.attrs.get("table", ""))

    def __len__(self) -> int:
        return len(self.target)

    @property
    def data_hash(self) -> str:
        """SHA-256 (16 hex digits) of the inputs and the target, in order."""
        digest = hashlib.sha256()
        for name, values in sorted(self.inputs.items()):
            digest.update(name.encode() + np.ascontiguousarray(values, dtype="<f8").tobytes())
        digest.update(np.ascontiguousarray(self.target, dtype="<f8").tobytes())
        return digest.hexdigest()[:16]


def points(
    table: pd.DataFrame,
    inputs: Mapping[str, str] | Sequence[str],
    target: str = "error",
    where: Where = None,
    *,
    score: Mapping[str, float] | None = None,
    scale: Mapping[str, float] | None = None,
    as_is: bool = False,
    own_law: bool = False,
    falls: Collection[str] = (),
) -> Points:
    """Reduce a table to the points that a law sees.

    Args:
        inputs: the law's inputs, each read from the column of its name or from the one it is mapped to.
        where: `column=value` terms, all of which must hold, of the values in the table.
        score: {column: maximum}; the target is then 1 - column / maximum.
        scale: {column: factor}; each column, and its standard error, is multiplied. An input stands for its column.
        as_is: a target that looks like a score, values in a unit that looks wrong, and rows that contradict each
            other are accepted.
        own_law: the law is a formula or a file of the user's.
        falls: the inputs with which a law of the user's falls, whatever its parameters.

    Rows whose status is not `ok`, and rows with an empty input or target, are left out and counted in `dropped`.

    Raises:
        InputError: for a missing column, an infinite or negative number, an empty selection; `looks_like_score`,
            `error_looks_like_percent`, `unit_mismatch`, `conflicting_scores`.
    """
    mapping = dict(inputs) if isinstance(inputs, Mapping) else {name: name for name in inputs}
    explained = next(iter(score or ()), target)
    if explained in mapping.values():
        raise InputError(
            f"Column '{explained}' is both the target and an input of the law.",
            code="target_in_formula",
            hint="Set --target to the column of the error, or map the input to another column.",
        )
    selected, dropped = _select(table, where)
    selected, target = rescaled(selected, target, score, _columns_of(scale, mapping, selected), as_is)
    missing_target(selected, target, set(mapping.values()))
    read = {name: _column(selected, column) for name, column in {**mapping, _TARGET: target}.items()}
    selected, read, empty = _without_empty(selected, read, {**mapping, _TARGET: target})
    values = read.pop(_TARGET)
    for name, numbers_ in read.items():
        if (bad := (numbers_ <= 0) | (numbers_ > _MOST)).any():
            wanted = "must be positive" if numbers_[bad][0] <= 0 else f"must not exceed {_MOST:g}"
            row = _first(bad, selected)
            raise InputError(f"Input '{name}' {wanted}; {row} has {numbers_[bad][0]:g}.", code="bad_value")
    if (bad := values < 0).any():
        raise InputError(
            f"Column '{target}' must not be negative; {_first(bad, selected)} has {values[bad][0]:g}.",
            code="bad_value",
            hint="An error is 1 - score / maximum. Use --score COLUMN=MAX for a score.",
        )
    se_name = f"{target}_se"
    se = (
        numbers(selected[se_name], se_name, "the table").to_numpy()
        if se_name in selected
        else np.full(len(selected), np.nan)
    )
    warnings = [("empty_cells", f"{words} left out.") for words in empty]
    if not as_is:
        warnings += check_units(selected, read, mapping)
        sizes = list(read) if not own_law else list(falls) or [n for n in read if _is_size(n, mapping[n])]
        warnings += check_target(
            selected,
            read,
            values,
            next(iter(score or ()), target),
            sizes,
            not own_law or bool(falls),
            bool(score),
        )
        for column, maximum in (score or {}).items():
            warnings += check_shares(selected, _column(selected, column), column, float(maximum))
        if target_kind(selected, target) == "error" or ERROR.search(target):
            warnings += check_mixture(selected, read, values, target)
        warnings += check_cells(selected, read, values, target)
        if not score:
            warnings += check_scores(selected, values, target)
    elif target_kind(selected, target) == "error" and values.max() > 10:
        warnings.append(
            ("error_looks_like_percent", f"The error reaches {values.max():g} and is fitted as it is.")
        )
    warnings += repeated_rows(selected, read, values)
    named = {column for column, _ in terms(where)}
    warnings += pooled(selected, {*mapping, *mapping.values()}, named, read)
    return Points(
        read, values, se, selected, target, (*dropped, *empty), tuple(warnings), mapping,
        {column: str(value) for column, value in terms(where)}, target_kind(selected, target),
    )  # fmt: skip


_TARGET = ""
"""Key of the target among the law's inputs, none of which has this name."""


def rescaled(
    frame: pd.DataFrame,
    target: str,
    score: Mapping[str, float] | None,
    scale: Mapping[str, float] | None,
    as_is: bool = False,
) -> tuple[pd.DataFrame, str]:
    """A table with columns multiplied by factors, and with `error` computed from a score; and the target's name.

    as_is: scores that look like shares of another maximum are accepted.

    Raises:
        InputError: for an unknown column, one of texts, a factor or maximum that is not positive, a score above its
            maximum or below 0, and for both a score and a target.
    """
    for column, factor in (scale or {}).items():
        factor = _positive(factor, "--scale", column)
        se_name = f"{column}_se"
        for name in [column, *([se_name] if se_name in frame and frame[se_name].notna().any() else [])]:
            frame = frame.assign(**{name: _number_column(frame, name) * factor})
    if not score:
        return frame, target
    if target != "error" or len(score) != 1:
        raise InputError(
            "A fit has one target: either --target COLUMN or one --score COLUMN=MAX.", code="usage"
        )
    ((column, maximum),) = score.items()
    maximum = _positive(maximum, "--score", column)
    values = _number_column(frame, column)
    scores = values.to_numpy(float)
    if (bad := (scores > maximum * (1 + 1e-9)) | (scores < 0)).any():
        raise InputError(
            f"A score must lie between 0 and its maximum {maximum:g}; '{column}' has {scores[bad][0]:g} in "
            f"{_first(bad, frame)}.",
            code="bad_value",
            hint=f"Set the maximum of the scale: --score {column}=MAX.",
        )
    finite = scores[np.isfinite(scores)]
    if not as_is and maximum >= 10 and len(finite) and finite.max() <= 1:
        raise InputError(
            f"Column '{column}' is at most {finite.max():g} and looks like a share of 1, not of {maximum:g}.",
            code="looks_like_fraction",
            hint=f"Use --target {column} for an error rate."
            if ERROR.search(column)
            else f"Use --score {column}=1, or --scale {column}={maximum:g} --score {column}={maximum:g}.",
        )
    se_name = f"{column}_se"
    known = se_name in frame and frame[se_name].notna().any()
    se = _number_column(frame, se_name) / maximum if known else np.nan
    frame = frame.assign(error=np.maximum(0.0, 1 - values / maximum), error_se=se)
    return (frame.assign(direction=None) if "direction" in frame else frame), "error"


def as_read(
    table: pd.DataFrame,
    where: Where = None,
    *,
    inputs: Mapping[str, str | float] | None = None,
    target: str = "error",
    score: Mapping[str, float] | None = None,
    scale: Mapping[str, float] | None = None,
    as_is: bool = False,
) -> pd.DataFrame:
    """The selected rows as a fit with the same options reads them: inputs and error in the columns of the schema.

    Args: as of `points`; an input may also be a number, the same for all rows, or empty, which changes nothing.

    Raises:
        InputError: for a missing column, an empty selection, and as `rescaled`.
    """
    columns = {name: column for name, column in (inputs or {}).items() if isinstance(column, str) and column}
    frame = choose(table, where)
    frame, explained = rescaled(frame, target, score, _columns_of(scale, columns, frame), as_is)
    for name, column in (inputs or {}).items():
        if isinstance(column, str) and column:
            frame = frame.assign(**{name: _number_column(frame, column)})
        elif not isinstance(column, str):
            frame = frame.assign(**{name: float(column)})
    if explained != "error":
        se_name = f"{explained}_se"
        se = _number_column(frame, se_name) if se_name in frame else np.nan
        frame = frame.assign(error=_number_column(frame, explained), error_se=se)
    return frame


def _columns_of(
    scale: Mapping[str, float] | None, columns: Mapping[str, str], frame: pd.DataFrame
) -> dict[str, float]:
    """The factors by column; an input of another column stands for that column."""
    factors: dict[str, float] = {}
    for name, factor in (scale or {}).items():
        column = columns.get(name, name)
        if column != name and name in frame and frame[name].notna().any():
            raise InputError(
                f"--scale {name} is ambiguous: input '{name}' is column '{column}', and '{name}' is also a column.",
                code="usage",
                hint=f"To scale the input: --scale {column}={factor:g}.",
            )
        if column in factors:
            raise InputError(f"--scale sets '{column}' twice.", code="usage")
        factors[column] = factor
    return factors


def _number_column(frame: pd.DataFrame, name: str) -> pd.Series:
    # raises where the column is missing
    _column(frame, name)
    values = numbers(frame[name], name, "the table")
    values.index = frame.index
    return values


def _positive(value: Any, option: str, column: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not (0 < number < np.inf):
        raise InputError(
            f"{option} {column} needs a positive number, not {str(value)[:40]}.", code="bad_value"
        )
    return number


def _without_empty(
    frame: pd.DataFrame, read: Mapping[str, np.ndarray], columns: Mapping[str, str]
) -> tuple[pd.DataFrame, dict[str, np.ndarray], list[str]]:
    """The rows with inputs and target, and a phrase for each column with empty cells."""
    gone, words = np.zeros(len(frame), bool), []
    for name, values in read.items():
        empty = np.isnan(values) & ~gone
        gone |= empty
        if count := int(empty.sum()):
            words.append(f"{count} row(s) with an empty '{columns[name]}'")
    if gone.all():
        raise InputError("No row is left to fit.", code="empty_selection", hint="; ".join(words))
    if not words:
        return frame, dict(read), []
    return frame[~gone], {name: values[~gone] for name, values in read.items()}, words


def _select(table: pd.DataFrame, where: Where) -> tuple[pd.DataFrame, list[str]]:
    selected, dropped = choose(table, where), []
    if "status" in selected:
        bad = selected["status"].notna() & (selected["status"] != OK)
        for status, count in selected.loc[bad, "status"].value_counts().items():
            dropped.append(f"{count} row(s) with status '{status}'")
        selected = selected[~bad]
    if selected.empty:
        raise InputError("No row is left to fit.", code="empty_selection", hint="; ".join(dropped))
    return selected, dropped


def choose(table: pd.DataFrame, where: Where) -> pd.DataFrame:
    """The rows of a table that satisfy every term of `where`.

    Raises InputError for an unknown column, a value of the wrong type, and an empty selection.
    """
    selected = table
    for column, value in terms(where):
        if column not in selected:
            raise no_column(selected, column, map(str, selected.columns), "unknown_column")
        cells = selected[column]
        if _is_truth(value) and cells.dropna().map(_is_truth).all():
            value, cells = (
                str(value).strip().lower(),
                cells.astype("object").astype(str).str.strip().str.lower(),
            )
        elif _is_truth(value) and cells.dropna().isin((0, 1)).all():
            value = float(str(value).strip().lower() == "true")
        match = cells.astype(str) == str(value).encode("utf-8", "backslashreplace").decode()
        if pd.api.types.is_numeric_dtype(cells):
            try:
                match = cells == float(value)
            except (TypeError, ValueError, OverflowError) as error:
                raise InputError(
                    f"Column '{column}' has numbers, and '{value}' is not a number.", code="bad_where"
                ) from error
        if not match.any():
            raise InputError(
                f"No row has {column}={value}.",
                code="empty_selection",
                hint="Values: " + ", ".join(map(_format, cells.dropna().unique()[:20])),
            )
        selected = selected[match]
    return selected


def _is_truth(value: Any) -> bool:
    """Whether a value is true or false, or one of these words in any case."""
    return str(value).strip().lower() in ("true", "false")


def _format(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def no_column(
    frame: pd.DataFrame, name: str, there: Iterable[str], code: str = "missing_column"
) -> InputError:
    """The error for a column that is not one of `there`, or that the table has with nested values."""
    nested: Mapping[str, str] = frame.attrs.get("nested", {})
    if column := next((c for c in (name, name.partition(".")[0]) if c in nested), ""):
        return InputError(
            f"Column '{column}' of the table has cells of the type {nested[column]}, not numbers or text.",
            code="nested_column",
            hint="Write each of its values to a column of its own.",
        )
    error = unknown("column", name, there, code=code)
    guess = error.message.removeprefix(f"Unknown column '{name}'.")
    return InputError(f"The table has no column '{name}'.{guess}", code=code, hint=error.hint)


def _column(frame: pd.DataFrame, name: str) -> np.ndarray:
    if name not in frame or frame[name].isna().all():
        raise no_column(frame, name, [str(c) for c in frame.columns if frame[c].notna().any()])
    values = numbers(frame[name], name, "the table").to_numpy()
    if (bad := np.isinf(values)).any():
        raise InputError(
            f"Column '{name}' has {values[bad][0]} in {_first(bad, frame)}, one of {bad.sum()} such row(s).",
            code="not_finite",
            hint="Remove the row from the table, or select other rows with --where.",
        )
    return values


def _first(bad: np.ndarray, frame: pd.DataFrame) -> str:
    """The first bad row, as counted in the user's table."""
    return data_row(int(frame.index[int(np.flatnonzero(bad)[0])]) + 1)


def _is_size(name: str, column: str) -> bool:
    """Whether an input of a user's law is a size by its name or its column's."""
    return bool(SIZE.search(name) or SIZE.search(column))
