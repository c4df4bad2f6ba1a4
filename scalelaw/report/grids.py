"""Data of the coverage figure: the grid of a table's measurements, per family of tasks and compressor."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scalelaw.report.text import format as fmt
from scalelaw.table.schema import OK

_MOST = 14
_ROWS = ("n_params", "n_params_vision", "compressor", "model", "benchmark", "experiment")


@dataclass(frozen=True)
class Coverage:
    """A grid of what was measured. mean: [levels, columns] (NaN: not measured); rows: measurements per cell;
    benchmarks: how many different ones a cell averages (0: none stated); uneven: cells that do not average every
    benchmark of the grid alike, described in `mix_note`."""

    title: str
    along: str
    by: str
    n: int
    columns: tuple[str, ...]
    levels: tuple[str, ...]
    mean: np.ndarray
    rows: np.ndarray
    note: str = ""
    x: np.ndarray | None = None
    y: np.ndarray | None = None
    error: np.ndarray | None = None
    benchmarks: np.ndarray | None = None
    uneven: np.ndarray | None = None
    mix_note: str = ""
    target: str = "error"

    @property
    def is_grid(self) -> bool:
        """Whether the measurements form a grid whose cells are large enough to be read; else they are points."""
        small = len(self.columns) <= _MOST and len(self.levels) <= _MOST
        return small or self.x is None or self.y is None


def coverage(frame: pd.DataFrame) -> list[Coverage]:
    """The grids of what a table measured (rows of status ok): sizes (compressors, models) by visual tokens
    (benchmarks), one per family of tasks, and per compressor where most come in several sizes."""
    known = frame[frame["error"].notna() & (frame["status"].isna() | (frame["status"] == OK))]
    if known.empty:
        return []
    sizes = known.groupby("compressor")["n_params"].nunique()
    apart = ["task_family", *(["compressor"] if len(sizes) and (sizes > 1).mean() > 0.5 else [])]
    keys = [c for c in apart if known[c].nunique() > 0]
    left_out = frame.drop(known.index)
    if not keys:
        return [_grid(known, f"Mean {fmt.target_of_rows(known)}", left_out)]
    filled = known.assign(**{c: known[c].fillna(f"{c}_not_stated") for c in keys})
    target = fmt.target_of_rows(known)
    return [_grid(group, _title(name, target), left_out) for name, group in filled.groupby(keys, sort=True)]


def _title(name: object, target: str) -> str:
    parts = name if isinstance(name, tuple) else (name,)
    return f"Mean {target}: " + ", ".join(fmt.named(str(p)) for p in parts)


def _grid(frame: pd.DataFrame, title: str, left_out: pd.DataFrame) -> Coverage:
    along = _varied(frame, ("visual_tokens", "train_samples", "train_tokens", "benchmark", "metric"))
    by = _varied(
        frame,
        tuple(n for n in _ROWS if n != along),
    )
    labeled = frame.assign(by=_labels(frame, by), along=_labels(frame, along))
    levels, columns = (_order(frame, name, labeled[key]) for name, key in ((by, "by"), (along, "along")))
    mean, rows = (
        labeled.pivot_table(index="by", columns="along", values="error", aggfunc=how)
        .reindex(levels)[columns]
        .to_numpy(float)
        for how in ("mean", "size")
    )
    x, y = (
        frame[n].to_numpy(float) if pd.api.types.is_numeric_dtype(frame[n]) else None for n in (along, by)
    )
    counts = _of_each(labeled, levels, columns)
    differs = _differs(counts) if along != "benchmark" != by else np.zeros(counts.shape, bool)
    uneven = np.asarray(differs.any(axis=2))
    note = _note(frame, mean) + (
        f" · {fmt.count(int(uneven.sum()), 'uneven cell')} *" if uneven.any() else ""
    )
    return Coverage(
        title, along, by, len(frame), tuple(columns), tuple(levels), mean, np.nan_to_num(rows), note,
        x, y, frame["error"].to_numpy(float), (counts > 0).sum(axis=2), uneven,
        _mix_note(sorted(frame["benchmark"].dropna().unique()), counts, differs, left_out), fmt.target_of_rows(frame),
    )  # fmt: skip


def _of_each(rows: pd.DataFrame, levels: list[str], columns: list[str]) -> np.ndarray:
    """How many rows each cell has of each benchmark, in alphabetical order: [levels, columns, benchmarks]."""
    cells = [
        part.pivot_table(index="by", columns="along", values="error", aggfunc="size")
        .reindex(index=levels, columns=columns)
        .to_numpy(float)
        for _, part in rows.groupby("benchmark", sort=True)
    ]
    return np.nan_to_num(np.stack(cells, axis=2)) if cells else np.zeros((len(levels), len(columns), 1))


def _differs(counts: np.ndarray) -> np.ndarray:
    """In which benchmarks a cell's mix differs from that of most cells: [levels, columns, benchmarks]."""
    measured = counts.sum(axis=2) > 0
    mixes = Counter(tuple(np.round(cell / cell.max(), 9)) for cell in counts[measured])
    if len(mixes) < 2:
        return np.zeros(counts.shape, bool)
    usual = np.array(max(mixes, key=lambda mix: (mixes[mix], sum(mix))))
    ratio = np.where(usual > 0, counts / np.where(usual > 0, usual, 1.0), 0.0)
    most = ratio.max(axis=2, keepdims=True)
    differs = (usual > 0) & (ratio < most - 1e-6) | (usual == 0) & (counts > 0)
    return np.asarray(measured[..., None] & differs)


def _mix_note(names: list[str], counts: np.ndarray, differs: np.ndarray, left_out: pd.DataFrame) -> str:
    """How many cells average another mix of benchmarks, in which, and why where the table says it."""
    if not differs.any():
        return ""
    differing = [
        name for name, other in zip(names, np.asarray(differs.any(axis=(0, 1))), strict=True) if other
    ]
    why = (
        left_out[left_out["benchmark"].isin(differing) & left_out["error"].notna()]["status"]
        .dropna()
        .unique()
    )
    rows = f", whose rows of status {fmt.listed(map(repr, sorted(why)))} are left out" if len(why) else ""
    which = (
        fmt.listed(map(fmt.named, differing)) if len(differing) <= 3 else f"{len(differing)} of {len(names)}"
    )
    cells = fmt.count(int(differs.any(axis=2).sum()), "cell")
    return (
        f"* {cells} of {int((counts.sum(axis=2) > 0).sum())} with another mix of benchmarks (in {which}{rows}): "
        "these means do not compare with the rest."
    )


def _varied(frame: pd.DataFrame, names: tuple[str, ...]) -> str:
    there = [name for name in names if frame[name].notna().all()]
    return next((name for name in there if frame[name].nunique() > 1), there[0] if there else "source")


def _labels(frame: pd.DataFrame, name: str) -> pd.Series:
    if pd.api.types.is_numeric_dtype(frame[name]):
        return frame[name].map(lambda value: fmt.level(name, value))
    return frame[name].fillna("not stated").astype(str).map(fmt.named)


def _order(frame: pd.DataFrame, name: str, labels: pd.Series) -> list[str]:
    return list(labels.loc[frame[name].sort_values(kind="stable").index].drop_duplicates())


def _note(frame: pd.DataFrame, mean: np.ndarray) -> str:
    parts = []
    if (seeds := frame["seed"].nunique()) > 0:
        parts.append(fmt.count(int(seeds), "seed"))
    missing = int(np.isnan(mean).sum())
    if 2 * missing <= mean.size:
        parts.append(f"{fmt.count(missing, 'cell')} not measured" if missing else "every cell measured")
    return "".join(f" · {part}" for part in parts)
