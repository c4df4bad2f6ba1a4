"""Blocks down a column of a page: text, tables and figures; what has no room continues on a following page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from matplotlib.ticker import NullFormatter

from scalelaw.report.blocks import (
    Block,
    Columns,
    Figure,
    Formula,
    Heading,
    Item,
    Paragraph,
    Recap,
    Row,
    Table,
)
from scalelaw.report.figures._contract import Margins
from scalelaw.report.render.page import FOOT, ROOM, Page
from scalelaw.report.style import BODY, INK, MARGIN, MUTED, SMALL, TINY
from scalelaw.report.text.glyphs import make_drawable_axes
from scalelaw.report.text.measure import LEADING, clip, text_width, wrap

_LEFT, _BETWEEN = 5.1, 0.55
"""Width of the left of two columns, and the gap between them, in inches."""
_STYLES = {
    "text": (BODY, INK, "normal", 0.09), "lead": (13.0, INK, "normal", 0.06), "result": (13.0, INK, "normal", 0.03),
    "note": (SMALL, MUTED, "normal", 0.09), "strong": (BODY, INK, "bold", 0.03), "key": (TINY, MUTED, "normal", 0.06),
}  # fmt: skip
"""Size, color, weight and space after a paragraph, where there is one answer."""
_COMPACT = {**_STYLES, "lead": (11.0, MUTED, "normal", 0.03), "result": (BODY, INK, "normal", 0.03)}
"""The same where there are several answers."""
_HEADLINES = (27, 24, 21, 18, 15)
_ABOVE, _GAP = 0.42, 0.2
"""Inches above the axes of a figure, for its heading, and between two figures."""
_LEAST, _MOST = 0.8, 4.6
"""Height of axes in inches."""
_SHRUNK = 0.78
"""The least height of a row of letters, as a share of its own."""
_NARROW = 6.0
"""A table in a column narrower than this has small type."""


class Sheets:
    """The pages of one part of a report, and how far each is used."""

    def __init__(self, first: Page) -> None:
        self.pages = [first]
        self.used = [first.top]

    def following(self, place: int) -> int:
        """The place of the page after this one, which is made where there is none."""
        if place + 1 == len(self.pages):
            self.pages.append(self.pages[0].following())
            self.used.append(self.pages[-1].top + 0.2)
        return place + 1


class Flow:
    """Blocks set down a column, from `top` on. On a following page the column is as wide as the page."""

    def __init__(self, sheets: Sheets, left: float, top: float, width: float) -> None:
        self.sheets, self.place = sheets, 0
        self.left, self.top, self.width = left, top, width
        self._start = top
        self._styles = _STYLES
        self._last = ""

    @property
    def page(self) -> Page:
        """The page of the next block."""
        return self.sheets.pages[self.place]

    def need(self, height: float) -> None:
        """Continue on a following page unless `height` inches are left here, or the column is empty."""
        while self.top + height > FOOT and self.top > self._start:
            self.place = self.sheets.following(self.place)
            self.left, self.width = MARGIN, ROOM
            self.top, self._start = self.sheets.used[self.place], self.page.top + 0.2

    def set(self, blocks: Sequence[Block]) -> None:
        """Set the blocks in order."""
        answers = sum(isinstance(block, Paragraph) and block.kind == "headline" for block in blocks)
        self._styles = _COMPACT if answers > 1 else _STYLES
        groups = [(kind, list(group)) for kind, group in groupby(blocks, key=type)]
        for number, (kind, group) in enumerate(groups):
            later = [block for _, rest in groups[number + 1 :] for block in rest]
            if kind is Figure:
                self._figures(group, later)
                continue
            if kind is Heading and later and isinstance(later[0], Figure):
                # a heading stays with its figure
                self.need(0.3 + _needs(_shape(_in_rows(later[:1])[0], self.width)))
            for block in group:
                self._block(block)
        self.sheets.used[self.place] = max(self.sheets.used[self.place], self.top)

    def _block(self, block: Block) -> None:
        if isinstance(block, Heading):
            self.need(0.6)
            self.top += 0.06 if self.top > self._start else 0.0
            self.top = self.page.text(
                self.left, self.top, block.text, self.width, size=11, weight="bold", lines=2
            )
            self.top += 0.05
        elif isinstance(block, Paragraph):
            self._paragraph(block)
        elif isinstance(block, Item) and block.medium != "screen":
            self._item(block.text)
        elif isinstance(block, Formula):
            self.need(0.3)
            self.top = (
                self.page.formula(self.left, self.top, block.text, self.width, size=self._formula_size())
                + 0.04
            )
        elif isinstance(block, Table):
            self._table(block)
        elif isinstance(block, Row):
            self._table(Table((("", ""), (block.name, block.value)), numbers=2))
        elif isinstance(block, Columns):
            self._columns(block)
        elif isinstance(block, Recap) and self.top + sum(map(self._height, block.blocks)) <= FOOT:
            self.set(block.blocks)

    def _formula_size(self) -> float:
        return 11 if self.width < _NARROW else 12

    def _paragraph(self, block: Paragraph) -> None:
        if block.kind == "headline":
            self._headline(block.text)
            return
        if block.kind == "lead":
            # a rule between two answers
            if self._last:
                self.page.rule(self.left, self.top, self.width)
            self.top += 0.1
        size, colour, weight, after = self._styles[block.kind]
        if block.kind == "result" and self._last == "result" and self._styles is _STYLES:
            size, colour = 11.0, MUTED
        self._last = block.kind
        self.need(len(wrap(block.text, self.width, size, weight)) * LEADING * size / 72)
        end = self.page.text(
            self.left, self.top, block.text, self.width, size=size, colour=colour, weight=weight
        )
        self.top = end + after

    def _headline(self, text: str) -> None:
        compact = self._styles is _COMPACT
        size = next((s for s in _HEADLINES if text_width(text, s, "bold") <= self.width), _HEADLINES[-1])
        self.need(0.6)
        self.top = self.page.formula(
            self.left, self.top, text, self.width, size=min(size, 18) if compact else size
        )
        self.top += 0.03 if compact else 0.06

    def _item(self, text: str) -> None:
        size, indent = SMALL + 0.5 if self.width < _NARROW else SMALL, 0.17
        self.need(len(wrap(text, self.width - indent, size)) * LEADING * size / 72)
        self.page.text(self.left, self.top, "–", indent, size=size, colour=MUTED)
        end = self.page.text(self.left + indent, self.top, text, self.width - indent, size=size)
        self.top = end + 0.06

    def _columns(self, block: Columns) -> None:
        self.page.rule(self.left, self.top + 0.05, self.width)
        top, place = self.top + 0.21, self.place
        right = self.width - _LEFT - _BETWEEN
        ends = []
        for blocks, left, width in (
            (block.left, self.left, _LEFT), (block.right, self.left + _LEFT + _BETWEEN, right),
        ):  # fmt: skip
            column = Flow(self.sheets, left, top, width)
            column.place = place
            column.set(blocks)
            ends.append((column.place, column.top))
        self.place, self.top = max(ends)

    def _table(self, block: Table) -> None:
        small = self.width < _NARROW
        size, step = (SMALL, 0.175) if small else (BODY, 0.28)
        widths = _widths(block, self.width, size)
        for number, row in enumerate(block.rows):
            before = self.place
            self.need(step + 0.2)
            again = number > 0 and self.place != before
            for cells in (block.rows[0], row) if again else (row,):
                self._cells(block, cells, widths, size)
                self.top += step
                if not small:
                    self.page.rule(self.left, self.top - 0.04, self.width)
                elif cells is block.rows[0]:
                    self.page.rule(self.left, self.top + 0.02, self.width)
                    self.top += 0.06
        self.top += 0.15

    def _cells(self, block: Table, row: Sequence[str], widths: Sequence[float], size: float) -> None:
        header, left = row is block.rows[0], self.left
        for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
            weight = "bold" if place == block.strong and not header else "normal"
            letters, colour = ((TINY if size < BODY else SMALL), MUTED) if header else (size, INK)
            text = clip(cell, width - 0.1, letters, weight) if cell else ""
            align = "right" if place >= block.numbers else "left"
            self.page.text(
                left, self.top, text, width, size=letters, weight=weight, colour=colour, align=align
            )
            left += width

    def _figures(self, figures: Sequence[Block], later: Sequence[Block]) -> None:
        """Rows of figures, as high as the page has room for them and for what follows."""
        rows = _in_rows(figures)
        text = min(sum(self._height(block) for block in later if not isinstance(block, Figure)), 2.2)
        following = _in_rows(later)
        while rows:
            self.need(_needs(_shape(rows[0], self.width)))
            shapes = [_shape(row, self.width) for row in rows]
            needs = [_needs(shape) for shape in shapes]
            count = 1
            while count < len(rows) and self.top + sum(needs[: count + 1]) <= FOOT:
                count += 1
            alike = shapes[:count] + [_shape(row, self.width) for row in following]
            free = FOOT - self.top - sum(_ABOVE + shape.below for shape in alike)
            heights = _heights(shapes[:count], alike, free - text, self.width >= _NARROW)
            for row, shape, height in zip(rows[:count], shapes, heights, strict=False):
                self._row(row, shape, height)
            rows = rows[count:]

    def _row(self, row: Sequence[Sequence[Figure]], shape: Margins, height: float) -> None:
        margins = [_margins(stack, row, self.width) for stack in row]
        room = self.width - sum(m.left + m.right for m in margins) - _GAP * (len(row) - 1)
        shares = [stack[0].share for stack in row]
        left = self.left
        for stack, margin, share in zip(row, margins, shares, strict=True):
            width = max(room * share / sum(shares), 0.8)
            between = _ABOVE + margin.below
            tall = max((height - between * (len(stack) - 1)) / len(stack), 0.3)
            for number, figure in enumerate(stack):
                top = self.top + _ABOVE + number * (tall + between)
                axes = self.page.axes(left + margin.left, top, width, tall)
                figure.figure.draw(axes, figure.data)
                if not figure.labels:
                    axes.yaxis.set_major_formatter(NullFormatter())
                make_drawable_axes(axes)
            left += margin.left + width + margin.right + _GAP
        self.top += _ABOVE + height + shape.below

    def _height(self, block: Block) -> float:
        """About how high a block of text is, in inches."""
        if isinstance(block, Table):
            return (0.175 if self.width < _NARROW else 0.28) * len(block.rows) + 0.15
        if isinstance(block, Formula):
            return 0.3
        if isinstance(block, Figure):
            return _needs(_shape([[block]], self.width)) + _LEAST
        if isinstance(block, Heading):
            return 0.26
        if isinstance(block, Paragraph | Item):
            return len(wrap(block.text, self.width - 0.17, SMALL)) * LEADING * SMALL / 72 + 0.08
        return 0.0


def _in_rows(figures: Sequence[Block]) -> list[list[list[Figure]]]:
    """Rows of stacks of the figures among blocks, by the place of each."""
    rows: list[list[list[Figure]]] = []
    for figure in figures:
        if not isinstance(figure, Figure):
            continue
        if figure.place == "row" or not rows:
            rows.append([[figure]])
        elif figure.place == "beside":
            rows[-1].append([figure])
        else:
            rows[-1][-1].append(figure)
    return rows


def _margins(stack: Sequence[Figure], row: Sequence[Sequence[Figure]], width: float) -> Margins:
    """The margins of figures below each other, in their part of a row `width` inches wide."""
    part = width * stack[0].share / sum(other[0].share for other in row)
    each = [figure.figure.margins(figure.data, part) for figure in stack]
    below = max(m.below for m in each)
    return Margins(
        left=max(m.left for m in each) if stack[0].labels else 0.15,
        right=max(m.right for m in each),
        height=sum(m.height for m in each) + (len(each) - 1) * (_ABOVE + below),
        below=below,
        fills=any(m.fills for m in each),
    )


def _shape(row: Sequence[Sequence[Figure]], width: float) -> Margins:
    """What a row of figures needs."""
    each = [_margins(stack, row, width) for stack in row]
    return Margins(
        0.0, 0.0, max(m.height for m in each), max(m.below for m in each), any(m.fills for m in each)
    )


def _needs(shape: Margins) -> float:
    """The least height of a row of figures with what lies above and below its axes."""
    return _ABOVE + shape.below + (_LEAST if shape.fills else _SHRUNK * shape.height)


def _heights(
    shapes: Sequence[Margins], all_shapes: Sequence[Margins], free: float, wide: bool
) -> list[float]:
    """The height of the axes of each row: those that fill share what the others leave."""
    fixed = sum(shape.height for shape in all_shapes if not shape.fills)
    filling = sum(shape.fills for shape in all_shapes)
    stretch = (
        min(max((free - _LEAST * filling) / fixed, _SHRUNK), 1.0 if filling or not wide else 2.0)
        if fixed
        else 1.0
    )
    fill = min(max((free - stretch * fixed) / filling, _LEAST), _MOST if wide else 3.0) if filling else 0.0
    return [fill if shape.fills else min(shape.height * stretch, _MOST) for shape in shapes]


def _widths(block: Table, room: float, size: float) -> list[float]:
    """The width of each column: that of its longest cell, with the room that is left between them, or less."""
    natural = []
    for place in range(len(block.rows[0])):
        weight = "bold" if place == block.strong else "normal"
        cells = [text_width(row[place], size, weight) for row in block.rows[1:] if row[place]]
        natural.append(max([text_width(block.rows[0][place], SMALL), *cells]) + 0.15)
    while sum(natural) > room:
        widest = max(range(len(natural)), key=lambda place: natural[place])
        others = sorted(natural)[-2] if len(natural) > 1 else 0.5
        cut = max(min(natural[widest] - others, sum(natural) - room), 0.05)
        natural[widest] -= cut
    spare = (room - sum(natural)) / max(len(natural) - 1, 1)
    # words have the room after them, numbers before them, as they are aligned at their right
    tight = min(block.numbers, len(natural)) - 1
    return [width + (0.0 if place == tight else spare) for place, width in enumerate(natural)]
