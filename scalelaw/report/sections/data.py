"""The sections on the measurements: the grid of a table, or of the points of a fit, and the limitations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from scalelaw.errors import Note
from scalelaw.report.blocks import Block, Figure, Heading, Item, Paragraph
from scalelaw.report.collect import Contents
from scalelaw.report.figures import coverage
from scalelaw.report.study import facts_of, points_of
from scalelaw.report.text import format as fmt
from scalelaw.table.coverage import table_warnings

_MOST_LIMITATIONS = 30
_PER_PAGE = 2
"""Grids in a section."""


def measured(contents: Contents) -> Iterator[Block]:
    """A section for each table, then for the points of each fit whose table is not among them."""
    for name, frame in contents.tables:
        yield from _covered(name, frame)
    shown = {Path(name).name for name, _ in contents.tables}
    for study in contents.studies:
        fitted, table = study.fitted, points_of(study)
        if fitted is None or table is None:
            continue
        facts = fitted.checklist
        name, points = str(facts.get("table", "not named")), str(facts.get("data_hash", id(fitted)))
        if not {Path(name).name, points} & shown:
            shown.add(points)
            yield from _covered("" if name == "not named" else name, table, study.tag, ())


def _covered(
    name: str, frame: pd.DataFrame, tag: str = "", notes: Sequence[Note] | None = None
) -> Iterator[Block]:
    """The grids of what was measured, one per family of tasks and compressor; the limitations follow the first.

    notes: of the table as a fit reads it, empty where the fit itself gives them.
    """
    panels = coverage.grids(frame)
    title = f"What was measured{tag or (f': {Path(name).name}' if name else '')}"
    limitations = table_warnings(frame, name, notes)
    for first in range(0, max(len(panels), 1 if limitations else 0), _PER_PAGE):
        yield Heading(title, 1)
        if first == 0:
            yield Paragraph(about(name, frame))
        for place, data in enumerate(panels[first : first + _PER_PAGE]):
            yield Figure(f"coverage_{first + place + 1}", coverage, data)
            if data.mix_note:
                yield Paragraph(data.mix_note, "note")
        if first == 0 and limitations:
            yield Heading("Limitations of these numbers")
            yield from limited(limitations, _MOST_LIMITATIONS)


def limited(limitations: Sequence[str], most: int) -> Iterator[Block]:
    """The first limitations of a table, and how many more there are."""
    yield from (Item(limitation) for limitation in limitations[:most])
    if len(limitations) > most:
        yield Item(f"and {len(limitations) - most} more; `scalelaw show` lists them.")


def about(name: str, frame: pd.DataFrame) -> str:
    """What a table is, in a line: its title, how much it has, and where it comes from."""
    facts = facts_of(name)
    title = facts.get("title") or (f"Table {Path(name).name}" if name else "A table of results")
    models = int(frame["model"].nunique())
    parts = [fmt.count(len(frame), "row"), *([fmt.count(models, "model")] if models else [])]
    source = f" {facts['citation']}." if facts.get("citation") else ""
    return f"{title}: {', '.join(parts)}.{source}"
