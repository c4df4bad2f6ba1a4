"""Checks on single values of a grid: one that differs by a power of ten from what the other rows have in its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from scalelaw.errors import InputError, Note, data_row
from scalelaw.table.pooling import separating_column

POWERS = (10.0, 100.0, 1e3, 1e6, 1e9)
"""Factors between the unit of one value and that of the others."""
THOUSANDS = 1e3
"""Factor from which a value is refused, not only warned of."""
KINDS = ("benchmark", "metric", "task_family", "compressor")
"""Columns whose values have grids of their own."""
MOST = 0.6
"""Share of the other groups that have the value in its place."""
EVEN = 1.05
"""Ratio of the largest to the median step of values that are evenly spaced in the logarithm."""
FEWEST_VALUES, MOST_GROUPS, MOST_ROWS = 3, 500, 20_000


def check_odd_values(
    rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], columns: Mapping[str, str]
) -> Iterator[Note]:
    """Warn of a value that one group of rows has in the place of another that the other groups have.

    A group is the rows with equal other inputs, benchmark, metric, task family and compressor: a model at several
    numbers of visual tokens. The value and the one in its place differ by a power of ten.

    Raises:
        InputError: `unit_mismatch` where they differ by a factor of 1,000 or more.
    """
    if not 2 * FEWEST_VALUES <= len(rows) <= MOST_ROWS:
        return
    for name, values in inputs.items():
        column = columns.get(name, name)
        if (odd := _odd(_groups_by(rows, inputs, name), values)) is None:
            continue
        at, usual = odd
        factor = values[at] / usual
        message = (
            f"Column '{column}' has {values[at]:g} in {data_row(int(rows.index[at]) + 1)}, where the other rows of "
            f"this grid have {usual:g}."
        )
        if max(factor, 1 / factor) > THOUSANDS / 2:
            raise InputError(
                message,
                code="unit_mismatch",
                hint=f"Write {usual:g} if the value is in another unit. --as-is keeps the values.",
            )
        yield "unit_mismatch", f"{message} Check the value."


def _groups_by(rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """The number of each row's group [n]: rows that differ in one input only."""
    key = {f"input {n}": v for n, v in inputs.items() if n != name}
    kinds = dict.fromkeys((*KINDS, separating_column(rows, inputs)))
    key |= {c: pd.factorize(rows[c].astype(object))[0] for c in kinds if c in rows and rows[c].notna().any()}
    if len(inputs) == 1:
        models = [c for c in ("model", "n_params") if c != name and c in rows and rows[c].notna().any()]
        key |= {c: pd.factorize(rows[c].astype(object))[0] for c in models[:1]}
    if not key:
        return np.zeros(len(rows), int)
    codes: np.ndarray = pd.DataFrame(key).groupby(list(key), sort=False).ngroup().to_numpy()
    return codes


def _odd(groups: np.ndarray, values: np.ndarray) -> tuple[int, float] | None:
    """(row of an odd value, the value in its place) of the first group that has one."""
    number = int(groups.max()) + 1
    if not FEWEST_VALUES <= number <= MOST_GROUPS:
        return None
    sets = [set(values[groups == group].tolist()) for group in range(number)]
    counts = Counter(value for one in sets for value in one)
    for group, mine in enumerate(sets):
        if len(mine) < FEWEST_VALUES or _is_even(mine):
            continue
        for value in sorted(v for v in mine if counts[v] == 1):
            for usual, count in counts.items():
                ratio = max(value / usual, usual / value)
                if (
                    usual not in mine
                    and count >= max(2, MOST * (number - 1))
                    and any(abs(ratio / power - 1) < 1e-6 for power in POWERS)
                ):
                    return int(np.flatnonzero((groups == group) & (values == value))[0]), float(usual)
    return None


def _is_even(values: set[float]) -> bool:
    """Whether values are evenly spaced in the logarithm, as a grid of powers is that goes further than another."""
    steps = np.diff(np.log(np.array(sorted(values))))
    return bool(steps.max() <= EVEN * np.median(steps))
