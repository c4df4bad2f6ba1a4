"""Scores among errors: rows of a model or benchmark whose complement, 1 - value, agrees far better with the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from scalelaw.errors import data_row
from scalelaw.table.pooling import separating_column

Warnings = Iterator[tuple[str, str]]

KINDS = ("benchmark", "metric", "task_family", "compressor")
"""Columns whose values may have different levels of the error."""
LABELS = ("model", "model_family", "family", *KINDS)
"""Columns of which one value may have been reported in another way than the others."""
BETTER, EVIDENCE = 4.0, 9.0
"""Ratio of the residual sums of squares, and n / 2 times its logarithm, from which values are taken for complements."""
REVERSED = 9.0
"""n / 2 times the logarithm of the same ratio, with a level of their own for these rows."""
LARGEST_SHARE, MOST_KINDS = 0.5, 8
"""Largest share of the rows that is an exception; number of values up to which several of them are one exception."""
FEWEST_FREE, MOST_ROWS, MOST_SINGLE, MOST_GROUPS = 4, 20_000, 1000, 200
"""Least degrees of freedom; the most rows, the most rows that are tried one by one, and the most groups of a column."""


def check_mixture(
    rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], values: np.ndarray, target: str
) -> Warnings:
    """Warn of rows that are probably scores among errors, or errors among scores.

    The target is regressed on the logarithms of the inputs and their squares, with a level for each benchmark, metric,
    task family and compressor; then with the rows of one group replaced by 1 - value. One warning at most is given, for
    the group that reduces the residuals most and runs against the others.

    Args:
        values: the target [n].
    """
    n = len(values)
    if n > MOST_ROWS or values.min() < 0 or values.max() > 1:
        return
    design = _design(rows, inputs)
    if design is None:
        return
    residual = values - design @ (design.T @ values)
    squares = float(residual @ residual)
    least = 1e-12 * n
    candidates: list[tuple[float, float, str, np.ndarray]] = []
    for name, at in _groups(rows, inputs):
        moved = residual + _moved(design, values, at)
        ratio = squares / max(float(moved @ moved), least)
        if ratio >= BETTER and n / 2 * np.log(ratio) >= EVIDENCE:
            candidates.append((round(float(np.log(ratio)), 6), _slope(inputs, values, at), name, at))
    # of two halves, of which each agrees with the complement of the other, the one that rises is first
    for _, _, name, at in sorted(candidates, key=lambda one: one[:2], reverse=True):
        if at.sum() == 1 and _is_expected(inputs, values, at):
            continue
        if at.sum() > 1 and not _is_reversed(design, residual, values, at):
            continue
        first = int(np.flatnonzero(at)[0])
        yield (
            "looks_like_score",
            f"{int(at.sum())} row(s){f' with {name}' if name else ''} look like scores among errors, or the reverse: "
            f"'{target}' = {values[first]:.4g} in {data_row(int(rows.index[first]) + 1)}, and 1 - value agrees with "
            "the other rows far better. Write 1 - value in these rows, or add --as-is if the values are right.",
        )
        return


def _moved(design: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The change of the residuals [n] where the values of some rows are replaced by 1 - value."""
    change = np.where(at, 1 - 2 * values, 0.0)
    moved: np.ndarray = change - design @ (design.T @ change)
    return moved


def _is_reversed(design: np.ndarray, residual: np.ndarray, values: np.ndarray, at: np.ndarray) -> bool:
    """Whether the values of a group run against those of the other rows, whatever its level.

    A model that is much better or worse than the others differs in its level only.
    """
    indicator = at - design @ (design.T @ at)
    length = float(indicator @ indicator)

    def squares(of: np.ndarray) -> float:
        explained = float(of @ indicator) ** 2 / length if length > 1e-9 * len(at) else 0.0
        return max(float(of @ of) - explained, 1e-12 * len(at))

    ratio = squares(residual) / squares(residual + _moved(design, values, at))
    return bool(len(at) / 2 * np.log(ratio) >= REVERSED)


def _slope(inputs: Mapping[str, np.ndarray], values: np.ndarray, at: np.ndarray) -> float:
    """How much the values of a group rise with the inputs."""
    logs = sum(np.log(v[at]) - np.log(v[at]).mean() for v in inputs.values())
    return float(np.sum(logs * values[at]))


def _is_expected(inputs: Mapping[str, np.ndarray], values: np.ndarray, at: np.ndarray) -> bool:
    """Whether one row has the least error at the largest value of an input, or the largest error at the smallest."""
    rest = values[~at]
    if values[at][0] < rest.min():
        return any(v[at][0] >= v.max() > v.min() for v in inputs.values())
    return bool(values[at][0] > rest.max()) and any(v[at][0] <= v.min() < v.max() for v in inputs.values())


def _design(rows: pd.DataFrame, inputs: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """An orthonormal basis [n, p] of levels, logarithms of inputs and their squares; None for too few points."""
    n = len(rows)
    logs = [np.log(v) for v in inputs.values() if len(np.unique(v)) > 1]
    if not logs:
        return None
    scaled = [(v - v.mean()) / v.std() for v in logs]
    kinds = [
        c
        for c in dict.fromkeys((*KINDS, separating_column(rows, inputs)))
        if c in rows and rows[c].notna().any()
    ]
    level = rows.groupby(kinds, dropna=False, sort=False).ngroup().to_numpy() if kinds else np.zeros(n, int)
    if level.max() >= min(MOST_GROUPS, n / 3):
        return None
    columns = [(level[:, None] == np.arange(level.max() + 1)).astype(float), *(v[:, None] for v in scaled)]
    squares = [(v**2)[:, None] for v in scaled if len(np.unique(v)) > 2]
    free = n - sum(c.shape[1] for c in columns)
    if free - len(squares) >= 2 * FEWEST_FREE:
        columns += squares
    if free < FEWEST_FREE:
        return None
    left, singular, _ = np.linalg.svd(np.concatenate(columns, axis=1), full_matrices=False)
    return np.asarray(left[:, singular > 1e-9 * singular[0]])


def _groups(rows: pd.DataFrame, inputs: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Each group of rows that may be an exception: its name and its rows [n]; single rows have no name."""
    n = len(rows)
    labels = {c: rows[c] for c in dict.fromkeys((*LABELS, separating_column(rows, inputs))) if c in rows}
    for name, values in (*labels.items(), *((k, pd.Series(v, index=rows.index)) for k, v in inputs.items())):
        codes, kinds = pd.factorize(values.astype(object))
        if not 2 <= len(kinds) <= MOST_GROUPS:
            continue
        shown = [f"{kind:g}" if isinstance(kind, float) else str(kind)[:60] for kind in kinds]
        most = len(kinds) // 2 if len(kinds) <= MOST_KINDS else 1
        for several in (c for size in range(1, most + 1) for c in combinations(range(len(kinds)), size)):
            at = np.isin(codes, several)
            if 2 <= at.sum() <= LARGEST_SHARE * n:
                yield f"{name} = {' or '.join(shown[code] for code in several)}", at
    if n <= MOST_SINGLE:
        for row in range(n):
            yield "", np.arange(n) == row
