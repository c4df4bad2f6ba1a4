"""One report from fits, optima and tables: page one is the answer, then a page for what is there, none empty."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError, typed, unknown
from scalelaw.files.paths import atomic, check_report, write_text
from scalelaw.report.blocks import Block, Figure, Heading, Paragraph
from scalelaw.report.collect import Contents, detailed, drawable, gather, left_out
from scalelaw.report.export import contents_of, csv_text, facts_of_contents, selected
from scalelaw.report.figures._contract import load, own_pages
from scalelaw.report.manifest import OwnedFolder
from scalelaw.report.sections.appendix import appendix, glossary, hashes
from scalelaw.report.sections.checklist import checklist
from scalelaw.report.sections.comparison import (
    ablated,
    beside,
    compared_compressors,
    compared_laws,
    contrast,
    shares,
)
from scalelaw.report.sections.data import measured
from scalelaw.report.sections.fit import fit, fit_residuals, fit_surface, plan_front, uncertainty
from scalelaw.report.sections.summary import question, summary
from scalelaw.report.study import Study
from scalelaw.report.style import styled
from scalelaw.report.text.format import law as law_in_words
from scalelaw.results.envelope import answer, dumps
from scalelaw.version import __version__

STYLES = ("page", "paper")
FORMATS = ("pdf", "html")
_SUFFIXES = {"pdf": ("", ".pdf"), "html": ("", ".html", ".htm")}


@typed(
    path=("str", "Path"),
    title=("None", "str"),
    style=("str",),
    form=("None", "str"),
    law=("str", "Path", "paths"),
    figures=("list", "tuple"),
)
def write_report(
    items: Any,
    path: str | Path,
    *,
    title: str | None = None,
    style: str = "page",
    form: str | None = None,
    command: str = "",
    law: str | Path | Sequence[str | Path] = (),
    figures: Sequence[str] = (),
) -> Path:
    """Write a report on the items and return its path. The same input gives the same bytes.

    items: one, or a list, of FittedLaw, GroupedFit, Optimum, Contrast, Comparison, Bill, DataFrame in the table's
    schema, and paths: what `scalelaw fit, optimize, compare, cost` wrote as JSON, a table (parquet, csv, a sweep's
    folder, a bundled name). An optimum belongs to the fit that predicts its error.
    style: `page` is one document: a PDF (A4, vector, fonts embedded) or one self-contained web page (form `html`, or
    a path that ends so); `paper` is a folder of figures in column width, LaTeX tables and BibTeX entries.
    Beside it, in NAME.data/, lie report.json (its words and facts) and the numbers of every figure as csv.
    command: how it was asked for, printed in the appendix. law: the law files of fits given as JSON (see `load_fit`).
    figures: for `paper`, the only figures to write, by name with or without the page number (03_parity, parity); then
    no other figure and no table is written.
    A manifest there lists what the report made; a later run removes or replaces these files alone.
    Raises InputError for a path that is named as another format, files of the user's in NAME.data, nothing to report
    on, an item of an unknown kind, a path that is not there or cannot be read, and one that cannot be written.
    """
    if style not in STYLES:
        raise unknown("style", style, STYLES)
    target = Path(path)
    form = form or ("html" if target.suffix.lower() in (".html", ".htm") else "pdf")
    if form not in FORMATS:
        raise unknown("format", form, FORMATS)
    if style == "page" and target.suffix.lower() not in _SUFFIXES[form]:
        raise InputError(
            f"A report is written as {form}, and {target} is named otherwise.",
            code="bad_format",
            hint=f"Name it {target.with_suffix('.' + form)}; there are .pdf and .html.",
        )
    if figures and style != "paper":
        raise InputError(
            "Figures are selected for the style paper only.",
            code="usage",
            hint="Add style='paper' (--style paper), or leave out the figures.",
        )
    if style == "page":
        check_report(target)
    contents = gather(items, law)
    with styled(), _uncollected():
        blocks = blocks_of(contents, title, command)
        drawn = selected(blocks, figures)
        records = _records(blocks, drawn, contents, title)
        data = OwnedFolder(_data_folder(target / "report" if style == "paper" else target), records)
        data.check()
        # a renderer is imported where it is used, as each imports much
        if style == "paper":
            from scalelaw.report.render.latex import paper_files

            paper = OwnedFolder(target, paper_files(drawn, contents, not figures), data.folder)
            paper.check()
            paper.write()
        elif form == "html":
            from scalelaw.report.render.html import page_text

            write_text(
                target, page_text(blocks, title or question(contents), _origin(contents)), by_user=True
            )
        else:
            from scalelaw.report.render.pdf import pages_of, write_pdf

            with atomic(target, by_user=True) as part:
                write_pdf(pages_of(blocks), part, _origin(contents), _metadata(contents, title))
    data.write()
    return target


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: the many objects of a drawing live until it is written, so a search frees nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _data_folder(path: Path) -> Path:
    return path.with_name(f"{path.stem}.data")


def _records(
    blocks: Sequence[Block], figures: Sequence[tuple[str, Figure]], contents: Contents, title: str | None
) -> dict[str, bytes]:
    """The report's text and facts as JSON, the numbers of each figure as csv: {name: bytes}."""
    facts = facts_of_contents(contents, title or question(contents), hashes(contents))
    texts = {f"{name}.csv": csv_text(figure.figure.frame(figure.data)) for name, figure in figures}
    names = [name for name, _ in figures]
    texts["report.json"] = dumps(answer("report_contents", contents_of(blocks, names, facts)))
    return {name: text.encode() for name, text in texts.items()}


def blocks_of(contents: Contents, title: str | None = None, command: str = "") -> list[Block]:
    """The blocks of the whole report, section after section."""
    whole, contents = contents, detailed(contents)
    return [
        *summary(whole, title),
        *measured(contents),
        *beside(whole),
        *(block for study in contents.studies for section in SECTIONS for block in section(study)),
        *_more_figures(contents),
        *compared_laws(contents),
        *shares(contents),
        *compared_compressors(contents),
        Heading("Checklist", 1),
        Paragraph(
            f"The settings needed to judge and to reproduce the results, and the terms. {left_out(whole)}".strip()
        ),
        *checklist(contents.studies),
        *appendix(contents, command),
        *glossary(contents),
    ]


SECTIONS: tuple[Callable[[Study], Iterable[Block]], ...] = (
    plan_front, fit, fit_residuals, fit_surface, contrast, uncertainty, ablated,
)  # fmt: skip
"""The sections on one study, in order; each is empty where the study has nothing for it."""


def _more_figures(contents: Contents) -> Iterator[Block]:
    """A section for each figure that no other one places, for each study that it can show."""
    for name in own_pages():
        figure = load(name)
        for study in drawable(contents):
            if (data := figure.prepare(study)) is not None:
                yield Heading(f"{figure.TITLE}{study.tag}", 1)
                yield Figure(name, figure, data)


def _origin(contents: Contents) -> str:
    digests = hashes(contents)
    return f"scalelaw {__version__}" + (f"  ·  data {', '.join(digests)}" if digests else "")


def _metadata(contents: Contents, title: str | None) -> dict[str, Any]:
    laws = [law_in_words(s.fitted.law) for s in contents.studies if s.fitted is not None]
    words = ["scaling law", "inference budget", "visual tokens", *dict.fromkeys(laws)]
    return {
        "Title": title or question(contents),
        "Author": f"scalelaw {__version__}",
        "Subject": "Scaling law of a vision-language model and the inference budget it plans",
        "Keywords": ", ".join(words),
        "CreationDate": None,
        "ModDate": None,
    }
