"""Paired comparison of the values of one column (such as compressors) with everything else equal.

Two rows are a pair where they agree in `within` and in `pairs` (by default: benchmark, model, visual tokens; seed). The
difference of a pair is free of what both share: the data, their order, the vision tower, the initial LLM. Per group:
the mean error and the mean difference to the baseline, both with a t interval, and a paired t test with p-values
adjusted for the number of comparisons in the group (Holm, Scandinavian Journal of Statistics 6, 1979).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scalelaw.errors import InputError, unknown

if TYPE_CHECKING:
    import pandas as pd

WITHIN = ("benchmark", "model", "visual_tokens")
_SPELLED = "{:.15g}".format
"""The name of a number: 1 for 1.0, 6738415616 in full."""


def paired(
    table: pd.DataFrame,
    by: str = "compressor",
    baseline: str = "downsample",
    within: Sequence[str] = WITHIN,
    pairs: Sequence[str] = ("seed",),
    level: float = 0.95,
) -> pd.DataFrame:
    """One row for each group and each value of `by`: n pairs, error, difference to the baseline, p, p_holm.

    Columns: `within`, `by`, n, error, error_lo, error_hi, difference, difference_lo, difference_hi (error minus the
    baseline's: below 0 is better), p, p_holm, plateaus (rows whose status is not `ok`, included in the means).
    An interval or p-value from one pair is NaN; so is p where all differences are equal. A row without its pair is
    left out of the difference and counted in `unpaired`.
    `by` and columns without values are removed from `within`; where models have no names, their sizes distinguish them.
    Raises InputError for a missing column or baseline, and for duplicate rows.
    """
    import pandas as pd

    if by in pairs:
        raise InputError(f"Rows are paired by {by}, so it cannot be compared.", code="bad_column")
    within = [column for column in _filled(within, table) if column != by]
    if not within:
        raise InputError(
            "No column says which rows belong together.",
            code="missing_column",
            hint="The table needs model, n_params, benchmark or visual_tokens.",
        )
    keys = [*within, *pairs]
    for column in (*keys, by, "error"):
        if column not in table.columns:
            raise unknown("column", column, map(str, table.columns))
    if pd.api.types.is_numeric_dtype(table[by]):
        table = table.assign(**{by: table[by].map(_SPELLED).where(table[by].notna())})
        with contextlib.suppress(ValueError):
            baseline = _SPELLED(float(baseline))
    if baseline not in set(values := table[by].dropna().astype(str)):
        raise unknown(by, baseline, values)
    if (twice := table.duplicated([*keys, by])).any():
        row = table.loc[twice, [*keys, by]].iloc[0]
        raise InputError(
            f"There are two rows of {', '.join(f'{k} {v}' for k, v in row.items())}.",
            code="duplicate_row",
            hint="Select rows with --where, or name more columns that distinguish them.",
        )
    rows: list[dict[str, Any]] = []
    for group, members in table.groupby(list(within), sort=True):
        base = members[members[by] == baseline].set_index(list(pairs))["error"]
        compared = [
            _compare(own, base, pairs, level) | {by: value} for value, own in members.groupby(by, sort=True)
        ]
        tested = [one for one in compared if one[by] != baseline and np.isfinite(one["p"])]
        for tried, p in zip(tested, _holm([one["p"] for one in tested]), strict=True):
            tried["p_holm"] = p
        rows += [dict(zip(within, group, strict=True)) | one for one in compared]
    columns = [*within, by, "n", "error", "error_lo", "error_hi", "difference", "difference_lo", "difference_hi",
               "p", "p_holm", "unpaired", "plateaus"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _filled(within: Sequence[str], table: pd.DataFrame) -> list[str]:
    """The columns of `within` that have values, with `n_params` in place of an empty `model`; unknown ones stay."""
    empty = [column for column in within if column in table and table[column].isna().all()]
    sizes = (
        ["n_params"] if "model" in empty and "n_params" in table and table["n_params"].notna().any() else []
    )
    return list(dict.fromkeys([*(column for column in within if column not in empty), *sizes]))


def _compare(own: pd.DataFrame, base: pd.Series, pairs: Sequence[str], level: float) -> dict[str, Any]:
    errors = own.set_index(list(pairs))["error"]
    both = errors.index.intersection(base.index)
    difference = errors.loc[both].to_numpy() - base.loc[both].to_numpy()
    stuck = int((own["status"] != "ok").sum()) if "status" in own else 0
    (lo, hi, _), (below, above, p) = _t(errors.to_numpy(), level), _t(difference, level)
    return {
        "n": len(both), "error": float(errors.mean()), "error_lo": lo, "error_hi": hi,
        "difference": float(difference.mean()) if len(both) else np.nan, "difference_lo": below,
        "difference_hi": above, "p": p, "p_holm": np.nan, "unpaired": len(errors) - len(both), "plateaus": stuck,
    }  # fmt: skip


def _t(values: np.ndarray, level: float) -> tuple[float, float, float]:
    """The t interval of a mean and the p-value of a mean of 0; NaN for fewer than two distinct values."""
    from scipy import stats

    spread = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    if not spread > 1e-12 * np.abs(values).max(initial=0.0):  # else it is no more than rounding
        return np.nan, np.nan, np.nan
    lo, hi = stats.t.interval(level, len(values) - 1, values.mean(), spread)
    return float(lo), float(hi), float(stats.ttest_1samp(values, 0).pvalue)


def _holm(p: Sequence[float]) -> list[float]:
    order = np.argsort(p)
    stepped = np.maximum.accumulate(np.minimum(1.0, np.asarray(p)[order] * np.arange(len(p), 0, -1)))
    adjusted = np.empty(len(p))
    adjusted[order] = stepped
    return [float(value) for value in adjusted]
