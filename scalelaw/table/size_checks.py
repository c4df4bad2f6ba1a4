"""Checks on parameter counts and training lengths: whole columns in thousands, millions or billions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import pandas as pd

from scalelaw.files.paths import bundled

Warnings = Iterator[tuple[str, str]]

FACTORS = (1e3, 1e6, 1e9)
"""Thousands, millions and billions."""
UNITS = {1e3: "thousands", 1e6: "millions", 1e9: "billions"}
SMALLEST_MODEL = 1e4
"""Parameter count below which a value is in thousands, millions or billions."""
SMALLEST_LLM = 5e3
"""Smallest parameter count of a table whose largest is below a million that is not taken for millions."""
SMALLEST_KNOWN, LARGEST_MODEL = 1e8, 1e14
"""Largest parameter count that no released LLM is below, and one that no model exceeds."""
SMALL_MODELS = (1e5, 1e6, 1e7)
"""Sizes of a table from the first, with the largest between the other two, are as likely to be in thousands: they are
smaller than released LLMs, and 1,000 times as large they are not."""
SERIES = ({1.0, 3.0}, {1.0, 2.0, 5.0}, {1.0, 5.0})
"""First digits of regular series of sizes."""
SAME_SIZE, SAME_COUNT = 1e-3, 2e-6
"""Relative difference within which a size is a published one, and within which one alone is."""
FEWEST_TOKENS, MOST_TOKENS, LONGEST_TRAINING = 1e6, 1e17, 5e13
"""Training lengths below or above which a value is in another unit than tokens; the longest training of an LLM."""
TOKENS_PER_PARAM = (0.2, 1e5)
"""Training tokens per parameter below and above which one of the two may be in another unit."""
MODEL_COLUMNS = ("model", "llm", "language_model", "base_model", "backbone", "checkpoint", "name")
"""Columns that name the language model."""
_NAMED_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) ?([BMbm])(?![A-Za-z0-9])")


def check_sizes(
    rows: pd.DataFrame, values: np.ndarray, column: str, of_llm: bool = True, of_vlm: bool = True
) -> Warnings:
    """Warn of parameter counts in thousands, millions or billions.

    Args:
        values: parameter counts [n].
        of_llm: they are of LLMs, not of a part of the model.
        of_vlm: the table is of vision-language models; of others small sizes are as likely as large ones.
    """
    most, least = float(values.max()), float(values.min())
    factor = "1e9" if most <= 2000 and least < 100 else "1e6"
    regular = _is_series(np.unique(values))
    if not regular and (most < SMALLEST_MODEL or (least < SMALLEST_LLM and most < 1e6)):
        yield (
            "n_params_looks_like_billions",
            f"{column} is at most {most:g}, and its unit is parameters. Add --scale {column}={factor}.",
        )
        return
    if most > LARGEST_MODEL:
        yield (
            "unit_mismatch",
            f"{column} reaches {most:g}, more than any model has, and its unit is parameters. Check --scale {column}.",
        )
        return
    named = _named_sizes(rows)
    if np.isfinite(named).any():
        yield from _against_names(rows, values, column, named)
        return
    distinct = np.unique(values)
    if of_llm and (published := _published(distinct)):
        size, factor_of = published
        yield (
            "unit_mismatch",
            f"{column} has {size:.10g} and other values that are sizes of released LLMs in {UNITS[factor_of]}, and its "
            f"unit is parameters. Add --scale {column}=1e{round(np.log10(factor_of))}.",
        )
        return
    plain = all(float(f"{v:.1e}") == v for v in distinct) and len(distinct) >= 3
    if plain and most < SMALLEST_KNOWN and of_vlm and not regular:
        factor, unit = ("1e6", "millions") if most < 1e6 else ("1e3", "thousands")
        yield (
            "unit_mismatch",
            f"{column} lies between {distinct[0]:g} and {most:g}, all round numbers, and its unit is parameters. If "
            f"the table is in {unit}, add --scale {column}={factor}.",
        )
    elif of_llm and (why := _too_small(rows, values, of_vlm and not regular)):
        factor = "1e3" if most >= 1e5 else "1e6"
        yield (
            "unit_mismatch",
            f"{column} is at most {most:g}, and {why}. If the table is in {UNITS[float(factor)]}, add "
            f"--scale {column}={factor}; the unit is parameters.",
        )


def check_lengths(rows: pd.DataFrame, values: np.ndarray, column: str, sizes: np.ndarray | None) -> Warnings:
    """Warn of training lengths in millions or billions of tokens.

    Args:
        values: training tokens [n].
        sizes: parameter counts [n], None where the law has no such input.
    """
    most = float(values.max())
    if most > MOST_TOKENS:
        yield (
            "unit_mismatch",
            f"{column} reaches {most:g}, more than any training has, and its unit is tokens. Check --scale {column}.",
        )
        return
    factor = "1e9" if most < 1e5 else "1e6"
    if most >= FEWEST_TOKENS:
        counts = _numbers(rows, "n_params") if sizes is None else sizes
        largest = float(np.max(counts[np.isfinite(counts)], initial=0))
        in_millions = values.min() >= 1e3 and most * 1e6 <= LONGEST_TRAINING
        if not (largest >= SMALLEST_KNOWN and most < TOKENS_PER_PARAM[0] * largest and in_millions):
            return
    yield (
        "unit_mismatch",
        f"{column} is at most {most:g}, and its unit is tokens. If it is in {UNITS[float(factor)]}, add "
        f"--scale {column}={factor}.",
    )


def _is_series(distinct: np.ndarray) -> bool:
    """Whether sizes are a series that nobody trains in billions: 10, 20, 50, 100, ... or 1e3, 1e4, 1e5.

    Sizes in billions begin below 10.
    """
    if len(distinct) < 3 or distinct[0] < 10 or distinct[-1] < 30 * distinct[0]:
        return False
    digits = {round(float(v / 10 ** np.floor(np.log10(v) + 1e-9)), 9) for v in distinct}
    return any(digits <= series for series in SERIES)


def _too_small(rows: pd.DataFrame, values: np.ndarray, of_vlm: bool) -> str:
    """Why parameter counts are too small to be those of LLMs; "" where they may be."""
    least, most = float(values.min()), float(values.max())
    if most >= SMALLEST_KNOWN:
        return ""
    if name := _released(rows):
        return f"'{name[:60]}' is a released LLM, which has more parameters"
    tokens = _numbers(rows, "train_tokens")
    known = np.isfinite(tokens) & (tokens > 0)
    if known.any() and float(np.median(tokens[known] / values[known])) > TOKENS_PER_PARAM[1]:
        return "the training has more than 100,000 tokens per parameter"
    # a sweep counts the parameters of its models itself
    counted = "n_params_embedding" in rows and rows["n_params_embedding"].notna().any()
    if of_vlm and not counted and least >= SMALL_MODELS[0] and SMALL_MODELS[1] <= most < SMALL_MODELS[2]:
        return "released LLMs are larger"
    return ""


def _published(distinct: np.ndarray) -> tuple[float, float] | None:
    """The first size that is a published one in another unit, and the factor, where most of the sizes are; or None."""
    known, _ = _catalog()
    if distinct.max() >= 10 * SMALLEST_KNOWN:
        return None
    for factor in FACTORS:
        apart = np.abs(distinct[:, None] * factor / known[None, :] - 1).min(axis=1)
        same = apart <= SAME_SIZE
        if (same.sum() >= 2 and same.mean() >= 0.5) or (len(distinct) == 1 and apart[0] <= SAME_COUNT):
            return float(distinct[same][0]), factor
    return None


@cache
def _catalog() -> tuple[np.ndarray, frozenset[str]]:
    """Exact parameter counts of the bundled LLMs, and the first words of their families."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(bundled("models").glob("*.yaml")))
    counts = {float(count) for count in re.findall(r"^\s+exact: (\d+)\s*$", text, re.M)}
    families = {word.lower() for word in re.findall(r"^family: ([A-Za-z]+)", text, re.M)}
    return np.array(sorted(counts)), frozenset(families)


def _released(rows: pd.DataFrame) -> str:
    """A model's name that begins with the name of a released family; "" without one."""
    _, families = _catalog()
    for column in MODEL_COLUMNS:
        if column in rows and not pd.api.types.is_numeric_dtype(rows[column]):
            for name in rows[column].dropna().unique()[:50]:
                word = re.match(r"[A-Za-z]+", str(name).rpartition("/")[2])
                if word and word[0].lower() in families:
                    return str(name)
    return ""


def _numbers(rows: pd.DataFrame, column: str) -> np.ndarray:
    """A column as numbers [n], NaN where it is missing."""
    if column not in rows:
        return np.full(len(rows), np.nan)
    values: np.ndarray = pd.to_numeric(rows[column], errors="coerce").to_numpy(float)
    return values


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
    names = (str(rows[column].iloc[first]) for column in MODEL_COLUMNS if column in rows)
    name = next(name for name in names if np.isfinite(_size_in(name[:200])))
    yield (
        "unit_mismatch",
        f"{column} is {values[first]:g} for the model '{name[:60]}'; {int(wrong.sum())} of {int(known.sum())} models "
        "are affected. "
        + (f"Add --scale {column}=1e{exponent}." if wrong.all() else "Write all sizes in parameters."),
    )


def _named_sizes(rows: pd.DataFrame) -> np.ndarray:
    """[n] the size in a model's name (`Qwen-1.5 7B`), NaN where there is none or several."""
    for column in MODEL_COLUMNS:
        if column not in rows or pd.api.types.is_numeric_dtype(rows[column]):
            continue
        codes, names = pd.factorize(rows[column].astype(object))
        sizes = np.array([*(_size_in(str(name)[:200]) for name in names), np.nan])[codes]
        if np.isfinite(sizes).any():
            return sizes
    return np.full(len(rows), np.nan)


def _size_in(name: str) -> float:
    sizes = {float(number) * {"B": 1e9, "M": 1e6}[unit.upper()] for number, unit in _NAMED_SIZE.findall(name)}
    return sizes.pop() if len(sizes) == 1 and max(sizes) > 0 else np.nan
