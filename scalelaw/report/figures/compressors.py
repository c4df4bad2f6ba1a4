"""Compressors at equal numbers of visual tokens: their mean error on what was measured with each."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from scalelaw.report.figures._lines import Line, Lines, draw, frame, margins
from scalelaw.report.study import Study
from scalelaw.report.text import format as fmt

__all__ = ["IN_SECTION", "TITLE", "compressors", "draw", "frame", "margins", "prepare"]
TITLE = "Compressors compared"
IN_SECTION = True


def prepare(study: Study) -> Lines | None:
    """The first family of tasks for which the study's table has several compressors."""
    return None if study.table is None else next(iter(compressors(study.table)), None)


def compressors(frame: pd.DataFrame) -> list[Lines]:
    """The mean error of each compressor along visual tokens, a panel per family of tasks, of the benchmarks and
    models that were measured for every point shown: none is compared on easier tasks than another."""
    known = frame[frame[["error", "visual_tokens", "compressor"]].notna().all(axis=1)]
    curves = []
    order = {name: place for place, name in enumerate(sorted(known["compressor"].unique()))}
    filled = known.assign(task_family=known["task_family"].fillna("tasks not stated"))
    for family, rows in filled.groupby("task_family", sort=True):
        rows = rows.assign(case=_cases(rows))
        cells = rows.groupby(["compressor", "visual_tokens"])["case"].agg(set)
        shared = _shared(list(cells))
        cells = cells[[shared <= cell for cell in cells]]
        if not shared or cells.index.get_level_values(0).nunique() < 2:
            continue
        rows = rows[rows["case"].isin(shared)]
        means = rows.groupby(["compressor", "visual_tokens"])["error"].mean()[cells.index]
        lines = tuple(
            Line(
                fmt.capital(fmt.named(str(name))),
                part.index.get_level_values(1).to_numpy(float),
                part.to_numpy(),
                look=order[name],
            )
            for name, part in means.groupby(level=0)
        )
        benchmarks = fmt.count(int(rows["benchmark"].nunique()), "benchmark")
        title = fmt.capital(fmt.named(str(family)))
        curves.append(
            Lines(title, "visual_tokens", f"mean {fmt.axis(fmt.target_of_rows(rows))}",
                  f"n = {int(rows.set_index(['compressor', 'visual_tokens']).index.isin(cells.index).sum())} · "
                  f"{benchmarks}", lines)
        )  # fmt: skip
    return curves


def _cases(frame: pd.DataFrame) -> pd.Series:
    parts = [
        frame[c].astype(object).where(frame[c].notna(), "").astype(str)
        for c in ("benchmark", "metric", "n_params")
    ]
    return parts[0] + "|" + parts[1] + "|" + parts[2]


def _shared(cells: Sequence[set[str]]) -> set[str]:
    """The cases of most cells: every cell that lacks one of them is left out."""
    counts = pd.Series([case for cell in cells for case in cell]).value_counts()
    return set(counts[counts >= 0.6 * len(cells)].index)
