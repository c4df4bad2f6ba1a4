"""The points that a law is fitted to: the chosen rows of a table as numbers, with warnings about them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from scalelaw.errors import InputError, data_row, unknown
from scalelaw.table.cells import numbers
from scalelaw.table.checks import check_direction, check_units, pooled, target_kind
from scalelaw.table.read import Where, terms
from scalelaw.table.schema import OK

_MOST = 1e30  # of an input, in raw units: all that was ever trained or counted lies far below


@dataclass(frozen=True)
class Points:
    """What a law is fitted to: n points.

    inputs: name of the law's input -> values [n], in the column's own unit (n_params in parameters).
    target: values [n]. target_se: standard errors [n], NaN where unknown.
    rows: the n rows of the table, for groups, clusters and labels.
    dropped: what was left out, and why, a sentence each. warnings: (code, message) pairs.
    columns: input -> column; where: column -> value, what was chosen.
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
        """The name of the table they were read from: a bundled one's or a file's; empty for a DataFrame."""
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
) -> Points:
    """Reduce a table to the points that a law sees.

    Args:
        inputs: the law's inputs, each read from the column of its name or from the one it is mapped to.
        where: `column=value` terms, all of which must hold, of the values in the table.
        score: {column: maximum}; the target is then 1 - column / maximum.
        scale: {column: factor}; each column, and its standard error, is multiplied.
        as_is: a target that looks like a score, and values in a unit that looks wrong, are accepted.
        own_law: the law is a formula or a file of the user's.

    Rows whose status is not `ok`, and rows with an empty input or target, are left out and counted in `dropped`.

    Raises:
        InputError: for a missing column, an infinite or negative number, an empty selection; `looks_like_score`,
            `unit_mismatch`.
    """
    mapping = dict(inputs) if isinstance(inputs, Mapping) else {name: name for name in inputs}
    chosen, dropped = _select(table, where)
    chosen, target = rescaled(chosen, target, score, scale)
    read = {name: _column(chosen, column) for name, column in {**mapping, _TARGET: target}.items()}
    chosen, read, empty = _without_empty(chosen, read, {**mapping, _TARGET: target})
    values = read.pop(_TARGET)
    for name, numbers_ in read.items():
        if (bad := (numbers_ <= 0) | (numbers_ > _MOST)).any():
            wanted = "must be positive" if numbers_[bad][0] <= 0 else f"must not exceed {_MOST:g}"
            row = _first(bad, chosen)
            raise InputError(f"Input '{name}' {wanted}; {row} holds {numbers_[bad][0]:g}.", code="bad_value")
    if (bad := values < 0).any():
        raise InputError(
            f"Column '{target}' must not be negative; {_first(bad, chosen)} holds {values[bad][0]:g}.",
            code="bad_value",
            hint="An error is 1 - score / maximum: is this a score of another kind?",
        )
    se_name = f"{target}_se"
    se = (
        numbers(chosen[se_name], se_name, "the table").to_numpy()
        if se_name in chosen
        else np.full(len(chosen), np.nan)
    )
    warnings = [("empty_cells", f"{words} left out.") for words in empty]
    if not as_is:
        warnings += check_units(chosen, read, mapping)
        warnings += check_direction(chosen, read, values, target, mapping, own_law)
    warnings += _warnings(chosen, read, values, target, mapping, where)
    return Points(
        read, values, se, chosen, target, (*dropped, *empty), tuple(warnings), mapping,
        {column: str(value) for column, value in terms(where)}, target_kind(chosen, target),
    )  # fmt: skip


_TARGET = ""
"""The target among the law's inputs, none of which has this name."""


def rescaled(
    frame: pd.DataFrame, target: str, score: Mapping[str, float] | None, scale: Mapping[str, float] | None
) -> tuple[pd.DataFrame, str]:
    """A table with columns multiplied by factors, and with `error` computed from a score; and the target's name.

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
    held = values.to_numpy(float)
    if (bad := (held > maximum * (1 + 1e-9)) | (held < 0)).any():
        raise InputError(
            f"A score lies between 0 and its maximum {maximum:g}; '{column}' holds {held[bad][0]:g} in "
            f"{_first(bad, frame)}.",
            code="bad_value",
            hint=f"State the maximum of the scale: --score {column}=MAX.",
        )
    se_name = f"{column}_se"
    known = se_name in frame and frame[se_name].notna().any()
    se = _number_column(frame, se_name) / maximum if known else np.nan
    frame = frame.assign(error=np.maximum(0.0, 1 - values / maximum), error_se=se)
    return (frame.assign(direction=None) if "direction" in frame else frame), "error"


def _number_column(frame: pd.DataFrame, name: str) -> pd.Series:
    _column(frame, name)  # raises where it is missing
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
    chosen: pd.DataFrame, read: Mapping[str, np.ndarray], columns: Mapping[str, str]
) -> tuple[pd.DataFrame, dict[str, np.ndarray], list[str]]:
    """The rows whose inputs and target are there, and what was left out, a phrase for each column."""
    gone, words = np.zeros(len(chosen), bool), []
    for name, values in read.items():
        empty = np.isnan(values) & ~gone
        gone |= empty
        if count := int(empty.sum()):
            words.append(f"{count} row(s) with an empty '{columns[name]}'")
    if gone.all():
        raise InputError("No row is left to fit.", code="empty_selection", hint="; ".join(words))
    if not words:
        return chosen, dict(read), []
    return chosen[~gone], {name: values[~gone] for name, values in read.items()}, words


def _select(table: pd.DataFrame, where: Where) -> tuple[pd.DataFrame, list[str]]:
    chosen, dropped = choose(table, where), []
    if "status" in chosen:
        bad = chosen["status"].notna() & (chosen["status"] != OK)
        for status, count in chosen.loc[bad, "status"].value_counts().items():
            dropped.append(f"{count} row(s) with status '{status}'")
        chosen = chosen[~bad]
    if chosen.empty:
        raise InputError("No row is left to fit.", code="empty_selection", hint="; ".join(dropped))
    return chosen, dropped


def choose(table: pd.DataFrame, where: Where) -> pd.DataFrame:
    """The rows of a table of which every term holds. Raises InputError for an unknown column, a term that none can
    hold, and where no row is left."""
    chosen = table
    for column, value in terms(where):
        if column not in chosen:
            raise unknown("column", column, map(str, chosen.columns))
        held = chosen[column]
        match = held.astype(str) == str(value).encode("utf-8", "replace").decode()
        if pd.api.types.is_numeric_dtype(held):
            try:
                match = held == float(value)
            except (TypeError, ValueError, OverflowError) as error:
                raise InputError(
                    f"Column '{column}' holds numbers; '{value}' is not one.", code="bad_where"
                ) from error
        if not match.any():
            raise InputError(
                f"No row has {column}={value}.",
                code="empty_selection",
                hint="There are: " + ", ".join(map(_told, held.dropna().unique()[:20])),
            )
        chosen = chosen[match]
    return chosen


def _told(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _column(frame: pd.DataFrame, name: str) -> np.ndarray:
    if name not in frame or frame[name].isna().all():
        there = [str(c) for c in frame.columns if frame[c].notna().any()]
        error = unknown("column", name, there, code="missing_column")
        raise InputError(
            f"The table has no column '{name}'.{error.message.partition('.')[2]}",
            code="missing_column",
            hint=error.hint,
        )
    values = numbers(frame[name], name, "the table").to_numpy()
    if (bad := np.isinf(values)).any():
        raise InputError(
            f"Column '{name}' holds {values[bad][0]} in {_first(bad, frame)}; {bad.sum()} such row(s).",
            code="not_finite",
            hint="Take the row out of the table, or choose others with --where.",
        )
    return values


def _first(bad: np.ndarray, frame: pd.DataFrame) -> str:
    """The first bad row, as counted in the table given."""
    return data_row(int(frame.index[int(np.flatnonzero(bad)[0])]) + 1)


def _warnings(
    frame: pd.DataFrame,
    inputs: Mapping[str, np.ndarray],
    values: np.ndarray,
    target: str,
    columns: Mapping[str, str],
    where: Any,
) -> Iterable[tuple[str, str]]:
    if target_kind(frame, target) == "error" and values.max() > 10:
        yield (
            "error_looks_like_percent",
            f"The error is at most {values.max():g}: an error is a fraction (.615), not percent. What is predicted is "
            f"then in percent as well; --scale {target}=0.01 makes it a fraction.",
        )
    kept = ("model", "compressor", "task_family", "benchmark", "metric", "seed", "judge", "rate_factor")
    known = {column: pd.factorize(frame[column])[0] for column in kept if column in frame}
    if repeated := int(pd.DataFrame({**known, **inputs, "": values}).duplicated().sum()):
        yield (
            "repeated_rows",
            f"{repeated} row(s) repeat another exactly, seed and error included: each counts as a measurement, and "
            "the intervals are too narrow if they are copies.",
        )
    yield from pooled(frame, {*columns, *columns.values()}, {column for column, _ in terms(where)})
