"""Checks on the units of the inputs: counts in thousands, millions or billions, shares, one value unlike the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from scalelaw.errors import InputError, Note, data_row
from scalelaw.table.odd_values import check_odd_values
from scalelaw.table.schema import COLUMNS
from scalelaw.table.size_checks import FACTORS, SMALLEST_MODEL, check_lengths, check_sizes

LETTERS = {"N": "n_params", "V": "visual_tokens", "D": "train_tokens", "C": "train_flops"}
"""Names of columns that publications use for a column of the results table."""

GAP = 1e4
"""Factor between neighboring sizes that indicates a change of unit."""
ODD_GAP, TYPICAL = 30, 3
"""Factor between one size and all others that may indicate a change of unit, where it is also this many times the
next largest factor."""
APART, WIDEST = 2, 100
"""The same factor is at least this many times the range of the others, which is at most the second of these."""
MOST_TOKENS, LARGE_COUNT = 1e6, 2e4
"""Visual tokens above which a value is in another unit, and from which one multiple of 1,000 may be."""
FEWEST_FLOPS = 1e9
"""Training FLOPs below which a value is in another unit."""


def check_units(
    rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], columns: Mapping[str, str]
) -> Iterator[Note]:
    """Warn of inputs that are probably not in the unit of their column.

    Raises:
        InputError: `unit_mismatch` for a token count as a share of 1, and for values of two units in one column.
    """
    sizes = next((v for n, v in inputs.items() if _kind(n, columns) == "n_params"), None)
    for name, values in inputs.items():
        column = columns.get(name, name)
        kind = _kind(name, columns)
        if kind == "visual_tokens" and values.min() < 1:
            raise InputError(
                f"Column '{column}' has {values.min():g}, but a number of visual tokens is at least 1.",
                code="unit_mismatch",
                hint=f"Scale a share of the tokens by their full number (--scale {column}=576), or counts in "
                f"thousands by --scale {column}=1000. --as-is keeps the values.",
            )
        if kind == "visual_tokens":
            yield from _check_counts(rows, values, column)
        if kind.startswith("n_params") or kind in ("train_tokens", "train_flops", "train_samples"):
            _one_unit(rows, values, column)
            yield from _one_odd(rows, values, column)
        if kind.startswith("n_params"):
            of_llm = kind in ("n_params", "n_params_total")
            yield from check_sizes(rows, values, column, of_llm, _sees_images(rows, inputs, columns))
        if kind == "train_tokens":
            yield from check_lengths(rows, values, column, sizes)
        if kind == "train_flops" and values.max() < FEWEST_FLOPS:
            yield (
                "unit_mismatch",
                f"{column} is at most {values.max():g}, and its unit is FLOPs. Add --scale {column}=FACTOR, "
                "8.64e19 for petaFLOP-days.",
            )
    yield from check_odd_values(rows, inputs, columns)


def _kind(name: str, columns: Mapping[str, str]) -> str:
    """The column of the results table that an input stands for; "" without one."""
    column = columns.get(name, name)
    names = (name, LETTERS.get(name, ""), column, LETTERS.get(column, ""))
    return next((n for n in names if n in COLUMNS), "")


def _sees_images(rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], columns: Mapping[str, str]) -> bool:
    """Whether the table is of vision-language models: it has numbers of visual tokens."""
    return any(_kind(name, columns) == "visual_tokens" for name in inputs) or (
        "visual_tokens" in rows and bool(rows["visual_tokens"].notna().any())
    )


def _first(rows: pd.DataFrame, at: np.ndarray) -> str:
    return data_row(int(rows.index[int(np.flatnonzero(at)[0])]) + 1)


def _one_unit(rows: pd.DataFrame, values: np.ndarray, column: str) -> None:
    """Raises InputError for a column with values in two units."""
    ordered = np.unique(values)
    with np.errstate(divide="ignore", over="ignore"):
        steps = ordered[1:] / ordered[:-1]
    if not len(steps) or steps.max() < GAP:
        return
    low, high = ordered[int(steps.argmax())], ordered[int(steps.argmax()) + 1]
    in_range = any(high / 10 <= low * factor <= 10 * ordered[-1] for factor in FACTORS)
    if low >= SMALLEST_MODEL and not in_range:
        return
    few, many = values <= low, values >= high
    odd = few if few.sum() <= many.sum() else many
    raise InputError(
        f"Column '{column}' has values in two units: {values[odd][0]:g} in {_first(rows, odd)} differs from the others "
        f"by a factor of {steps.max():.0e}.",
        code="unit_mismatch",
        hint="Write all values in one unit, 7e9 for 7 billion. --as-is keeps the values.",
    )


def _check_counts(rows: pd.DataFrame, values: np.ndarray, column: str) -> Iterator[Note]:
    """Warn of numbers of visual tokens that are 1,000 times too large: all of them, or the largest."""
    ordered = np.unique(values)
    thousands = bool((ordered % 1000 == 0).all())
    if ordered[-1] > MOST_TOKENS or (
        len(ordered) >= 3 and thousands and ordered[-1] >= 5 * LARGE_COUNT and ordered[0] < LARGE_COUNT
    ):
        yield (
            "unit_mismatch",
            f"Column '{column}' reaches {ordered[-1]:g}, and its unit is visual tokens of a query. Add "
            f"--scale {column}=0.001 if the table has 1,000 times the number.",
        )
    elif len(ordered) >= 3 and ordered[-1] >= LARGE_COUNT and ordered[-1] % 1000 == 0:
        rest, same = ordered[:-1], ordered[-1] / 1000
        if ordered[-1] >= ODD_GAP * rest[-1] and rest[0] <= same <= 10 * rest[-1]:
            yield (
                "unit_mismatch",
                f"Column '{column}' has {ordered[-1]:g} in {_first(rows, values == ordered[-1])}, "
                f"{ordered[-1] / rest[-1]:.0f} times the next number. If it means {same:g}, correct the row.",
            )


def _one_odd(rows: pd.DataFrame, values: np.ndarray, column: str) -> Iterator[Note]:
    """Warn of one size apart from all others that lies among them in thousands, millions or billions."""
    ordered = np.unique(values)
    if len(ordered) < 3:
        return
    steps = ordered[1:] / ordered[:-1]
    for odd, rest, step, others in (
        (ordered[0], ordered[1:], steps[0], steps[1:]),
        (ordered[-1], ordered[:-1], steps[-1], steps[:-1]),
    ):
        spread = rest[-1] / rest[0]
        if not ODD_GAP <= step < GAP or step < max(TYPICAL * others.max(), APART * spread) or spread > WIDEST:
            continue
        for factor in FACTORS:
            same = odd * factor if odd < rest[0] else odd / factor
            if rest[0] / 10 <= same <= 10 * rest[-1]:
                yield (
                    "unit_mismatch",
                    f"Column '{column}' has {odd:g} in {_first(rows, values == odd)}, {step:.0f} times apart from the "
                    f"others. If it means {same:g}, write all values in one unit.",
                )
                break
