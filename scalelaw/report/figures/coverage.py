"""Coverage: which cells of the grid were measured, how often, and with which result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedFormatter, FixedLocator

from scalelaw.report.figures._contract import Margins
from scalelaw.report.figures._parts import HATCH, HATCH_COLOUR, label_width, panel_heading
from scalelaw.report.figures._ticks import log_input
from scalelaw.report.study import Study, points_of
from scalelaw.report.style import MUTED, ON_DARK, ON_LIGHT, PAPER, SURFACE, TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.text.measure import clip, text_width
from scalelaw.table.schema import OK

TITLE = "Measurements"
IN_SECTION = True
_READABLE = 14
"""The most rows or columns whose cells hold their numbers and all their labels."""
_MOST = 14
_ROW_COLUMNS = ("n_params", "n_params_vision", "compressor", "model", "benchmark", "experiment")


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


def prepare(study: Study) -> Coverage | None:
    """The first grid of the study's table, or of the points of its fit."""
    rows = points_of(study) if study.table is None else study.table
    return None if rows is None else next(iter(grids(rows)), None)


def grids(frame: pd.DataFrame) -> list[Coverage]:
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
        return [_one_grid(known, f"Mean {fmt.target_of_rows(known)}", left_out)]
    filled = known.assign(**{c: known[c].fillna(f"{c}_not_stated") for c in keys})
    target = fmt.target_of_rows(known)
    return [
        _one_grid(group, _title(name, target), left_out) for name, group in filled.groupby(keys, sort=True)
    ]


def _title(name: object, target: str) -> str:
    parts = name if isinstance(name, tuple) else (name,)
    return f"Mean {target}: " + ", ".join(fmt.named(str(p)) for p in parts)


def _one_grid(frame: pd.DataFrame, title: str, left_out: pd.DataFrame) -> Coverage:
    along = _varied(frame, ("visual_tokens", "train_samples", "train_tokens", "benchmark", "metric"))
    by = _varied(
        frame,
        tuple(n for n in _ROW_COLUMNS if n != along),
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


def draw(axes: Axes, data: Coverage) -> None:
    """Draw what was measured: a grid whose cells hold their mean error, or a point each where there are too many."""
    (_draw_grid if data.is_grid else _draw_points)(axes, data)
    panel_heading(axes, data.title, f"n = {data.n}{data.note}")


def _draw_grid(axes: Axes, data: Coverage) -> None:
    rows, columns = data.mean.shape
    axes.set(xlim=(0, columns), ylim=(0, rows))
    axes.grid(False)
    numbered = _cells_hold_numbers(axes, rows, columns)
    low, high = float(np.nanmin(data.mean)), float(np.nanmax(data.mean))
    for row, column in np.ndindex(rows, columns):
        value = float(data.mean[row, column])
        if not np.isfinite(value):
            axes.add_patch(
                Rectangle(
                    (column, row), 1, 1, facecolor="none", edgecolor=HATCH_COLOUR, hatch=HATCH, linewidth=0
                )
            )
            continue
        colour = colormaps[SURFACE]((value - low) / (high - low) if high > low else 0.5)
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor=PAPER, linewidth=1.5))
        if numbered:
            count = int(data.rows[row, column])
            star = "*" if data.uneven is not None and data.uneven[row, column] else ""
            text = f"{value:.3f}{star}" + (f"\n× {count}" if count > 1 else "")
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", size=TINY, color=_ink(colour))
    if not numbered and high > low:
        _bar(axes, ScalarMappable(Normalize(low, high), SURFACE), data.target)
    for axis, labels, name in ((axes.xaxis, data.columns, data.along), (axes.yaxis, data.levels, data.by)):
        every = _every(axes, labels) if axis is axes.xaxis else -(-len(labels) // _READABLE)
        axis.set_major_locator(FixedLocator([i + 0.5 for i in range(0, len(labels), every)]))
        axis.set_major_formatter(FixedFormatter([clip(label, 1.0, TINY) for label in labels[::every]]))
        axis.set_tick_params(length=0)
        axis.set_label_text(fmt.axis(name) if name in fmt.INPUTS else fmt.named(name))
    for spine in axes.spines.values():
        spine.set_color(MUTED)


def _draw_points(axes: Axes, data: Coverage) -> None:
    assert data.x is not None
    assert data.y is not None
    log_input(axes, "x", data.along, float(data.x.min()) / 1.3, float(data.x.max()) * 1.3)
    log_input(axes, "y", data.by, float(data.y.min()) / 1.3, float(data.y.max()) * 1.3)
    dots = axes.scatter(
        data.x, data.y, c=data.error, cmap=SURFACE, s=22, edgecolors=MUTED, linewidths=0.4, zorder=3
    )
    _bar(axes, dots, data.target)


def _cells_hold_numbers(axes: Axes, rows: int, columns: int) -> bool:
    """Whether the cells are large enough for their numbers."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    (wide, tall), place = figure.get_size_inches(), axes.get_position()
    return (
        max(rows, columns) <= _READABLE
        and place.width * wide / columns >= text_width("0.000", TINY) + 0.02
        and place.height * tall / rows >= 0.16
    )


def _every(axes: Axes, labels: Sequence[str]) -> int:
    """1 where every column's label has room beside the next, 2 where every second has, ..."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    column = float(axes.get_position().width * figure.get_size_inches()[0]) / len(labels)
    widest = max(text_width(clip(label, 1.0, TINY), TINY) for label in labels) + 0.05
    return max(-(-len(labels) // _READABLE), int(np.ceil(widest / column)))


def _bar(axes: Axes, colours: ScalarMappable, target: str) -> None:
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(colours, ax=axes, label=fmt.axis(target), pad=0.02, fraction=0.03)
    bar.outline.set_visible(False)


def _ink(colour: Sequence[float]) -> str:
    """Dark or light text, whichever stands out from the colour (WCAG relative luminance)."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3])
    return ON_LIGHT if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.2 else ON_DARK


def frame(data: Coverage) -> pd.DataFrame:
    """Each cell: its mean, and how many measurements and benchmarks it has."""
    rows = [
        {
            data.by: level,
            data.along: name,
            "error": data.mean[i, j],
            "measurements": data.rows[i, j],
            **({} if data.benchmarks is None else {"benchmarks": data.benchmarks[i, j]}),
        }
        for i, level in enumerate(data.levels)
        for j, name in enumerate(data.columns)
    ]
    return pd.DataFrame(rows)


def margins(data: Coverage, width: float) -> Margins:
    """Labels of the rows at the left; a color bar at the right of points."""
    if not data.is_grid:
        return Margins(0.87, 0.6, 0.62 * (width - 0.75), fills=True)
    left = min(1.1, label_width(data.levels, width)) + 0.25
    widest = max(3.4, 1.9 * len(data.columns))
    row = 0.4 if data.rows.max() > 1 else 0.26
    return Margins(left, max(0.15, width - left - widest), max(0.9, row * len(data.levels)))
