"""Checks on the points before a fit: which way the target goes, the units of the inputs, and what the points pool."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pandas as pd

from scalelaw.errors import InputError, data_row
from scalelaw.table.schema import COLUMNS

Warnings = Iterator[tuple[str, str]]

_LOSS = re.compile(
    r"(^|[^a-z])(loss|nll|ce|xent|cross[ _-]?entropy|perplexity|ppl|bpb|bpc|bits[ _-]per[ _-]byte)($|[^a-z])",
    re.I,
)
_SCORE = re.compile(
    r"(^|[^a-z])(acc|accuracy|scores?|f1|em|exact[ _-]?match|bleu|rouge|cider|meteor|anls|precision|recall|"
    r"m?ap|m?iou|auc|correct|win[ _-]?rate|value)($|[^a-z])",
    re.I,
)
_SIZE = re.compile(r"param|token|size|flop|compute|sample|frame|pixel|step|^[NVDC]$", re.I)
_NAMED_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) ?([BM])(?![A-Za-z0-9])")

MOST_COMPARED = 400
"""Maximum number of points that are compared pair by pair."""
FEWEST_RISING = 6
"""Points within [0, 1] for which a rise is significant: fewer than 1% of random orders of six have at most one
inversion."""
GAP = 1e4
"""Factor between neighboring sizes that indicates a change of unit."""
FACTORS = (1e3, 1e6, 1e9)
"""Thousands, millions and billions."""
SMALLEST_MODEL = 1e4
"""Parameter count below which a value is in thousands, millions or billions."""
SMALLEST_LLM = 5e3
"""Smallest parameter count of a table whose largest is below a million that is not taken for millions."""


def target_kind(rows: pd.DataFrame, target: str) -> str:
    """What the target is: `error` (a share of 1), `loss` (in its own unit), or `other`."""
    if target == "error":
        if "direction" in rows and (rows["direction"] == "loss").any():
            return "loss"
        metrics = list(rows["metric"].dropna().unique()) if "metric" in rows else []
        return "loss" if len(metrics) and all(_LOSS.search(str(m)) for m in metrics) else "error"
    if target == "value" and "direction" in rows and (rows["direction"] == "loss").any():
        return "loss"
    return "loss" if _LOSS.search(target) else "other"


def check_direction(
    rows: pd.DataFrame,
    inputs: Mapping[str, np.ndarray],
    values: np.ndarray,
    target: str,
    columns: Mapping[str, str],
    own_law: bool,
) -> Warnings:
    """Warn of a target that may be a score. A law of errors falls as its inputs grow.

    Args:
        inputs: name -> values [n]; columns: name -> the column they are read from.
        values: the target [n].
        own_law: a formula or file of the user's, which may rise with inputs that are not sizes.

    Raises:
        InputError: `looks_like_score` for a target that is clearly a score.
    """
    kind = target_kind(rows, target)
    named = bool(_SCORE.search(target))
    ours = target in COLUMNS and target not in ("error", "value")
    if kind == "loss" or ours or not len(values) or (kind == "other" and own_law and not named):
        return
    sizes = [
        name for name in inputs if not own_law or _SIZE.search(columns.get(name, name)) or _SIZE.search(name)
    ]
    rise, pairs = _rise(rows, inputs, sizes, values)
    outside = float(values.max()) > 1
    distinct = len(np.unique(values))
    if outside:
        plain = pairs > 0 and (rise > 0 if kind == "other" and not named else rise > -0.2) and distinct > 1
    elif named:
        plain = pairs > 0 and rise > 0
    else:
        plain = rise >= 0.8 and min(distinct, len(values)) >= FEWEST_RISING
    if not plain:
        if not outside and rise == 1 and distinct >= 3:
            yield (
                "looks_like_score",
                f"Column '{target}' rises with size in all {distinct} values, as a score does. "
                f"If it is one, add --score {_typed(target, values)}.",
            )
        return
    why = (
        f"rises with {' and '.join(sizes)} in {_share(rise)} of the comparable pairs"
        if rise > 0
        else f"goes up to {values.max():g} and does not fall with size"
    )
    raise InputError(
        f"Column '{target}' looks like a score, not an error: it {why}.",
        code="looks_like_score",
        hint=f"Add --score {_typed(target, values)} (in Python score={{'{target}': {_maximum(values):g}}}) to fit "
        "1 - score / maximum, or --as-is (as_is=True) to fit it unchanged.",
    )


def _maximum(values: np.ndarray) -> float:
    most = float(values.max())
    return 1 if most <= 1 else 100 if most <= 100 else 10.0 ** np.ceil(np.log10(most))


def _typed(target: str, values: np.ndarray) -> str:
    name = (
        f"'{target}={_maximum(values):g}'"
        if re.search(r"[^\w.-]", target)
        else f"{target}={_maximum(values):g}"
    )
    return f"{name}" if values.max() <= 100 else f"{name} (its maximum)"


def _share(rise: float) -> str:
    return f"{round(50 * (1 + rise))}%"


def _rise(
    rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], sizes: list[str], values: np.ndarray
) -> tuple[float, int]:
    """(rising pairs - falling pairs) / pairs, and the number of pairs.

    A pair is two points of the same kind of which one is at least as large in every size and larger in one, with equal
    other inputs.
    """
    if not sizes or not inputs:
        return 0.0, 0
    sample = np.unique(np.linspace(0, len(values) - 1, min(len(values), MOST_COMPARED)).astype(int))
    size = np.log(np.stack([inputs[name] for name in sizes])[:, sample])
    y = values[sample]
    same = np.ones((len(y), len(y)), bool)
    others = [inputs[name][sample] for name in inputs if name not in sizes]
    kinds = [
        c
        for c in ("benchmark", "metric", "task_family", "compressor", "judge")
        if c in rows and c not in sizes
    ]
    others += [pd.factorize(rows[c].iloc[sample])[0] for c in kinds]
    for other in others:
        same &= other[:, None] == other[None, :]
    step = size[:, None, :] - size[:, :, None]
    above = same & (step >= 0).all(axis=0) & (step > 0).any(axis=0)
    up = np.sign(y[None, :] - y[:, None])[above]
    pairs = int((up != 0).sum())
    return (float(up.sum() / pairs) if pairs else 0.0), pairs


def check_units(rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], columns: Mapping[str, str]) -> Warnings:
    """Warn of inputs that are probably not in the unit of their column.

    Raises:
        InputError: `unit_mismatch` for a token count as a share of 1, and for values of two units in one column.
    """
    for name, values in inputs.items():
        column = columns.get(name, name)
        kind = name if name in COLUMNS else column
        if kind == "visual_tokens" and values.min() < 1:
            raise InputError(
                f"Column '{column}' has {values.min():g}, but a number of visual tokens is at least 1.",
                code="unit_mismatch",
                hint=f"Scale a share of the tokens by their full number (--scale {column}=576), or counts in "
                f"thousands by --scale {column}=1000. --as-is keeps the values.",
            )
        if kind.startswith("n_params") or kind in ("train_tokens", "train_flops"):
            _one_unit(rows, values, column)
        if kind.startswith("n_params"):
            yield from _parameters(rows, values, column)
        if kind == "train_tokens" and values.max() < SMALLEST_MODEL:
            yield (
                "unit_mismatch",
                f"{column} is at most {values.max():g}, and its unit is tokens. If it is in billions, add "
                f"--scale {column}=1e9.",
            )


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
    at = data_row(int(rows.index[int(np.flatnonzero(odd)[0])]) + 1)
    raise InputError(
        f"Column '{column}' has values in two units: {values[odd][0]:g} in {at} differs from the others by a factor "
        f"of {steps.max():.0e}.",
        code="unit_mismatch",
        hint="Write all values in one unit, 7e9 for 7 billion. --as-is keeps the values.",
    )


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
        ratio = named[known] / values[known]
        wrong = np.abs(np.round(np.log10(ratio) / 3)) >= 1
        wrong &= np.abs(np.log10(ratio) - 3 * np.round(np.log10(ratio) / 3)) < 0.5
        if wrong.any():
            first = int(np.flatnonzero(known)[int(np.flatnonzero(wrong)[0])])
            exponent = int(3 * np.round(np.log10(named[first] / values[first]) / 3))
            count = f"{int(wrong.sum())} of {int(known.sum())} models"
            yield (
                "unit_mismatch",
                f"{column} is {values[first]:g} for the model '{rows['model'].iloc[first]}'; {count} are affected. "
                + (
                    f"Add --scale {column}=1e{exponent}." if wrong.all() else "Write all sizes in parameters."
                ),
            )
        return
    distinct = np.unique(values)
    plain = all(float(f"{v:.1e}") == v for v in distinct) and len(distinct) >= 3
    if plain and most < 1e8 and float(distinct[0]) >= 1e5:
        yield (
            "unit_mismatch",
            f"{column} lies between {distinct[0]:g} and {most:g}, all round numbers, and its unit is parameters. If "
            f"the table is in thousands, add --scale {column}=1e3.",
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


KINDS = (
    "task_family", "compressor", "benchmark", "metric", "judge", "n_shot", "filter", "group", "part", "part_of",
    "split", "direction", "weight_bits", "dtype", "precision", "frames", "image_pixels", "rate_factor",
)  # fmt: skip
"""Columns whose values distinguish measurements or models."""
LENGTHS = ("train_samples", "train_steps", "steps", "train_tokens", "train_flops", "generated_tokens")
"""Columns of training lengths: points that differ by more than the factor `SAME_LENGTH` are pooled."""
SAME_LENGTH = 1.02


def pooled(rows: pd.DataFrame, columns: Collection[str], named: Collection[str]) -> Warnings:
    """Warn of points of several kinds.

    Args:
        columns: inputs of the law.
        named: columns that the rows were selected by.
    """
    free = [c for c in (*KINDS, *LENGTHS) if c in rows and c not in columns and c not in named]
    for column in [c for c in free if c in KINDS]:
        kinds = _kinds(rows[column])
        if len(kinds) < 2:
            continue
        shown = ", ".join(str(kind)[:60] for kind in kinds[:6]) + (", ..." if len(kinds) > 6 else "")
        yield (
            f"mixed_{column}",
            f"The points mix {len(kinds)} values of {column} ({shown}). Select one with --where '{column}=...'.",
        )
        if column == "benchmark":
            yield (
                "pooled_benchmarks",
                f"One law is fitted to {len(kinds)} benchmarks together. Add --by benchmark to fit each.",
            )
    if any(c in columns for c in LENGTHS if c != "generated_tokens"):
        free = [c for c in free if c not in LENGTHS or c == "generated_tokens"]
    for column in [c for c in free if c in LENGTHS]:
        if _lengths_differ(rows, column):
            values = pd.to_numeric(rows[column], errors="coerce")
            yield (
                f"mixed_{column}",
                f"The points differ in {column} ({values.min():.4g} to {values.max():.4g}), which is not an input of "
                f"the law. Select one with --where '{column}=...', or fit a law with this input.",
            )


def _kinds(column: pd.Series) -> list[object]:
    """The distinct values of a column; an empty cell counts as one for `direction`, and for `judge` beside others."""
    try:
        kinds = list(column.dropna().unique())
    # lists and other values that cannot be compared
    except TypeError:
        return []
    if column.name == "direction":
        return list(dict.fromkeys(column.fillna("score")))
    if column.name == "judge" and kinds and column.isna().any():
        return [*kinds, "none"]
    return kinds


def _lengths_differ(rows: pd.DataFrame, column: str) -> bool:
    """Whether the lengths differ; training tokens and FLOPs among rows of one size, on which they depend."""
    values = pd.to_numeric(rows[column], errors="coerce")
    if values.notna().sum() < 2:
        return False
    sized = [
        c
        for c in ("n_params", "visual_tokens", "compressor", "text_tokens", "benchmark")
        if c in rows and rows[c].notna().any() and (column == "train_flops" or c != "n_params")
    ]
    if column in ("train_tokens", "train_flops") and sized:
        groups = values.groupby([rows[c] for c in sized], dropna=False)
        return bool(((groups.max() / groups.min()).fillna(1.0) > SAME_LENGTH).any())
    return bool(values.max() > SAME_LENGTH * values.min())
