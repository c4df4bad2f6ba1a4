"""Scores among errors: rows of a model or benchmark whose complement, 1 - value, agrees far better with the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
LARGEST_SHARE = 0.4
"""Largest share of the rows that is an exception."""
FEWEST_FREE, MOST_ROWS, MOST_SINGLE, MOST_GROUPS = 4, 20_000, 1000, 200
"""Least degrees of freedom; the most rows, the most rows that are tried one by one, and the most groups of a column."""


def check_mixture(
    rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], values: np.ndarray, target: str
) -> Warnings:
    """Warn of rows that are probably scores among errors, or errors among scores.

    The target is regressed on the logarithms of the inputs and their squares, with a level for each benchmark, metric,
    task family and compressor; then with the rows of one group replaced by 1 - value. One warning at most is given, for
    the group that reduces the residuals most.

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
    best: tuple[float, str, np.ndarray] | None = None
    for name, at in _groups(rows, inputs):
        change = np.where(at, 1 - 2 * values, 0.0)
        moved = residual + change - design @ (design.T @ change)
        ratio = squares / max(float(moved @ moved), 1e-12 * n)
        if best is None or ratio > best[0]:
            best = ratio, name, at
    if best is None or best[0] < BETTER or n / 2 * np.log(best[0]) < EVIDENCE:
        return
    ratio, name, at = best
    first = int(np.flatnonzero(at)[0])
    yield (
        "looks_like_score",
        f"{int(at.sum())} row(s){f' with {name}' if name else ''} look like scores among errors, or the reverse: "
        f"'{target}' = {values[first]:.4g} in {data_row(int(rows.index[first]) + 1)}, and 1 - value agrees with the "
        "other rows far better. Write 1 - value in these rows, or add --as-is if the values are right.",
    )


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
        for code, kind in enumerate(kinds):
            at = codes == code
            if 2 <= at.sum() <= LARGEST_SHARE * n:
                shown = f"{kind:g}" if isinstance(kind, float) else str(kind)[:60]
                yield f"{name} = {shown}", at
    if n <= MOST_SINGLE:
        for row in range(n):
            yield "", np.arange(n) == row
