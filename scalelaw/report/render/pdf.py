"""The PDF: blocks laid out on A4 pages, with bookmarks and a line at the foot of each page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_pdf import PdfPages

from scalelaw.report.blocks import Block, Heading, Paragraph, Row, split
from scalelaw.report.render.flow import Flow, Sheets
from scalelaw.report.render.page import FOOT, ROOM, Page
from scalelaw.report.render.pdf_outline import add_outline
from scalelaw.report.style import BODY, MARGIN, MUTED, PAGE, PETROFF10, TINY
from scalelaw.report.text.measure import LEADING, text_width, wrap

_NAME, _GAP, _AFTER = 1.55, 0.45, 0.035
"""Of a page of rows, in inches: the width of the names, the gap between its two columns, the space after a row."""
_COLUMN = (ROOM - _GAP) / 2
_SIZE = TINY + 0.5


def pages_of(blocks: Iterable[Block]) -> list[Page]:
    """The pages, drawn; to be called inside `style.styled()`."""
    pages: list[Page] = []
    for number, part in enumerate(split(blocks)):
        pages += _first(part) if number == 0 else _rows(part) if _is_rows(part) else _plain(part)
    return pages


def write_pdf(pages: Sequence[Page], path: Path, foot: str, metadata: dict[str, Any]) -> None:
    """Write the pages to `path`, with bookmarks."""
    with PdfPages(path, metadata=metadata) as pdf:
        for number, page in enumerate(pages, 1):
            page.footer(foot, number, len(pages))
            pdf.savefig(page.figure)
    add_outline(path, _bookmarks(pages))


def _bookmarks(pages: Sequence[Page]) -> list[str]:
    """The title of each page; '' for a page that continues the one before it."""
    return [
        "" if number and page.title == pages[number - 1].title else page.title
        for number, page in enumerate(pages)
    ]


def _subtitle(part: Sequence[Block]) -> tuple[str, Sequence[Block]]:
    """The paragraph below the title, and the blocks after it."""
    if len(part) > 1 and isinstance(part[1], Paragraph) and part[1].kind == "text":
        return part[1].text, part[2:]
    return "", part[1:]


def _title(part: Sequence[Block]) -> str:
    first = part[0]
    assert isinstance(first, Heading)
    return " ".join(first.text.split())


def _first(part: Sequence[Block]) -> list[Page]:
    """Page one: its question is small, its answer large."""
    page, title, body = Page(), _title(part), part[1:]
    page.title = title
    page.block(0, 0, PAGE[0], 0.12, PETROFF10[0])
    room = ROOM
    if body and isinstance(body[0], Paragraph) and body[0].kind == "key":
        page.text(MARGIN, 0.43, body[0].text, ROOM, size=TINY, colour=MUTED, align="right")
        room -= text_width(body[0].text, TINY) + 0.3
        body = body[1:]
    top = page.text(MARGIN, 0.4, title, room, size=12, colour=MUTED, lines=2) + 0.12
    return _flowing(page, top, body)


def _plain(part: Sequence[Block]) -> list[Page]:
    subtitle, body = _subtitle(part)
    page = Page(_title(part), subtitle)
    return _flowing(page, page.top + 0.04, body)


def _flowing(page: Page, top: float, body: Sequence[Block]) -> list[Page]:
    sheets = Sheets(page)
    Flow(sheets, MARGIN, top, ROOM).set(body)
    return sheets.pages


def _is_rows(part: Sequence[Block]) -> bool:
    body = _subtitle(part)[1]
    return bool(body) and all(isinstance(block, Row | Heading) for block in body)


def _rows(part: Sequence[Block]) -> list[Page]:
    """Names and values in two columns, over as many pages as they need."""
    subtitle, body = _subtitle(part)
    pages = [Page(_title(part), subtitle)]
    column, top = 0, pages[-1].top + 0.25
    begin, heading = top, ""
    for block in body:
        if isinstance(block, Heading):
            heading = block.text
            continue
        assert isinstance(block, Row)
        lines = wrap(block.value, _COLUMN - _NAME, _SIZE)
        most = max(1, int((FOOT - begin - 0.5) / (LEADING * _SIZE / 72)))
        for start in range(0, len(lines), most):
            value = lines[start : start + most]
            need = len(value) * LEADING * _SIZE / 72 + _AFTER + (0.42 if heading else 0.0)
            if top + need > FOOT:
                column, top = column + 1, begin
            if column > 1:
                pages.append(Page(_title(part), "Continued."))
                column, top = 0, pages[-1].top + 0.25
                begin = top
            page, left = pages[-1], MARGIN + column * (_COLUMN + _GAP)
            if heading:
                top += 0.12 if top > begin else 0.0
                top = page.text(left, top, heading, _COLUMN, size=BODY, weight="bold") + 0.02
                page.rule(left, top, _COLUMN)
                top, heading = top + 0.06, ""
            name = block.name if start == 0 else ""
            if name:
                page.text(left, top, name, _NAME - 0.1, size=_SIZE, colour=MUTED)
            under = len(wrap(name, _NAME - 0.1, _SIZE)) if name else 1
            end = page.text(left + _NAME, top, "\n".join(value), _COLUMN, size=_SIZE)
            top = max(end, top + under * LEADING * _SIZE / 72) + _AFTER
    return pages
