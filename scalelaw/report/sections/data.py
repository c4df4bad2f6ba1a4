"""The pages on the measurements: the grid of a table, or of the points of a fit, and the limitations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from scalelaw.report.collect import Contents
from scalelaw.report.figures import coverage
from scalelaw.report.render.pdf import FOOT, Column, Page
from scalelaw.report.sections.fit import LEFT, WIDE
from scalelaw.report.study import facts_of, points_of
from scalelaw.report.style import MARGIN, MUTED, PAGE, SMALL
from scalelaw.report.text import format as fmt
from scalelaw.report.text.measure import LEADING, wrap
from scalelaw.table.coverage import table_warnings

_ROOM = PAGE[0] - 2 * MARGIN
_LIMITATIONS, _MOST_LIMITATIONS = 2.2, 30
"""Inches that are kept free for limitations on the page of the first grid, and how many are printed; those without room
go on on a following page."""
_BELOW = 0.95
"""Room for a panel's ticks and label, and the next heading, in inches."""


def measured_pages(contents: Contents) -> Iterator[Page]:
    """A page for each table, then for the points of each fit whose table is not among them."""
    for name, frame in contents.tables:
        yield from coverage_pages(name, frame)
    shown = {Path(name).name for name, _ in contents.tables}
    for study in contents.studies:
        fitted, table = study.fitted, points_of(study)
        if fitted is None or table is None:
            continue
        facts = fitted.checklist
        name, points = str(facts.get("table", "not named")), str(facts.get("data_hash", id(fitted)))
        if not {Path(name).name, points} & shown:
            shown.add(points)
            named = "" if name == "not named" else name
            yield from coverage_pages(named, table, f": {study.name}" if study.name else "")


def coverage_pages(name: str, frame: pd.DataFrame, tag: str = "") -> Iterator[Page]:
    """The grids of what was measured, one per family of tasks and compressor, as many to a page as can be read; the
    limitations follow on the first page."""
    panels = coverage.grids(frame)
    title = f"What was measured{tag or (f': {Path(name).name}' if name else '')}"
    limitations, first = table_warnings(frame, name), 0
    while first < len(panels) or (first == 0 and limitations):
        page = Page(title, about(name, frame) if first == 0 else "")
        top, below = page.top + 0.55, min(_height(limitations), _LIMITATIONS) if first == 0 else 0.0
        shown = _together(panels[first:], FOOT - top - below)
        for row, (data, height) in enumerate(shown):
            wide = max(3.4, 1.9 * len(data.columns)) if data.is_grid else WIDE - 0.55
            place = (LEFT + 0.3, top, min(WIDE - 0.3, wide), height)
            page.plot(f"coverage_{first + row + 1}", place, coverage, data)
            if data.mix_note:
                page.texts.append(("paragraph", data.mix_note))
                page.text(MARGIN, top + height + 0.48, data.mix_note, _ROOM, size=SMALL, colour=MUTED)
            top += height + _below(data)
        if below:
            column = Column(page, MARGIN, top - 0.2, _ROOM)
            column.heading("Limitations of these numbers")
            for limitation in limitations[:_MOST_LIMITATIONS]:
                column.item(limitation)
            if len(limitations) > _MOST_LIMITATIONS:
                column.item(f"and {len(limitations) - _MOST_LIMITATIONS} more; `scalelaw show` lists them.")
        yield page
        first += max(len(shown), 1)


def _together(panels: Sequence[coverage.Coverage], room: float) -> list[tuple[coverage.Coverage, float]]:
    """The first panels that a page has `room` for, at least one, each with its height in inches."""
    wanted = [min(2.05, 0.3 + 0.55 * len(p.levels)) if p.is_grid else 2.05 for p in panels]
    below = [_below(panel) for panel in panels]
    count = sum(sum(wanted[: k + 1]) + sum(below[: k + 1]) <= room for k in range(len(panels)))
    if count > 1:
        return list(zip(panels[:count], wanted, strict=False))
    return [(p, min(4.6, 1.15 * len(p.levels) if p.is_grid else 4.6, room - below[0])) for p in panels[:1]]


def _below(panel: coverage.Coverage) -> float:
    """Room under a panel in inches: its ticks, label, the note on its cells, and the next heading."""
    return _BELOW + (
        len(wrap(panel.mix_note, _ROOM, SMALL)) * LEADING * SMALL / 72 if panel.mix_note else 0.0
    )


def about(name: str, frame: pd.DataFrame) -> str:
    """What a table is, in a line: its title, how much it holds, and where it comes from."""
    facts = facts_of(name)
    title = facts.get("title") or (f"Table {Path(name).name}" if name else "A table of results")
    models = int(frame["model"].nunique())
    parts = [fmt.count(len(frame), "row"), *([fmt.count(models, "model")] if models else [])]
    source = f" {facts['citation']}." if facts.get("citation") else ""
    return f"{title}: {', '.join(parts)}.{source}"


def _height(limitations: Sequence[str]) -> float:
    """Height of the limitations on a page, in inches."""
    lines = sum(len(wrap(limitation, _ROOM - 0.17, SMALL + 0.5)) for limitation in limitations)
    return 0.35 + lines * LEADING * (SMALL + 0.5) / 72 + 0.07 * len(limitations) if limitations else 0.0
