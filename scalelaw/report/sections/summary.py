"""Page one: the answer in text and numbers, its uncertainty, and the warnings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from scalelaw.files.safe_text import one_line
from scalelaw.report.blocks import Block, Columns, Figure, Formula, Heading, Item, Paragraph, Recap, Table
from scalelaw.report.collect import Contents
from scalelaw.report.figures import choices, curves, front
from scalelaw.report.sections.data import about, limited
from scalelaw.report.study import Study
from scalelaw.report.text import format as fmt
from scalelaw.report.text.formula import typeset
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
from scalelaw.report.values import numbers
from scalelaw.table.coverage import table_warnings

_KEY = "error = 1 − score, 0 is perfect; terms are explained at the end"
_LINE, _WARNING_LINES, _WARNINGS = 140, 3, 11
"""Letters of a line of a warning, lines of one warning, and lines of all those on page one."""
_MOST_TABLES, _MOST_LIMITATIONS = 20, 6
_BESIDE_FIT, _ALONE = 4, 8
"""Configurations in the figure of the choices: beside the law, and without it."""
_BLOCKS, _MANY, _MOST_ANSWERS = 3, 24, 100
"""More answers than these are a table, are summarized before it, and are left out of it."""
_MOST_PICKS = 5
_MOST_NOTES = 40
"""Warnings that a web page prints."""


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


def summary(contents: Contents, title: str | None) -> Iterator[Block]:
    """The first page: one answer, several answers, a law alone, or tables alone."""
    yield Heading(title or question(contents), 1)
    if "error" in {target(study) for study in contents.studies}:
        yield Paragraph(_KEY, "key")
    if len(contents.studies) == 1 and len(contents.studies[0].optima) <= 1:
        yield from _one(contents.studies[0])
    elif contents.studies:
        yield from _several(contents.studies)
    else:
        yield from _tables(contents)


def _warnings(notes: Sequence[str]) -> Iterator[Block]:
    """The warnings, before the answer; on paper at most about eleven lines of them, and how many more there are."""
    notes = [one_line(note) for note in dict.fromkeys(notes)]
    if not notes:
        return
    yield Heading("Warnings")
    lines = 0
    for place, note in enumerate(notes):
        lines += min(-(-len(note) // _LINE), _WARNING_LINES)
        if place and lines > _WARNINGS:
            yield Item(f"{fmt.count(len(notes) - place, 'more warning')} on the checklist pages.", "page")
            yield from (Item(left, "screen") for left in notes[place:_MOST_NOTES])
            if len(notes) > max(place, _MOST_NOTES):
                more = fmt.count(len(notes) - max(place, _MOST_NOTES), "more warning")
                yield Item(f"{more} in the files of the fits and plans.", "screen")
            return
        cut = len(note) > _WARNING_LINES * _LINE
        if cut:
            yield Item(f"{note[: _WARNING_LINES * _LINE].rstrip()}…", "page")
        yield Item(note, "screen" if cut else "all")


def _one(study: Study) -> Iterator[Block]:
    yield from _warnings(list(mind(study)))
    yield from _answer(study)
    if study.optima:
        yield Columns(tuple(_reasons(study)), (*_choices(study), Recap(tuple(_law(study, formula=True)))))
    elif (data := curves.prepare(study)) is not None:
        left = *_reasons(study), Recap(tuple(_law(study, formula=False)))
        yield Columns(left, (Figure("answer", curves, data),))


def _answer(study: Study) -> Iterator[Block]:
    """What was planned or fitted, the answer, what is predicted, how it is served, and what would change it."""
    lead, headline, result = (the_plan if study.optima else the_law)(study)
    name = f"{fmt.capital(study.name)}. " if study.name else ""
    yield Paragraph(name + lead, "lead")
    yield Paragraph(headline, "headline")
    yield from (Paragraph(line, "result") for line in result)
    if study.optima:
        yield Paragraph(served(study.optima[0]))
    if changes := would_change(study):
        yield Paragraph(changes)


def _several(studies: Sequence[Study]) -> Iterator[Block]:
    """Several answers: the warnings about all of them, then a block for each, or a table for many."""
    answers = [replace(s, optima=[o]) for s in studies for o in s.optima] + [
        s for s in studies if not s.optima
    ]
    yield from _warnings(mind_all(answers))
    if len(answers) > _BLOCKS:
        yield from _spread(answers) if len(answers) > _MANY else ()
        yield _table(answers[:_MOST_ANSWERS])
        if len(answers) > _MOST_ANSWERS:
            yield Paragraph(
                f"The table shows the first {_MOST_ANSWERS} of {len(answers)} answers; report.json has all of them."
            )
    else:
        for study in answers:
            yield from _answer(study)
    fronts = [s for s in studies if len(s.optima) > 1 and len(s.optima[0]["pareto"]) > 1]
    if len(fronts) == len(studies) == 1 and (data := front.prepare(fronts[0])) is not None:
        yield Recap((Figure("answer", front, data),))


def _spread(answers: Sequence[Study]) -> Iterator[Block]:
    """Many answers together: how many fits have which status, the range of each number, how often each LLM is best."""
    fits = list({id(study.fitted): study.fitted for study in answers if study.fitted is not None}.values())
    yield Heading(f"{fmt.count(len(answers), 'answer')} in short")
    if fits:
        statuses = Counter(fmt.named(fitted.status) for fitted in fits).most_common()
        yield Item(
            f"{fmt.count(len(fits), 'fit')}: {', '.join(f'{count} {status}' for status, count in statuses)}."
        )
    laws = {fitted.law for fitted in fits}
    columns: dict[str, list[float]] = {}
    for bar in (bar for fitted in fits for bar in numbers(fitted)) if len(laws) == 1 else ():
        if math.isfinite(bar.value):
            columns.setdefault(fmt.greek(bar.name), []).append(bar.value)
    for name, values in columns.items():
        low, middle, high = (fmt.short(float(end)) for end in np.quantile(values, (0.1, 0.5, 0.9)))
        yield Item(f"{name}: median {middle}, 80% of the fits between {low} and {high}.")
    picks = Counter(fmt.plain_name(s.optima[0]["best"]["model"]) for s in answers if s.optima).most_common()
    if picks:
        shown = ", ".join(f"{name} in {count}" for name, count in picks[:_MOST_PICKS])
        more = f", {len(picks) - _MOST_PICKS} others in fewer" if len(picks) > _MOST_PICKS else ""
        yield Item(f"Best LLM: {shown}{more} of {fmt.count(sum(count for _, count in picks), 'plan')}.")


def _table(answers: Sequence[Study]) -> Table:
    """A row per answer: subject, budget, best configuration, error, and the share of refits in which it is best."""
    rows = [_row(study) for study in answers]
    if any(study.optima for study in answers):
        header = ("subject", "budget", "best configuration", "predicted error", "best in")
        return Table((header, *rows), numbers=4, strong=2)
    return Table(
        (("subject", "law", "RMSE"), *((row[0], row[2], row[3]) for row in rows)), numbers=2, strong=1
    )


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


def _tables(contents: Contents) -> Iterator[Block]:
    rows = sum(len(frame) for _, frame in contents.tables)
    yield Paragraph("No law was fitted and no budget was planned. The report covers:", "lead")
    yield Paragraph(fmt.count(rows, "measurement"), "headline")
    for name, frame in contents.tables[:_MOST_TABLES]:
        yield Paragraph(about(name, frame), "strong")
        yield Paragraph(extent(frame))
        yield from limited(table_warnings(frame, name), _MOST_LIMITATIONS)
    if len(contents.tables) > _MOST_TABLES:
        yield Paragraph(f"and {fmt.count(len(contents.tables) - _MOST_TABLES, 'more table')}.")


def _reasons(study: Study) -> Iterator[Block]:
    yield Heading("Reasons and uncertainty")
    yield from (Item(sentence) for sentence in grounds(study))


def _choices(study: Study) -> Iterator[Block]:
    """The best configuration and the runners-up as a figure."""
    data = choices.choices(study, _BESIDE_FIT if study.fitted is not None else _ALONE)
    every = 1 + len(study.optima[0]["runners_up"])
    cut = f" ({len(data.choices)} of {every})" if len(data.choices) < every else ""
    yield Heading(f"The best of each LLM within the budget{cut}")
    yield Figure("choices", choices, data)


def _law(study: Study, formula: bool) -> Iterator[Block]:
    """The law and its parameters with intervals, as a small table."""
    fitted = study.fitted
    if fitted is None:
        return
    bars = numbers(fitted)
    known = any(fmt.span((bar.low, bar.high)) for bar in bars)
    level = f"{100 * fitted.interval['level']:g}% interval" if known else ""
    rows = [(fmt.greek(bar.name), fmt.short(bar.value, 4), fmt.span((bar.low, bar.high))) for bar in bars]
    yield Heading("The law")
    if formula:
        yield Formula(typeset(fitted.formula))
        yield Paragraph(explained_symbols(fitted), "note")
    yield Table((("parameter", "value", level), *rows))
