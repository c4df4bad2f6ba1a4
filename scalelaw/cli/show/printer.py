"""Printing on a terminal (rich): text is escaped, tables are fitted to the width."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scalelaw.files.safe_text import one_line, printable
from scalelaw.report.text.numbers import parameters

_PIPED_WIDTH = 120
"""Columns where there is no terminal and COLUMNS is not set."""
MOST_LINES = 25
"""Lines of an answer on a terminal, unless all are requested."""
_LEAST_LINES = 12
_GAP = 2
_LEAST = 6


_KEPT: ContextVar[list[str] | None] = ContextVar("kept", default=None)


@contextmanager
def at_most(lines: int, warnings: Iterable[tuple[str, str]] = (), verbose: bool = False) -> Iterator[None]:
    """On a terminal without `verbose`, print at most this many lines, those of the warnings before them included, but
    not fewer than `_LEAST_LINES`; the last line counts the rest."""
    if verbose or not sys.stdout.isatty():
        yield
        return
    kept: list[str] = []
    token = _KEPT.set(kept)
    try:
        yield
    finally:
        _KEPT.reset(token)
        whole = "".join(kept).splitlines(keepends=True)
        width = Printer().width
        above = sum(1 + (len("warning: ") + len(message)) // width for _, message in warnings)
        lines = max(lines - above, _LEAST_LINES)
        if len(whole) > lines:
            left = len(whole) - lines + 1
            whole = [*whole[: lines - 1], f"... {left} more lines: --verbose prints all\n"]
        sys.stdout.write("".join(whole))


class Printer:
    """Prints lines and tables on stdout: plain text where it is piped or NO_COLOR is set. Names, messages and cells
    are text, never markup; control characters in them are escaped."""

    def __init__(self) -> None:
        console = Console(highlight=False, markup=False, emoji=False)
        if not console.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
            console = Console(highlight=False, markup=False, emoji=False, width=_PIPED_WIDTH)
        self._console = console

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self._console.width

    def line(self, text: str = "", *, bold: str = "", style: str = "", after: str = "") -> None:
        """Print `bold` (in bold face), `text` and `after` as one paragraph, wrapped at the width."""
        whole = Text(printable(bold), "bold")
        whole.append(printable(text), style or None)
        whole.append(printable(after), style or None)
        self._print(whole, overflow="fold")

    def _print(self, item: Text | Table, **options: Any) -> None:
        """Print, or keep the text for `at_most`. The ASCII minus can be copied into an option."""
        with self._console.capture() as captured:
            self._console.print(item, **options)
        text = captured.get().replace("−", "-")
        if (kept := _KEPT.get()) is None:
            self._console.file.write(text)
        else:
            kept.append(text)

    def raw(self, text: str) -> None:
        """Print a line that is not wrapped, such as a path."""
        self._print(Text(printable(text)), soft_wrap=True)

    def table(
        self,
        header: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        left: Iterable[int] = (0,),
        keys: int = 1,
    ) -> None:
        """Print a table without borders. Where it is wider than the terminal, its columns go into several tables, one
        below the other, that each repeat the first `keys` columns; no cell is cut. left: columns set to the left."""
        names = [one_line(name) for name in header]
        cells = [[one_line(cell) for cell in row] for row in rows]
        widths = [
            max([cell_len(row[place]) for row in cells] + [cell_len(name)])
            for place, name in enumerate(names)
        ]
        if _needs(widths) > self.width:  # a header may take several lines before the table is cut
            words = [max((cell_len(word) for word in name.split()), default=0) for name in names]
            widths = [
                max([cell_len(row[place]) for row in cells] + [words[place]]) for place in range(len(names))
            ]
        aligned = set(left)
        for places in self._parts(widths, keys):
            table = Table(
                box=None,
                pad_edge=False,
                padding=(0, _GAP, 0, 0),
                header_style="dim",
                show_header=any(names[place] for place in places),
            )
            for place in places:
                table.add_column(
                    Text(names[place]),
                    justify="left" if place in aligned else "right",
                    width=widths[place] or 1,
                    overflow="fold",
                )
            for row in cells:
                table.add_row(*(Text(row[place]) for place in places))
            self._print(table)

    def _parts(self, widths: list[int], keys: int) -> list[list[int]]:
        """Columns by table; columns wider than the terminal are narrowed in place (their cells are folded)."""
        if _needs(widths) <= self.width:
            return [list(range(len(widths)))]
        own, rest = list(range(min(keys, len(widths)))), list(range(keys, len(widths)))
        widest = max((widths[place] for place in rest), default=0)
        room = max(self.width - min(widest + _GAP, self.width // 2), _LEAST * len(own))
        while _needs([widths[place] for place in own]) > room:
            place = max(own, key=lambda column: widths[column])
            if widths[place] <= _LEAST:
                break
            widths[place] -= 1
        room = max(self.width - _needs([widths[place] for place in own]) - _GAP, _LEAST)
        parts: list[list[int]] = []
        for place in rest:
            widths[place] = min(widths[place], room)
            if parts and _needs([widths[other] for other in (*parts[-1], place)]) <= room:
                parts[-1].append(place)
            else:
                parts.append([place])
        return [[*own, *part] for part in parts] or [own]


def _needs(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * max(len(widths) - 1, 0)


def first_names(names: list[str], most: int = 3) -> str:
    """The first names, and the number of the others."""
    more = f"; and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def label(value: Any) -> str:
    """A value of a grid: numbers rounded, names unchanged."""
    if not isinstance(value, float | int):
        return str(value)
    return parameters(value) if 1e6 <= abs(value) < 1e12 else f"{value:.4g}"
