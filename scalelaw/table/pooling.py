"""What the points of a fit pool: several benchmarks, metrics, judges or training lengths."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pandas as pd

from scalelaw.errors import Note
from scalelaw.table.schema import COLUMNS

KINDS = (
    "task_family", "compressor", "benchmark", "metric", "judge", "n_shot", "filter", "group", "part", "part_of",
    "split", "direction", "weight_bits", "dtype", "precision", "frames", "image_pixels", "rate_factor",
)  # fmt: skip
"""Columns whose values distinguish measurements or models."""
SETTINGS = {*KINDS} - {"split", "group", "part"}
"""Columns that do not say what a model was measured on, or are in the schema."""
LENGTHS = ("train_samples", "train_steps", "steps", "train_tokens", "train_flops", "generated_tokens")
"""Columns of training lengths: points that differ by more than the factor `SAME_LENGTH` are pooled."""
SAME_LENGTH = 1.02


_NO_POOL = re.compile(
    r"^name$|(^|[^a-z])(seed|run|rep|repeat|repetition|replicate|trial|fold|job|id|idx|index|row|no|date|time|path|"
    r"file|url|link|notes?|comments?|source|citation|models?|llm|backbone|checkpoint|ckpt|size|cell|device|machine|gpu|"
    r"host|user|author|status|experiment|kind)s?($|[^a-z])",
    re.I,
)
"""Names of columns of text that identify a run or a model, not what it was measured on."""
_POOL = re.compile(
    r"dataset|task|split|bench|eval|suite|domain|subset|categor|lang|corpus|(^|[^a-z])(test|data|set|group|part)",
    re.I,
)
"""Names of columns of numbers that say what a model was measured on."""
_REPEATED = 0.5
"""Share of the rows from which inputs that occur several times are pooled."""


def separating_column(rows: pd.DataFrame, inputs: Mapping[str, np.ndarray]) -> str:
    """The column outside the schema that separates most rows of equal inputs (a dataset, a task); "" without one."""
    places = (
        pd.DataFrame(dict(enumerate(inputs.values()))).groupby(list(range(len(inputs)))).ngroup().to_numpy()
    )
    counts = np.bincount(places)
    if len(rows) < 4 or (counts[places] > 1).mean() < _REPEATED:
        return ""
    best, most = "", 0
    for column in map(str, rows.columns):
        if (
            column in COLUMNS
            or column in SETTINGS
            or (_NO_POOL.search(column) and not _POOL.search(column))
            or not _may_separate(rows[column], column)
        ):
            continue
        codes, kinds = pd.factorize(rows[column].astype(object))
        if not 2 <= len(kinds) <= max(2, len(rows) / 2) or (codes < 0).any():
            continue
        pairs = np.unique(np.stack([places, codes]), axis=1)
        crossed = np.bincount(pairs[0], minlength=len(counts))[counts > 1]
        covered = np.bincount(pairs[1])
        if (crossed > 1).mean() > _REPEATED and np.median(covered) > 1 and pairs.shape[1] > most:
            best, most = column, pairs.shape[1]
    return best


def _may_separate(values: pd.Series, column: str) -> bool:
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return bool(_POOL.search(column)) and bool((values % 1 == 0).all())
    return bool(values.notna().all())


def pooled(
    rows: pd.DataFrame,
    columns: Collection[str],
    named: Collection[str],
    inputs: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Note]:
    """Warn of points of several kinds.

    Args:
        columns: inputs of the law.
        named: columns that the rows were selected by.
        inputs: name -> values [n] of the law's inputs.
    """
    free = [c for c in (*KINDS, *LENGTHS) if c in rows and c not in columns and c not in named]
    varied = []
    for column in [c for c in free if c in KINDS]:
        kinds = _kinds(rows[column])
        if len(kinds) < 2:
            continue
        shown = ", ".join(str(kind)[:60] for kind in kinds[:6]) + (", ..." if len(kinds) > 6 else "")
        yield (
            f"mixed_{column}",
            f"The points mix {len(kinds)} values of {column} ({shown}). Select one with --where '{column}=...'.",
        )
        varied.append(column)
    separate = separating_column(rows, inputs) if inputs else ""
    by = "benchmark" if "benchmark" in varied else separate
    if by and by not in columns and by not in named:
        yield (
            "pooled_benchmarks",
            f"One law is fitted to {rows[by].nunique()} values of {by} together. Add --by {_quoted(by)} to fit each.",
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


def _quoted(column: str) -> str:
    return f"'{column}'" if re.search(r"[^\w.-]", column) else column


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
