"""What a report holds, for machines: each figure's numbers as a table, and the report's words and facts as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from scalelaw.errors import unknown
from scalelaw.files.safe_text import one_line, printable
from scalelaw.report.render.pdf import Page
from scalelaw.results.envelope import plain


def named_figures(pages: Sequence[Page]) -> list[tuple[str, Any]]:
    """Every figure with a name of its own, in order: 03_parity is on page 3."""
    return [
        (f"{number:02d}_{panel.name}", panel) for number, page in enumerate(pages, 1) for panel in page.panels
    ]


def select_figures(pages: Sequence[Page], names: Sequence[str]) -> None:
    """Keep only the figures with these names, with or without the page number (03_parity, parity), or
    by their plug-in (curves).

    Raises InputError for a name that no figure has.
    """
    figures = named_figures(pages)
    known = dict.fromkeys(name for full, panel in figures for name in (panel.name, full, panel.plugin))
    for name in names:
        if name not in known:
            raise unknown("figure", name, known)
    for number, page in enumerate(pages, 1):
        page.panels = [p for p in page.panels if {p.name, p.plugin, f"{number:02d}_{p.name}"} & set(names)]


def contents_of(pages: Sequence[Page], facts: dict[str, Any]) -> dict[str, Any]:
    """The data of report.json: `facts`, and page by page its words and the csv of each figure."""
    return {
        **facts,
        "pages": [
            {
                "page": number,
                "said": [{"kind": kind, "text": text} for kind, text in page.texts],
                "figures": [f"{number:02d}_{panel.name}.csv" for panel in page.panels],
            }
            for number, page in enumerate(pages, 1)
        ],
    }


def outline_of(pages: Sequence[Page]) -> list[str]:
    """The title of each page for a list of contents; '' for a page that goes on with the one before it."""
    titles: list[str] = []
    for number, page in enumerate(pages):
        title = one_line(page.title) or ("Answer" if number == 0 else "")
        titles.append(title if number == 0 or page.title != pages[number - 1].title else "")
    return titles


def csv_text(frame: pd.DataFrame) -> str:
    """A table as csv whose cells no spreadsheet takes for a formula: text that begins like one gets a quote before it,
    numbers stay as they are."""
    safe = frame.rename(columns=_no_formula)
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = safe[name].map(_no_formula)
    text: str = safe.to_csv(index=False, lineterminator="\n")
    return text


def _no_formula(cell: Any) -> Any:
    """A cell of text, on one line and with a quote before what a spreadsheet would compute."""
    if not isinstance(cell, str):
        return cell
    return f"'{printable(cell)}" if cell.lstrip(" ").startswith(_FORMULA) else printable(cell)


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def facts_of_contents(contents: Any, title: str, hashes: Sequence[str]) -> dict[str, Any]:
    """What report.json says of the whole: its question, its studies with their answers, the hashes of its numbers."""
    studies = []
    for study in contents.studies:
        fitted = study.fitted
        law = None if fitted is None else {
            "law": fitted.law, "formula": fitted.formula, "n_points": fitted.n_points, "status": fitted.status,
            "params": fitted.params, "intervals": fitted.intervals, "derived": fitted.derived, "rmse": fitted.rmse,
            "r2": fitted.r2, "checklist": fitted.checklist,
        }  # fmt: skip
        answers = [
            {"budget": o["budget"], "best": o["best"], "warnings": o["warnings"]} for o in study.optima
        ]
        studies.append({"name": study.name, "fit": law, "answers": answers})
    made: dict[str, Any] = plain({"title": title, "data": list(hashes), "studies": studies})
    return made
