"""One report from fits, optima and tables: page one is the answer, then a page for what is there, none empty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_pdf import PdfPages

from scalelaw.errors import InputError, typed, unknown
from scalelaw.files.paths import atomic, check_report, write_text
from scalelaw.report.collect import Contents, detailed, drawable, gather, left_out
from scalelaw.report.export import (
    contents_of,
    csv_text,
    facts_of_contents,
    named_figures,
    outline_of,
    select_figures,
)
from scalelaw.report.figures._contract import load, own_pages
from scalelaw.report.manifest import OwnedFolder
from scalelaw.report.render.html import page_text
from scalelaw.report.render.latex import paper_files
from scalelaw.report.render.pdf import Page
from scalelaw.report.render.pdf_outline import add_outline
from scalelaw.report.sections.appendix import appendix, glossary, hashes
from scalelaw.report.sections.checklist import checklist, pages_of
from scalelaw.report.sections.comparison import (
    ablation_page,
    beside_pages,
    compressor_pages,
    contrast_pages,
    law_pages,
    share_pages,
)
from scalelaw.report.sections.data import measured_pages
from scalelaw.report.sections.fit import (
    belief_page,
    figure_page,
    fit_page,
    front_page,
    residual_page,
    surface_page,
)
from scalelaw.report.sections.summary import answer_page, question
from scalelaw.report.study import Study
from scalelaw.report.style import styled
from scalelaw.report.text.format import law as law_in_words
from scalelaw.report.values import axes_of
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
    with styled():
        pages = list(make_pages(contents, title, command))
        if figures:
            select_figures(pages, figures)
        records = _records(pages, contents, title)
        data = OwnedFolder(_data_folder(target / "report" if style == "paper" else target), records)
        data.check()
        if style == "paper":
            paper = OwnedFolder(target, paper_files(pages, contents, not figures), data.folder)
            paper.check()
            paper.write()
        elif form == "html":
            write_text(target, page_text(pages, title or question(contents), _origin(contents)), by_user=True)
        else:
            _write_pdf(pages, contents, target, title)
    data.write()
    return target


def _write_pdf(pages: Sequence[Page], contents: Contents, path: Path, title: str | None) -> None:
    with atomic(path, by_user=True) as part:
        with PdfPages(part, metadata=_metadata(contents, title)) as pdf:
            for number, page in enumerate(pages, 1):
                page.footer(_origin(contents), number, len(pages))
                pdf.savefig(page.figure)
        add_outline(part, outline_of(pages))


def _data_folder(path: Path) -> Path:
    return path.with_name(f"{path.stem}.data")


def _records(pages: Sequence[Page], contents: Contents, title: str | None) -> dict[str, bytes]:
    """The report's text and facts as JSON, the numbers of each figure as csv: {name: bytes}."""
    facts = facts_of_contents(contents, title or question(contents), hashes(contents))
    tables = {f"{name}.csv": panel.figure.frame(panel.data) for name, panel in named_figures(pages)}
    texts = {name: csv_text(table) for name, table in tables.items()}
    texts["report.json"] = dumps(answer("report_contents", contents_of(pages, facts)))
    return {name: text.encode() for name, text in texts.items()}


def make_pages(contents: Contents, title: str | None = None, command: str = "") -> Iterator[Page]:
    """The pages in order, each followed by those that go on with it; to be drawn inside `style.styled()`."""
    for first in _pages(contents, title, command):
        page: Page | None = first
        while page is not None:
            yield page
            page = page.next


def _pages(contents: Contents, title: str | None, command: str) -> Iterator[Page]:
    yield answer_page(contents, title)
    whole, contents = contents, detailed(contents)
    yield from measured_pages(contents)
    yield from beside_pages(whole)
    for study in contents.studies:
        yield from _study(study, f": {study.name}" if study.name else "")
    yield from _more_figures(contents)
    yield from law_pages(contents)
    yield from share_pages(contents)
    yield from compressor_pages(contents.tables)
    line = "The settings needed to judge and to reproduce the results, and the terms."
    if (left := left_out(whole)) != "":
        line = f"{line} {left}"
    sections = *checklist(contents.studies), *appendix(contents, command), *glossary(contents)
    yield from pages_of("Checklist", line, sections)


def _study(study: Study, tag: str) -> Iterator[Page]:
    fitted = study.fitted
    if fitted is None:
        if any(len(o["pareto"]) > 1 for o in study.optima):
            yield front_page(study, tag)
        yield from contrast_pages(study, tag)
        return
    yield fit_page(fitted, study.optima[0]["best"] if study.optima else None, tag)
    yield residual_page(fitted, tag)
    if axes_of(fitted)[1] is not None:
        yield surface_page(study, tag)
    yield from contrast_pages(study, tag)
    for page in (belief_page(fitted, tag), ablation_page(study, tag)):
        if page is not None:
            yield page


def _more_figures(contents: Contents) -> Iterator[Page]:
    """A page for each figure that no section places, for each study that it can show."""
    for name in own_pages():
        figure = load(name)
        for study in drawable(contents):
            if (data := figure.prepare(study)) is not None:
                yield figure_page(name, figure, data, f": {study.name}" if study.name else "")


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
