"""Checks on the units of the inputs: counts in thousands, millions or billions, shares, one value unlike the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from scalelaw.errors import InputError, data_row
from scalelaw.table.schema import COLUMNS

Warnings = Iterator[tuple[str, str]]

_NAMED_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) ?([BM])(?![A-Za-z0-9])")
LETTERS = {"N": "n_params", "V": "visual_tokens", "D": "train_tokens", "C": "train_flops"}
"""Names of columns that publications use for a column of the results table."""

GAP = 1e4
"""Factor between neighboring sizes that indicates a change of unit."""
ODD_GAP, TYPICAL = 30, 3
"""Factor between one size and all others that may indicate a change of unit, where it is also this many times the
next largest factor."""
FACTORS = (1e3, 1e6, 1e9)
"""Thousands, millions and billions."""
SMALLEST_MODEL = 1e4
"""Parameter count below which a value is in thousands, millions or billions."""
SMALLEST_LLM = 5e3
"""Smallest parameter count of a table whose largest is below a million that is not taken for millions."""
FEWEST_TOKENS, FEWEST_FLOPS = 1e6, 1e9
"""Training lengths below which a value is in another unit than tokens and FLOPs."""


def check_units(rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], columns: Mapping[str, str]) -> Warnings:
    """Warn of inputs that are probably not in the unit of their column.

    Raises:
        InputError: `unit_mismatch` for a token count as a share of 1, and for values of two units in one column.
    """
    for name, values in inputs.items():
        column = columns.get(name, name)
        kind = next(
            (n for n in (name, LETTERS.get(name, ""), column, LETTERS.get(column, "")) if n in COLUMNS), ""
        )
        if kind == "visual_tokens" and values.min() < 1:
            raise InputError(
                f"Column '{column}' has {values.min():g}, but a number of visual tokens is at least 1.",
                code="unit_mismatch",
                hint=f"Scale a share of the tokens by their full number (--scale {column}=576), or counts in "
                f"thousands by --scale {column}=1000. --as-is keeps the values.",
            )
        if kind.startswith("n_params") or kind in ("train_tokens", "train_flops", "train_samples"):
            _one_unit(rows, values, column)
            yield from _one_odd(rows, values, column)
        if kind.startswith("n_params"):
            yield from _parameters(rows, values, column)
        if kind == "train_tokens" and values.max() < FEWEST_TOKENS:
            factor = "1e9" if values.max() < 1e5 else "1e6"
            yield (
                "unit_mismatch",
                f"{column} is at most {values.max():g}, and its unit is tokens. If it is in "
                f"{'billions' if factor == '1e9' else 'millions'}, add --scale {column}={factor}.",
            )
        if kind == "train_flops" and values.max() < FEWEST_FLOPS:
            yield (
                "unit_mismatch",
                f"{column} is at most {values.max():g}, and its unit is FLOPs. Add --scale {column}=FACTOR, "
                "8.64e19 for petaFLOP-days.",
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


def _one_odd(rows: pd.DataFrame, values: np.ndarray, column: str) -> Warnings:
    """Warn of one size apart from all others that lies among them in thousands, millions or billions."""
    ordered = np.unique(values)
    if len(ordered) < 3:
        return
    steps = ordered[1:] / ordered[:-1]
    for odd, rest, step, others in (
        (ordered[0], ordered[1:], steps[0], steps[1:]),
        (ordered[-1], ordered[:-1], steps[-1], steps[:-1]),
    ):
        if not ODD_GAP <= step < GAP or step < TYPICAL * others.max():
            continue
        for factor in FACTORS:
            same = odd * factor if odd < rest[0] else odd / factor
            if rest[0] / 3 <= same <= 3 * rest[-1]:
                yield (
                    "unit_mismatch",
                    f"Column '{column}' has {odd:g} in {_first(rows, values == odd)}, {step:.0f} times apart from the "
                    f"others. If it means {same:g}, write all values in one unit.",
                )
                break


def _parameters(rows: pd.DataFrame, values: np.ndarray, column: str) -> Warnings:
    """Warn of parameter counts in thousands, millions or billions."""
    most = float(values.max())
    factor = "1e9" if most <= 2000 and values.min() < 100 else "1e6"
    if most < SMALLEST_MODEL or (values.min() < SMALLEST_LLM and most < 1e6):
        yield (
            "n_params_looks_like_billions",
            f"{column} is at most {most:g}, and its unit is parameters. Add --scale {column}={factor}.",
        )
        return
    named = _named_sizes(rows)
    known = np.isfinite(named)
    if known.any():
        yield from _against_names(rows, values, column, named)
        return
    distinct = np.unique(values)
    plain = all(float(f"{v:.1e}") == v for v in distinct) and len(distinct) >= 3
    if plain and most < 1e8:
        factor, unit = ("1e6", "millions") if most < 1e6 else ("1e3", "thousands")
        yield (
            "unit_mismatch",
            f"{column} lies between {distinct[0]:g} and {most:g}, all round numbers, and its unit is parameters. If "
            f"the table is in {unit}, add --scale {column}={factor}.",
        )


def _against_names(rows: pd.DataFrame, values: np.ndarray, column: str, named: np.ndarray) -> Warnings:
    """Warn of parameter counts that differ by a power of 1,000 from the sizes in the models' names."""
    known = np.isfinite(named)
    ratio = np.log10(named[known] / values[known])
    power = np.round(ratio / 3)
    wrong = (np.abs(power) >= 1) & (np.abs(ratio - 3 * power) < 0.5)
    if not wrong.any():
        return
    first = int(np.flatnonzero(known)[int(np.flatnonzero(wrong)[0])])
    exponent = int(3 * power[wrong][0])
    yield (
        "unit_mismatch",
        f"{column} is {values[first]:g} for the model '{rows['model'].iloc[first]}'; {int(wrong.sum())} of "
        f"{int(known.sum())} models are affected. "
        + (f"Add --scale {column}=1e{exponent}." if wrong.all() else "Write all sizes in parameters."),
    )


def _named_sizes(rows: pd.DataFrame) -> np.ndarray:
    """[n] the size in a model's name (`Qwen-1.5 7B`), NaN where there is none or several."""
    if "model" not in rows:
        return np.full(len(rows), np.nan)
    codes, names = pd.factorize(rows["model"])
    sizes = np.array([*(_size_in(str(name)[:200]) for name in names), np.nan])
    return sizes[codes]


def _size_in(name: str) -> float:
    sizes = {float(number) * {"B": 1e9, "M": 1e6}[unit] for number, unit in _NAMED_SIZE.findall(name)}
    return sizes.pop() if len(sizes) == 1 and max(sizes) > 0 else np.nan
