"""Page one: the answer in text and numbers, its uncertainty, and the warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scalelaw.files.safe_text import one_line
from scalelaw.fit import FittedLaw
from scalelaw.report.collect import Contents
from scalelaw.report.figures import choices, curves
from scalelaw.report.figures import front as front_figure
from scalelaw.report.render.pdf import FOOT, Column, Page
from scalelaw.report.sections.data import about
from scalelaw.report.study import Study
from scalelaw.report.style import BODY, INK, MARGIN, MUTED, PAGE, PETROFF10, SMALL, TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.text.formula import typeset
from scalelaw.report.text.measure import LEADING, clip, text_width, wrap
from scalelaw.report.text.sentences import (
    explained_symbols,
    extent,
    grounds,
    mind,
    mind_all,
    served,
    target,
    the_law,
    the_plan,
)
from scalelaw.report.text.what_would_change import would_change
from scalelaw.report.values import axes_of, numbers
from scalelaw.table.coverage import table_warnings

_ROOM = PAGE[0] - 2 * MARGIN
_LEFT = 5.1
"""Width of the left column."""
_RIGHT = MARGIN + _LEFT + 0.55
_WIDTH = PAGE[0] - MARGIN - _RIGHT
_KEY = "error = 1 − score, 0 is perfect; terms are explained at the end"
_WARNINGS, _WARNING_LINES = 1.9, 3
"""Inches that the warnings at the top of the page may take, and lines of one of them."""
_MOST_TABLES, _MOST_LIMITATIONS = 20, 6
_BELOW_CHOICES = 0.66
"""Inches below the figure of the choices: its ticks and its label."""
_BLOCKS = 3
"""More answers than these are a table."""


def question(contents: Contents) -> str:
    """The question that the report answers: the default title."""
    inputs = {name for s in contents.studies if s.fitted for name in s.fitted.inputs}
    if any(s.optima for s in contents.studies) or {"n_params", "visual_tokens"} <= inputs:
        return "How large should the LLM be, and how many visual tokens should it see?"
    if inputs:
        names = " and ".join(fmt.named(name) for name in sorted(inputs))
        return f"How does the {_targets(contents)} depend on {names}?"
    return "What was measured?"


def _targets(contents: Contents) -> str:
    return (
        fmt.LOSS if {target(s) for s in contents.studies if s.fitted or s.optima} == {fmt.LOSS} else "error"
    )


def answer_page(contents: Contents, title: str | None) -> Page:
    """The first page: one answer, several answers, a law alone, or tables alone."""
    page = Page()
    page.block(0, 0, PAGE[0], 0.12, PETROFF10[0])
    page.texts.append(("title", title or question(contents)))
    targets = {target(study) for study in contents.studies}
    key = _KEY if "error" in targets else ""
    if key:
        page.texts.append(("paragraph", f"{fmt.capital(key)}."))
    room = _ROOM - (text_width(key, TINY) + 0.3 if key else 0)
    page.text(MARGIN, 0.43, key, _ROOM, size=TINY, colour=MUTED, align="right")
    page.top = (
        page.text(MARGIN, 0.4, title or question(contents), room, size=12, colour=MUTED, lines=2) + 0.12
    )
    if len(contents.studies) == 1 and len(contents.studies[0].optima) <= 1:
        _one(page, contents.studies[0])
    elif contents.studies:
        _several(page, contents.studies)
    else:
        _tables(page, contents)
    return page


def _warn(page: Page, notes: Sequence[str]) -> None:
    """The warnings at the top of the page, before the answer, in a bounded space."""
    notes = [one_line(note) for note in dict.fromkeys(notes)]
    if not notes:
        return
    column = Column(page, MARGIN, page.top, _ROOM)
    column.heading("Warnings")
    for place, note in enumerate(notes):
        lines = min(len(wrap(note, _ROOM - 0.17, SMALL)), _WARNING_LINES)
        if place and column.top + lines * LEADING * SMALL / 72 > page.top + _WARNINGS:
            column.item(
                f"{fmt.count(len(notes) - place, 'more warning')} on the checklist pages.", size=SMALL
            )
            page.texts += [("item", left) for left in notes[place:]]
            break
        column.item(note, size=SMALL, lines=_WARNING_LINES)
    page.top = column.top + 0.06


def _one(page: Page, study: Study) -> None:
    _warn(page, list(mind(study)))
    lead, headline, result = (the_plan if study.optima else the_law)(study)
    page.top = page.text(MARGIN, page.top, lead, _ROOM, size=13, lines=4) + 0.06
    page.texts += [("paragraph", lead), ("headline", headline), *(("paragraph", line) for line in result)]
    size = next((s for s in (27, 24, 21, 18) if text_width(headline, s, "bold") <= _ROOM), 15)
    page.top = page.formula(MARGIN, page.top, headline, _ROOM, size=size) + 0.08
    for line, (letters, colour) in zip(result, ((13, INK), (11, MUTED)), strict=False):
        page.top = page.text(MARGIN, page.top, line, _ROOM, size=letters, colour=colour, lines=3) + 0.03
    if study.optima:
        page.texts.append(("paragraph", served(study.optima[0])))
        page.top = page.text(MARGIN, page.top + 0.02, served(study.optima[0]), _ROOM, size=BODY, lines=2)
    if changes := would_change(study):
        page.texts.append(("paragraph", changes))
        page.top = page.text(MARGIN, page.top + 0.03, changes, _ROOM, size=10.5, lines=4)
    page.rule(MARGIN, page.top + 0.1, _ROOM)
    top = page.top + 0.26
    column = Column(page, MARGIN, top, _LEFT)
    _reasons(column, study)
    if study.optima:
        top = _choices(page, study, top)
        if study.fitted is not None:
            _parameters(page, study.fitted, _RIGHT, top, _WIDTH)
    elif study.fitted is not None:
        along, by = axes_of(study.fitted)
        place = (_RIGHT + 0.55, top + 0.3, _WIDTH - 0.55, 3.0)
        page.plot("answer", place, curves, curves.slices(study.fitted, along, by))
        _parameters(page, study.fitted, MARGIN, column.top + 0.2, _LEFT)


def _several(page: Page, studies: Sequence[Study]) -> None:
    """Several answers: the warnings about all of them, then a block for each, or a table for many."""
    blocks = [replace(s, optima=[o]) for s in studies for o in s.optima] + [
        s for s in studies if not s.optima
    ]
    _warn(page, mind_all(blocks))
    column = Column(page, MARGIN, page.top + 0.1, _ROOM)
    if len(blocks) > _BLOCKS:
        _table(column, blocks)
    else:
        for study in blocks:
            column.need(1.6)
            _block(column, study)
    page = column.page
    fronts = [s for s in studies if len(s.optima) > 1 and len(s.optima[0]["pareto"]) > 1]
    if len(fronts) == len(studies) == 1 and (height := FOOT - column.top - 1.65) > 1.5:
        place = (MARGIN + 0.62, column.top + 0.5, _ROOM - 0.62, height)
        page.plot("answer", place, front_figure, front_figure.front(fronts[0].optima, fronts[0].fitted))


def _block(column: Column, study: Study) -> None:
    lead, headline, result = (the_plan if study.optima else the_law)(study)
    name = f"{fmt.capital(study.name)}. " if study.name else ""
    column.paragraph(name + lead, size=11, colour=MUTED, after=0.03)
    column.page.texts.append(("headline", headline))
    column.top = column.page.formula(MARGIN, column.top, headline, _ROOM, size=18) + 0.03
    column.paragraph(" ".join(result), size=BODY, after=0.03)
    if study.optima:
        column.paragraph(served(study.optima[0]), size=BODY, after=0.03)
    column.paragraph(would_change(study), size=BODY, after=0.12)
    column.page.rule(MARGIN, column.top, _ROOM)
    column.top += 0.16


def _table(column: Column, blocks: Sequence[Study]) -> None:
    """A row per answer: subject, budget, best configuration, error, and the share of refits in which it is best."""
    planned = any(block.optima for block in blocks)
    places = (0.0, 2.3, 4.2, 7.2, 9.55) if planned else (0.0, 4.0, 4.0, 8.3, 10.3)
    widths = (2.2, 1.8, 2.9, 2.25, 0.85) if planned else (3.9, 0.01, 4.2, 1.95, 0.05)
    rows = [("subject", "budget", "best configuration", "predicted error", "best in"), *map(_row, blocks)]
    if not planned:
        rows = [("subject", "", "law", "RMSE", ""), *((r[0], "", *r[2:]) for r in rows[1:])]
    for index, row in enumerate(rows):
        before = column.page
        column.need(0.5)
        for cells in (rows[0], row) if column.page is not before and index else (row,):
            _cells(column, cells, places, widths, cells is rows[0])
    column.top += 0.15


def _cells(
    column: Column, row: Sequence[str], places: Sequence[float], widths: Sequence[float], header: bool
) -> None:
    """One row of the table of answers."""
    column.page.texts.append(("row", "\t".join(" ".join(cell.split()) for cell in row if cell)))
    for index, (place, width, cell) in enumerate(zip(places, widths, row, strict=True)):
        weight = "bold" if index == 2 and not header else "normal"
        size, colour = (SMALL, MUTED) if header else (BODY, INK)
        text = clip(cell, width, size, weight) if cell else ""
        column.page.text(MARGIN + place, column.top, text, _ROOM, size=size, weight=weight, colour=colour)
    column.top += 0.28
    column.page.rule(MARGIN, column.top - 0.04, _ROOM)


def _row(study: Study) -> tuple[str, str, str, str, str]:
    name = study.name or fmt.capital(target(study))
    if not study.optima:
        assert study.fitted is not None
        law = fmt.formula(study.fitted.formula, study.fitted.params)
        return name, "no budget", law, fmt.short(study.fitted.rmse, 2), ""
    optimum = study.optima[0]
    best = optimum["best"]
    span = fmt.span(best["error_interval"], fmt.error)
    share = "" if (best_in := fmt.of_model(best)) is None else fmt.share(best_in)
    error = fmt.error(best["error"]) + (f" ({span})" if span else "")
    limits = fmt.budget(optimum["budget"], fmt.units_of(optimum))
    return name, limits, fmt.configuration(best, begins=True), error, share


def _tables(page: Page, contents: Contents) -> None:
    rows = sum(len(frame) for _, frame in contents.tables)
    page.texts += [
        ("paragraph", "No law was fitted and no budget was planned. The report covers:"),
        ("headline", fmt.count(rows, "measurement")),
    ]
    page.top = (
        page.text(
            MARGIN,
            page.top,
            "No law was fitted and no budget was planned. The report covers:",
            _ROOM,
            size=13,
        )
        + 0.06
    )
    page.top = (
        page.text(MARGIN, page.top, fmt.count(rows, "measurement"), _ROOM, size=27, weight="bold") + 0.25
    )
    column = Column(page, MARGIN, page.top, _ROOM)
    for name, frame in contents.tables[:_MOST_TABLES]:
        column.need(1.0)
        column.paragraph(about(name, frame), weight="bold", after=0.03)
        column.paragraph(extent(frame), after=0.06)
        limitations = table_warnings(frame, name)
        for limitation in limitations[:_MOST_LIMITATIONS]:
            column.item(limitation)
        if len(limitations) > _MOST_LIMITATIONS:
            column.item(f"and {len(limitations) - _MOST_LIMITATIONS} more; `scalelaw show` lists them.")
        column.top += 0.15
    if len(contents.tables) > _MOST_TABLES:
        column.paragraph(f"and {fmt.count(len(contents.tables) - _MOST_TABLES, 'more table')}.")


def _reasons(column: Column, study: Study) -> None:
    column.heading("Reasons and uncertainty")
    for sentence in grounds(study):
        if column.fits(sentence, BODY):
            column.item(sentence)


def _choices(page: Page, study: Study, top: float) -> float:
    """The best configuration and the runners-up as a figure; returns the height of its end."""
    every = [study.optima[0]["best"], *study.optima[0]["runners_up"]]
    room = int((FOOT - top - 0.3 - _BELOW_CHOICES - 0.1) / 0.37)
    data = choices.choices(study, max(1, min(room, 4 if study.fitted is not None else 8)))
    cut = f" ({len(data.choices)} of {len(every)})" if len(data.choices) < len(every) else ""
    names, shares, height = choices.margins(data, _WIDTH)
    top = (
        page.text(_RIGHT, top, f"The best of each LLM within the budget{cut}", _WIDTH, size=11, weight="bold")
        + 0.3
    )
    page.plot("choices", (_RIGHT + names, top, _WIDTH - names - shares, height), choices, data)
    return top + height + _BELOW_CHOICES


def _parameters(page: Page, fitted: FittedLaw, left: float, top: float, width: float) -> None:
    """The law and its parameters with intervals, as a small table."""
    bars = numbers(fitted)
    known = any(fmt.span((bar.low, bar.high)) for bar in bars)
    level = f"{100 * fitted.interval['level']:g}% interval" if known else ""
    rows = [("parameter", "value", level)]
    rows += [(fmt.greek(b.name), fmt.short(b.value, 4), fmt.span((b.low, b.high))) for b in bars]
    page.texts += [("heading", "The law"), *(("row", "\t".join(row)) for row in rows)]
    if top + 1.3 > FOOT:  # the fit's own page and the checklist hold it
        return
    top = page.text(left, top, "The law", width, size=11, weight="bold") + 0.03
    if left == _RIGHT:
        top = page.formula(left, top, typeset(fitted.formula), width, size=11) + 0.02
        top = page.text(left, top, explained_symbols(fitted), width, size=TINY, colour=MUTED) + 0.07
    for index, row in enumerate(rows):
        if top + (0.2 if index == len(rows) - 1 else 0.375) > FOOT:
            text = f"and {len(rows) - index} more on the checklist page"
            page.text(left, top, text, width, size=TINY, colour=MUTED)
            break
        size, colour = (TINY, MUTED) if index == 0 else (SMALL, INK)
        page.text(left, top, clip(row[0], 0.44 * width, size), width, size=size, colour=colour)
        page.text(left, top, row[1], 0.58 * width, size=size, colour=colour, align="right")
        page.text(left, top, row[2], width, size=size, colour=colour, align="right")
        top += 0.175
        if index == 0:
            page.rule(left, top + 0.02, width)
            top += 0.06
