"""What a report holds, for machines: each figure's numbers as a table, and the report's words and facts as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from scalelaw.errors import unknown
from scalelaw.files.safe_text import printable
from scalelaw.report.blocks import Block, Figure, figures_of, split, texts_of
from scalelaw.results.envelope import plain


def named_figures(blocks: Iterable[Block]) -> list[tuple[str, Figure]]:
    """Every figure with a name of its own, in order: 03_parity is in section 3."""
    return [
        (f"{number:02d}_{figure.name}", figure)
        for number, page in enumerate(split(blocks), 1)
        for figure in figures_of(page)
    ]


def selected(blocks: Sequence[Block], names: Sequence[str]) -> list[tuple[str, Figure]]:
    """The figures with these names, with or without the number of the section (03_parity, parity), or with these
    plug-ins (curves); all where no names are given.

    Raises InputError for a name that no figure has.
    """
    figures = named_figures(blocks)
    known = dict.fromkeys(name for full, figure in figures for name in (figure.name, full, figure.plugin))
    for name in names:
        if name not in known:
            raise unknown("figure", name, known)
    return [
        (full, figure)
        for full, figure in figures
        if not names or {full, figure.name, figure.plugin} & set(names)
    ]


def contents_of(blocks: Iterable[Block], figures: Iterable[str], facts: dict[str, Any]) -> dict[str, Any]:
    """The data of report.json: `facts`, and section by section its text and the csv of each figure."""
    names = list(figures)
    return {
        **facts,
        "pages": [
            {
                "page": number,
                "said": [{"kind": kind, "text": text} for kind, text in texts_of(page)],
                "figures": [f"{name}.csv" for name in names if name.startswith(f"{number:02d}_")],
            }
            for number, page in enumerate(split(blocks), 1)
        ],
    }


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
