"""What a report contains: a list of blocks, the same for every renderer.

A section is a function from a study to its blocks. The renderers (PDF, HTML, LaTeX, the JSON beside a report) decide
where a block stands and how it looks, never what it contains.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from scalelaw.report.figures._contract import Plugin

Medium = Literal["all", "page", "screen"]
"""Where a block is printed: everywhere, on pages of paper alone, or where there is no end of a page."""


@dataclass(frozen=True)
class Heading:
    """A heading. level: 1 begins a page or a section, 2 stands within one."""

    text: str
    level: Literal[1, 2] = 2


@dataclass(frozen=True)
class Paragraph:
    """A paragraph. kind: `headline` is the answer itself, `lead` what it answers, `result` what follows from it, `key`
    explains a word, `note` is small."""

    text: str
    kind: Literal["text", "lead", "headline", "result", "key", "note", "strong"] = "text"


@dataclass(frozen=True)
class Item:
    """An entry of a list."""

    text: str
    medium: Medium = "all"


@dataclass(frozen=True)
class Formula:
    """A law as mathematics, from `text.formula.typeset`."""

    text: str


@dataclass(frozen=True)
class Row:
    """A name and its value."""

    name: str
    value: str


@dataclass(frozen=True)
class Table:
    """Rows of cells, the first of them the header. numbers: the first column of numbers; strong: the column in bold."""

    rows: tuple[tuple[str, ...], ...]
    numbers: int = 1
    strong: int | None = None


@dataclass(frozen=True)
class Figure:
    """A figure: its name in the report, its plug-in and data.

    place: `row` begins a new row of figures, `beside` stands at the right of the figure before it, `under` below it in
    the same row. share: its width compared with its neighbors. labels: whether the labels of its rows are printed where
    the figure at its left has the same.
    """

    name: str
    figure: Plugin
    data: Any
    place: Literal["row", "beside", "under"] = "row"
    share: float = 1.0
    labels: bool = True

    @property
    def plugin(self) -> str:
        """The name of the plug-in."""
        return str(getattr(self.figure, "__name__", self.name)).rpartition(".")[2]


@dataclass(frozen=True)
class Columns:
    """Two lists of blocks beside each other."""

    left: tuple[Block, ...]
    right: tuple[Block, ...]


@dataclass(frozen=True)
class Recap:
    """Blocks that repeat what the report has elsewhere: a page that has no room for all of them leaves them out."""

    blocks: tuple[Block, ...]


Block: TypeAlias = "Heading | Paragraph | Item | Formula | Row | Table | Figure | Columns | Recap"


def split(blocks: Iterable[Block]) -> list[list[Block]]:
    """The blocks page by page: each begins with a heading of level 1."""
    pages: list[list[Block]] = []
    for block in blocks:
        if isinstance(block, Heading) and block.level == 1:
            pages.append([])
        pages[-1].append(block)
    return pages


def flat(blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks in the order in which they are read, without columns and recaps."""
    for block in blocks:
        if isinstance(block, Columns):
            yield from flat((*block.left, *block.right))
        elif isinstance(block, Recap):
            yield from flat(block.blocks)
        else:
            yield block


def title_of(page: Sequence[Block]) -> str:
    """The heading of a page."""
    first = page[0]
    assert isinstance(first, Heading)
    return first.text


def figures_of(page: Iterable[Block]) -> list[Figure]:
    """The figures of a page, in order."""
    return [block for block in flat(page) if isinstance(block, Figure)]


def texts_of(page: Iterable[Block]) -> Iterator[tuple[str, str]]:
    """The text of a page: (kind, text), kind one of title, headline, heading, paragraph, item, row, formula; tabs
    separate the cells of a row."""
    for block in flat(page):
        if isinstance(block, Heading):
            yield ("title" if block.level == 1 else "heading"), block.text
        elif isinstance(block, Paragraph):
            yield ("headline" if block.kind == "headline" else "paragraph"), block.text
        elif isinstance(block, Item) and block.medium != "page":
            yield "item", block.text
        elif isinstance(block, Formula):
            yield "formula", block.text
        elif isinstance(block, Row):
            yield "row", f"{block.name}\t{block.value}"
        elif isinstance(block, Table):
            for row in block.rows:
                yield "row", "\t".join(" ".join(cell.split()) for cell in row)
