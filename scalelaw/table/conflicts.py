"""Rows of one cell: exact copies, scores that contradict each other, and a score that contradicts its error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from scalelaw.errors import InputError, Note, data_row
from scalelaw.table.checks import ERROR, FEW, LOSS, SCORE
from scalelaw.table.schema import COLUMNS, UNREPEATABLE

MEASURED = {
    *UNREPEATABLE, "value", "error", "error_se", "error_se_kind", "chance_error", "missing_records", "skipped_examples",
    "status",
}  # fmt: skip
"""Columns of the schema that do not identify a cell."""
_MEASURED = re.compile(
    r"(^|_)(se|std|sd|std_?err|ci|latency|throughput|time|ttft\w*|ms|ms_per_\w+)$|seconds|_ms$|memory|energy",
    re.I,
)
"""Names of measured columns outside the schema."""
_ROW_NUMBER = re.compile(r"#|(^|_)(id|idx|index|row|no|nr|number|line)$|^unnamed", re.I)
"""Names of columns that number the rows."""
DISTINCT = 0.7
"""Share of distinct values from which a column of fractions is measured, not set."""
PER_EXAMPLE = 20
"""Rows of one cell from which each is one example of a benchmark."""
TOLERANCE = 0.005
"""Relative difference, and difference of errors, within which a score agrees with its error; published scores are
rounded."""
SCALES = (1.0, 100.0)
"""Maxima of a score that need no second row."""


def check_cells(
    rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], values: np.ndarray, target: str
) -> Iterator[Note]:
    """Warn of repeats that no column tells apart, where most cells are repeated.

    Raises:
        InputError: `conflicting_scores` for rows that agree in all columns that identify a cell and differ in the
            target, where most cells have one row or the column `cell` says that they are one.
    """
    key = pd.DataFrame({f"input {name}": value for name, value in inputs.items()}, index=rows.index)
    repeated = key.duplicated(keep=False).to_numpy()
    if not repeated.any():
        return
    for column in rows.columns:
        if _identifies(rows[column], str(column), target):
            key[f"column {column}"] = pd.factorize(rows[column].astype(object))[0]
    cell = key.groupby(list(key.columns), sort=False).ngroup().to_numpy()
    counts = np.bincount(cell)
    least, most = np.full(len(counts), np.inf), np.full(len(counts), -np.inf)
    np.minimum.at(least, cell, values)
    np.maximum.at(most, cell, values)
    differ = most - least > 1e-9 * np.maximum(np.abs(most), 1e-300)
    if not differ.any():
        return
    conflicts = np.flatnonzero(differ[cell])
    first = conflicts[cell[conflicts] == cell[conflicts[0]]]
    named = "cell" in rows and rows["cell"].iloc[first].notna().all()
    where = ", ".join(f"{name} = {value[first[0]]:g}" for name, value in inputs.items())
    if named or (counts > 1).mean() < 0.5:
        raise InputError(
            f"The cell with {where} has {len(first)} rows and different values of '{target}' "
            f"({', '.join(f'{values[i]:g}' for i in first[:4])}), and no column tells them apart: "
            f"{data_row(int(rows.index[first[1]]) + 1)}.",
            code="conflicting_scores",
            hint=f"Remove the wrong row, or {_seeds(rows)} if they are repeats. --as-is keeps all rows.",
        )
    if np.median(counts) < PER_EXAMPLE:
        yield (
            "conflicting_scores",
            f"{int(differ.sum())} of {len(counts)} cells have several rows with different values of '{target}' that no "
            f"column tells apart. They are fitted as repeats; {_seeds(rows)} if they are.",
        )


def _seeds(rows: pd.DataFrame) -> str:
    """What distinguishes the rows of repeats."""
    known = "seed" in rows and rows["seed"].notna().any()
    return "write a different number in `seed` for each" if known else "add a column `seed`"


def _identifies(values: pd.Series, column: str, target: str) -> bool:
    """Whether a column says which cell a row is of, rather than what was measured."""
    if column in (target, f"{target}_se") or column in MEASURED or values.isna().all():
        return False
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return True
    distinct = values.nunique()
    if _ROW_NUMBER.search(column) and distinct == len(values):
        return False
    if column in COLUMNS:
        return True
    if any(pattern.search(column) for pattern in (SCORE, LOSS, ERROR, _MEASURED)):
        return False
    whole = bool((values.dropna() % 1 == 0).all())
    return whole or distinct <= DISTINCT * len(values)


def repeated_rows(rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], values: np.ndarray) -> Iterator[Note]:
    """Warn of exact copies."""
    kept = ("model", "compressor", "task_family", "benchmark", "metric", "seed", "judge", "rate_factor")
    known = {column: pd.factorize(rows[column])[0] for column in kept if column in rows}
    if repeated := int(pd.DataFrame({**known, **inputs, "": values}).duplicated().sum()):
        yield (
            "repeated_rows",
            f"{repeated} row(s) repeat another row exactly, including seed and error. Each counts as a measurement, so "
            "the intervals are too narrow if they are copies.",
        )


def check_scores(rows: pd.DataFrame, values: np.ndarray, target: str) -> Iterator[Note]:
    """Warn of errors that are not 1 - score / maximum of the same row."""
    if target != "error" or ("direction" in rows and (rows["direction"] == "loss").any()):
        return
    for column in map(str, rows.columns):
        scores = rows[column]
        if (column in COLUMNS and column != "value") or not SCORE.search(column):
            continue
        if (
            not pd.api.types.is_numeric_dtype(scores)
            or pd.api.types.is_bool_dtype(scores)
            or scores.isna().all()
        ):
            continue
        wrong = ~_agree(rows, scores.to_numpy(float), values)
        if not wrong.any():
            continue
        # another benchmark's score says nothing about the error
        if column != "value" and wrong.mean() > FEW:
            continue
        first = int(np.flatnonzero(wrong)[0])
        yield (
            "conflicting_scores",
            f"{column} = {scores.iloc[first]:g} contradicts error = {values[first]:g} in "
            f"{data_row(int(rows.index[first]) + 1)}; {int(wrong.sum())} of {len(rows)} rows are affected. "
            "The error is fitted; correct one of the two.",
        )


def _agree(rows: pd.DataFrame, scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """[n] whether each score agrees with its error, by the rule that most rows of its benchmark and metric follow.

    The rules: the error is 1 - score / maximum, for a maximum of 1, of 100 or the median of the group, or the score is
    the error itself.
    """
    kinds = [c for c in ("benchmark", "metric", "judge") if c in rows and rows[c].notna().any()]
    group = rows.groupby(kinds, dropna=False).ngroup().to_numpy() if kinds else np.zeros(len(rows), int)
    with np.errstate(all="ignore"):
        maximum = scores / (1 - values)
    agree: np.ndarray = np.isnan(scores)
    for one in np.unique(group[~agree]):
        at = (group == one) & ~np.isnan(scores)
        rules = [np.abs(1 - scores / scale - values) <= TOLERANCE for scale in SCALES]
        rules += [np.abs(scores / scale - values) <= TOLERANCE for scale in SCALES]
        known = at & np.isfinite(maximum)
        if known.sum() >= 3:
            rules.append(np.abs(maximum / np.median(maximum[known]) - 1) <= TOLERANCE)
        # too few rows for a maximum of their own, as of MME
        elif (scores[at] > SCALES[-1]).all():
            rules.append(at)
        agree |= at & max(rules, key=lambda rule: int(rule[at].sum()))
    return agree
