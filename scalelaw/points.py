"""The points that a law is fitted to: the chosen rows of a table as numbers, and what is doubtful in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from scalelaw.columns import OK
from scalelaw.errors import InputError, data_row, unknown
from scalelaw.table import Where, numbers, terms

_MOST = 1e30  # of an input, in raw units: all that was ever trained or counted lies far below


@dataclass(frozen=True)
class Points:
    """What a law is fitted to: n points.

    inputs: name of the law's input -> values [n], in the column's own unit (n_params in parameters).
    target: values [n]. target_se: standard errors [n], NaN where unknown.
    rows: the n rows of the table, for groups, clusters and labels.
    dropped: what was left out, and why, a sentence each. warnings: (code, message) pairs.
    columns: input -> column; where: column -> value, what was chosen.
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
) -> Points:
    """Reduce a table to the points that a law sees.

    inputs: the law's inputs, each read from the column of its name or from the one it is mapped to.
    where: `column=value` terms, all of which must hold.
    Rows whose status is not `ok` are left out and said to be; nothing else is dropped.
    Raises InputError for a missing column, an absent, infinite or negative number, an empty selection.
    """
    mapping = dict(inputs) if isinstance(inputs, Mapping) else {name: name for name in inputs}
    chosen, dropped = _select(table, where)
    held = {name: _column(chosen, column) for name, column in mapping.items()}
    for name, values in held.items():
        if (bad := (values <= 0) | (values > _MOST)).any():
            wanted = "must be positive" if values[bad][0] <= 0 else f"must not exceed {_MOST:g}"
            row = _first(bad, chosen)
            raise InputError(f"Input '{name}' {wanted}; {row} holds {values[bad][0]:g}.", code="bad_value")
    values = _column(chosen, target)
    if (bad := values < 0).any():
        raise InputError(
            f"Column '{target}' must not be negative; {_first(bad, chosen)} holds {values[bad][0]:g}.",
            code="bad_value",
            hint="An error is 1 - score / maximum: is this a score of another kind?",
        )
    se_name = f"{target}_se"
    se = chosen[se_name].to_numpy(np.float64) if se_name in chosen else np.full(len(chosen), np.nan)
    doubts = tuple(_doubts(chosen, held, values, target, where))
    return Points(
        held, values, se, chosen, target, tuple(dropped), doubts, mapping,
        {column: str(value) for column, value in terms(where)},
    )  # fmt: skip


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
        match = held.astype(str) == str(value)
        if pd.api.types.is_numeric_dtype(held):
            try:
                match = held == float(value)
            except (TypeError, ValueError) as error:
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
    if (bad := ~np.isfinite(values)).any():
        raise InputError(
            f"Column '{name}' holds {values[bad][0]} in {_first(bad, frame)}; {bad.sum()} such row(s).",
            code="not_finite",
            hint="Take the row out of the table, or choose others with --where.",
        )
    return values


def _first(bad: np.ndarray, frame: pd.DataFrame) -> str:
    """The first bad row, as counted in the table given."""
    return data_row(int(frame.index[int(np.flatnonzero(bad)[0])]) + 1)


def _doubts(
    frame: pd.DataFrame, inputs: Mapping[str, np.ndarray], values: np.ndarray, target: str, where: Any
) -> Iterable[tuple[str, str]]:
    if "n_params" in inputs and inputs["n_params"].max() < 1e4:
        yield (
            "n_params_looks_like_billions",
            f"n_params is at most {inputs['n_params'].max():g}: the unit is parameters, not billions.",
        )
    if target == "error" and values.max() > 10:
        yield (
            "error_looks_like_percent",
            f"The error is at most {values.max():g}: an error is a fraction (.615), not percent; costs do not mind, "
            "but what is predicted is in percent as well.",
        )
    kept = ("model", "compressor", "task_family", "benchmark", "metric", "seed", "judge", "rate_factor")
    told = [column for column in kept if column in frame]
    if repeated := int(frame[told].assign(**inputs, **{"": values}).duplicated().sum()):
        yield (
            "repeated_rows",
            f"{repeated} row(s) repeat another exactly, seed and error included: each counts as a measurement, and "
            "the intervals are too narrow if they are copies.",
        )
    named = {column for column, _ in terms(where)}
    for column in ("task_family", "compressor", "benchmark"):
        if column in frame and column not in named and frame[column].nunique() > 1:
            kinds = ", ".join(map(str, frame[column].dropna().unique()[:6]))
            yield (
                f"mixed_{column}",
                f"The points mix several values of {column} ({kinds}); "
                f"choose one with --where '{column}=...'.",
            )
