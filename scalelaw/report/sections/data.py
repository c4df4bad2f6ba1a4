"""The pages on what was measured: the grid of a table, or of a fit's own points, and the doubts about the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from scalelaw.report import grids
from scalelaw.report.collect import Contents, Study
from scalelaw.report.figures import draw_coverage
from scalelaw.report.render.pdf import FOOT, LEADING, Column, Page, wrap
from scalelaw.report.sections.fit import LEFT, WIDE
from scalelaw.report.study import facts_of
from scalelaw.report.style import MARGIN, MUTED, PAGE, SMALL
from scalelaw.report.text import format as fmt
from scalelaw.table.coverage import doubts_about
from scalelaw.table.read import read_table
from scalelaw.table.schema import COLUMNS

_ROOM = PAGE[0] - 2 * MARGIN
_DOUBTS, _MOST_DOUBTS = 2.2, 30
"""Inches that are kept free for doubts on the page of the first grid, and how many are printed; those without room
go on on a following page."""
_BELOW = 0.95
"""Room for a panel's ticks and label, and the next heading, in inches."""


def measured_pages(contents: Contents) -> Iterator[Page]:
    """A page for each table, then for the points of each fit whose table is not among them."""
    for name, frame in contents.tables:
        yield from coverage_pages(name, frame)
    shown = {Path(name).name for name, _ in contents.tables}
    for study in contents.studies:
        fitted, points_of = study.fitted, _points(study)
        if fitted is None or points_of is None:
            continue
        held = fitted.checklist
        name, points = str(held.get("table", "not named")), str(held.get("data_hash", id(fitted)))
        if not {Path(name).name, points} & shown:
            shown.add(points)
            named = "" if name == "not named" else name
            yield from coverage_pages(named, points_of, f": {study.name}" if study.name else "")


def coverage_pages(name: str, frame: pd.DataFrame, tag: str = "") -> Iterator[Page]:
    """The grids of what was measured, one per family of tasks and compressor, as many to a page as can be read; on
    the first page the doubts about the numbers stand under them."""
    panels = grids.coverage(frame)
    title = f"What was measured{tag or (f': {Path(name).name}' if name else '')}"
    doubts, first = doubts_about(frame, name), 0
    while first < len(panels) or (first == 0 and doubts):
        page = Page(title, about(name, frame) if first == 0 else "")
        top, below = page.top + 0.55, min(_height(doubts), _DOUBTS) if first == 0 else 0.0
        shown = _together(panels[first:], FOOT - top - below)
        for row, (data, height) in enumerate(shown):
            wide = max(3.4, 1.9 * len(data.columns)) if data.is_grid else WIDE - 0.55
            place = (LEFT + 0.3, top, min(WIDE - 0.3, wide), height)
            page.plot(f"coverage_{first + row + 1}", place, draw_coverage, data)
            if data.said:
                page.told.append(("paragraph", data.said))
                page.text(MARGIN, top + height + 0.48, data.said, _ROOM, size=SMALL, colour=MUTED)
            top += height + _below(data)
        if below:
            column = Column(page, MARGIN, top - 0.2, _ROOM)
            column.heading("Doubts about these numbers")
            for doubt in doubts[:_MOST_DOUBTS]:
                column.item(doubt)
            if len(doubts) > _MOST_DOUBTS:
                column.item(f"and {len(doubts) - _MOST_DOUBTS} more; `scalelaw show` lists them.")
        yield page
        first += max(len(shown), 1)


def _together(panels: Sequence[grids.Coverage], room: float) -> list[tuple[grids.Coverage, float]]:
    """The first panels that a page has `room` for, at least one, each with its height in inches."""
    wanted = [min(2.05, 0.3 + 0.55 * len(p.levels)) if p.is_grid else 2.05 for p in panels]
    below = [_below(panel) for panel in panels]
    held = sum(sum(wanted[: k + 1]) + sum(below[: k + 1]) <= room for k in range(len(panels)))
    if held > 1:
        return list(zip(panels[:held], wanted, strict=False))
    return [(p, min(4.6, 1.15 * len(p.levels) if p.is_grid else 4.6, room - below[0])) for p in panels[:1]]


def _below(panel: grids.Coverage) -> float:
    """Room under a panel in inches: its ticks, label, what is said of its cells, and the next heading."""
    return _BELOW + (len(wrap(panel.said, _ROOM, SMALL)) * LEADING * SMALL / 72 if panel.said else 0.0)


def about(name: str, frame: pd.DataFrame) -> str:
    """What a table is, in a line: its title, how much it holds, and where it comes from."""
    facts = facts_of(name)
    title = facts.get("title") or (f"Table {Path(name).name}" if name else "A table of results")
    models = int(frame["model"].nunique())
    held = [fmt.count(len(frame), "row"), *([fmt.count(models, "model")] if models else [])]
    source = f" {facts['citation']}." if facts.get("citation") else ""
    return f"{title}: {', '.join(held)}.{source}"


def _height(doubts: Sequence[str]) -> float:
    """How much of a page the doubts take, in inches."""
    lines = sum(len(wrap(doubt, _ROOM - 0.17, SMALL + 0.5)) for doubt in doubts)
    return 0.35 + lines * LEADING * (SMALL + 0.5) / 72 + 0.07 * len(doubts) if doubts else 0.0


def _points(study: Study) -> pd.DataFrame | None:
    """The points of a fit as a table; None where they are no errors of sizes, tokens or samples."""
    fitted = study.fitted
    if fitted is None or fitted.target != "error":
        return None
    columns = fitted.checklist.get("columns", {})
    inputs = {columns.get(name, name): values for name, values in fitted.points["inputs"].items()}
    if not set(inputs) <= set(COLUMNS):
        return None
    labels = {name: held for name, held in fitted.points["labels"].items() if name in COLUMNS}
    held = {**labels, **inputs, "error": fitted.points["target"], "error_se": fitted.points["target_se"]}
    if fmt.target_of(fitted) == fmt.LOSS:
        held["direction"] = fmt.LOSS
    return read_table(pd.DataFrame(held))
