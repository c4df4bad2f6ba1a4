"""Paired comparison of what differs in one column (compressors, say) with everything else the same.

Two rows are a pair where they agree in `within` and in `pairs` (by default: benchmark, model, visual tokens; seed). The
difference of a pair is free of all that the two share: the data, their order, the tower, the LLM it began with. Per
group: the mean error with a t interval, the mean difference to the baseline likewise, and a paired t test, its p-values
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
"""How a number is named: 1 for 1.0, 6738415616 in full."""


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
    baseline's: below 0 is better), p, p_holm, plateaus (rows whose status is not `ok`: in the means, and said).
    An interval or a p from one pair is NaN; so is p where every pair differs by the same. A row without its pair is
    left out of the difference and counted in `unpaired`.
    `by` itself is taken out of `within`.
    Raises InputError for a column or a baseline that the table lacks, and for two rows where one is expected.
    """
    import pandas as pd

    if by in pairs:
        raise InputError(f"Rows are paired by {by}: it cannot be compared itself.", code="bad_column")
    within = [column for column in within if column != by]
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
            hint="Choose the rows with --where, or name more columns that tell them apart.",
        )
    rows: list[dict[str, Any]] = []
    for group, held in table.groupby(list(within), sort=True):
        base = held[held[by] == baseline].set_index(list(pairs))["error"]
        found = [
            _compare(own, base, pairs, level) | {by: value} for value, own in held.groupby(by, sort=True)
        ]
        tested = [one for one in found if one[by] != baseline and np.isfinite(one["p"])]
        for tried, p in zip(tested, _holm([one["p"] for one in tested]), strict=True):
            tried["p_holm"] = p
        rows += [dict(zip(within, group, strict=True)) | one for one in found]
    columns = [*within, by, "n", "error", "error_lo", "error_hi", "difference", "difference_lo", "difference_hi",
               "p", "p_holm", "unpaired", "plateaus"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


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
    """The t interval of a mean, and the p-value of its being 0; NaN where the values cannot say."""
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
