"""What a report holds, for machines: each figure's numbers as a table, and the report's words and facts as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd

from scalelaw.errors import unknown
from scalelaw.files.safe_text import one_line, printable
from scalelaw.report.grids import Coverage
from scalelaw.report.lines import Line, Lines, Profile
from scalelaw.report.render.pdf import Page
from scalelaw.report.rows import Dots, Rows
from scalelaw.report.series import Choices, Cloud, Curves, Intervals, Residuals
from scalelaw.report.shares import Shares
from scalelaw.report.surfaces import Front, Surface
from scalelaw.report.text import format as fmt
from scalelaw.results.envelope import plain


def named_figures(pages: Sequence[Page]) -> list[tuple[str, Any]]:
    """Every figure with a name of its own, in order: 03_parity is on page 3."""
    return [
        (f"{number:02d}_{panel.name}", panel) for number, page in enumerate(pages, 1) for panel in page.panels
    ]


def select_figures(pages: Sequence[Page], names: Sequence[str]) -> None:
    """Keep only the figures with these names, with or without the page number (03_parity, parity).

    Raises InputError for a name that no figure has.
    """
    figures = named_figures(pages)
    known = dict.fromkeys(name for full, panel in figures for name in (panel.name, full))
    for name in names:
        if name not in known:
            raise unknown("figure", name, known)
    for number, page in enumerate(pages, 1):
        page.panels = [p for p in page.panels if {p.name, f"{number:02d}_{p.name}"} & set(names)]


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


@singledispatch
def table_of(data: Any) -> pd.DataFrame:
    """The numbers that a figure shows, a row each. Raises TypeError for what is not a figure's data."""
    raise TypeError(f"{type(data).__name__} is not the data of a figure.")


@table_of.register
def _curves(data: Curves) -> pd.DataFrame:
    frames = []
    for curve in data.curves:
        columns = {"curve": curve.label, data.along: curve.x, "predicted": curve.mean}
        if curve.low is not None and curve.high is not None:
            columns |= {"low": curve.low, "high": curve.high}
        frames.append(pd.DataFrame(columns).assign(kind="law"))
        points = {"curve": curve.label, data.along: curve.at, "measured": curve.measured, "se": curve.spread}
        frames.append(pd.DataFrame(points).assign(kind="point"))
    if data.mark:
        pick = {data.along: [data.mark[data.along]], "predicted": [data.mark["error"]], "kind": ["chosen"]}
        frames.append(pd.DataFrame(pick))
    return pd.concat([f for f in frames if len(f)], ignore_index=True)


@table_of.register
def _residuals(data: Residuals) -> pd.DataFrame:
    return pd.DataFrame(
        {**data.inputs, "measured": data.measured, "predicted": data.predicted, "residual": data.residual}
    )


@table_of.register
def _surface(data: Surface) -> pd.DataFrame:
    x, y = np.meshgrid(data.x, data.y)
    columns = {data.columns[0]: x.ravel(), data.columns[1]: y.ravel(), "predicted": data.z.ravel()}
    if data.cost is not None:
        columns["flops_2N(Q+V+G)"] = data.cost.ravel()
    frames = [pd.DataFrame(columns).assign(kind="law")]
    for kind, places in (("path", data.path), ("any_size", data.free_path), ("chosen", data.picks)):
        if places:
            rows = [
                {data.columns[0]: p[data.along], data.columns[1]: p[data.by], "predicted": p["error"]}
                for p in places
            ]
            frames.append(pd.DataFrame(rows).assign(kind=kind))
    return pd.concat(frames, ignore_index=True)


@table_of.register
def _front(data: Front) -> pd.DataFrame:
    frame = pd.DataFrame([_choice(p) for p in data.points]).assign(kind="front")
    if data.low is not None and data.high is not None:
        frame = frame.assign(low=data.low, high=data.high)
    return pd.concat(
        [frame, pd.DataFrame([_choice(p) for p in data.picks]).assign(kind="chosen")], ignore_index=True
    )


@table_of.register
def _choices(data: Choices) -> pd.DataFrame:
    rows = []
    for choice in data.choices:
        low, high = choice.get("error_interval") or (None, None)
        rows.append(
            {
                **_choice(choice),
                "low": low,
                "high": high,
                "p_best": choice.get("p_best"),
                "p_model": fmt.of_model(choice),
            }
        )
    return pd.DataFrame(rows)


def _choice(choice: Any) -> dict[str, Any]:
    row = {name: choice[name] for name in ("model", "n_params", "visual_tokens", "error")}
    return {**row, **choice["costs"]}


@table_of.register
def _cloud(data: Cloud) -> pd.DataFrame:
    return pd.DataFrame({data.x_name: data.x, data.y_name: data.y})


@table_of.register
def _intervals(data: Intervals) -> pd.DataFrame:
    return pd.DataFrame([{"name": b.name, "value": b.value, "low": b.low, "high": b.high} for b in data.bars])


@table_of.register
def _coverage(data: Coverage) -> pd.DataFrame:
    rows = [
        {
            data.by: level,
            data.along: column,
            "error": data.mean[i, j],
            "measurements": data.rows[i, j],
            **({} if data.benchmarks is None else {"benchmarks": data.benchmarks[i, j]}),
        }
        for i, level in enumerate(data.levels)
        for j, column in enumerate(data.columns)
    ]
    return pd.DataFrame(rows)


@table_of.register
def _lines(data: Lines) -> pd.DataFrame:
    frames = []
    for line in data.lines:
        frames.append(_banded({"line": line.label, data.along: line.x, "value": line.y}, line))
    return pd.concat(frames, ignore_index=True)


def _banded(columns: dict[str, Any], drawn: Line | Dots) -> pd.DataFrame:
    """A frame of what is held, with the band where one is drawn."""
    band = drawn.low is not None and drawn.high is not None
    return pd.DataFrame({**columns, "low": drawn.low, "high": drawn.high} if band else columns)


@table_of.register
def _profile(data: Profile) -> pd.DataFrame:
    return pd.DataFrame({data.name: data.values, "f_statistic": data.rise}).assign(threshold=data.threshold)


@table_of.register
def _rows(data: Rows) -> pd.DataFrame:
    frames = []
    for series in data.series:
        columns = {"row": list(data.labels), "series": series.name, "value": series.values}
        frames.append(_banded(columns, series))
    return pd.concat(frames, ignore_index=True)


@table_of.register
def _shares(data: Shares) -> pd.DataFrame:
    parts = {name: np.array(values) for name, values in data.parts.items()}
    return pd.DataFrame({"configuration": list(data.labels), "flops": list(data.totals), **parts})


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
