"""A page: an A4 figure measured in inches from its top left corner, with text that is wrapped by its true width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.ticker import NullFormatter

from scalelaw.report.figures._contract import Plugin
from scalelaw.report.style import BODY, INK, MARGIN, MUTED, PAGE, RULE, SMALL, TINY
from scalelaw.report.text.formula import Formula
from scalelaw.report.text.glyphs import FACE, make_drawable_axes
from scalelaw.report.text.measure import LEADING, clip, wrap

FOOT = PAGE[1] - 0.62
"""Nothing but the footer lies below this height, in inches from the top."""
_LEAST = (0.8, 0.3)
"""The least width and height of a panel, in inches."""
_SPILLED = (0.9, 2.4, 1.3)
"""Of a panel that had no room on its page: above it, its own height at least, and below it, in inches."""
_TITLE, _SUBTITLE = 2, 4
"""Lines of a page's title and of what stands below it; longer ones are cut."""


@dataclass(frozen=True)
class Panel:
    """A figure of a page: its name there, the plug-in that draws it, and its data."""

    name: str
    figure: Plugin
    data: Any

    @property
    def plugin(self) -> str:
        """The name of the plug-in."""
        return str(getattr(self.figure, "__name__", self.name)).rpartition(".")[2]


class Page:
    """One A4 page; all places and sizes in inches, from the top left corner.

    panels: its figures. texts: its text in order, (kind, text), kind one of title, headline, heading, paragraph,
    item, row (name, tab, value): what a page without paper shows. next: the page that goes on with what had no room.

    Nothing is drawn off the page: text is cut at its foot, a panel without room goes to a following page.
    """

    width, height = PAGE

    def __init__(self, title: str = "", subtitle: str = "") -> None:
        self.panels: list[Panel] = []
        self.title = title
        self.next: Page | None = None
        self._spilled: Page | None = None
        self.texts: list[tuple[str, str]] = [
            (kind, text) for kind, text in (("title", title), ("paragraph", subtitle)) if text
        ]
        self.figure = Figure(figsize=PAGE)
        FigureCanvasAgg(self.figure)
        self.top = 0.5
        room = self.width - 2 * MARGIN
        if title:
            self.top = self.text(MARGIN, self.top, title, room, size=17, weight="bold", lines=_TITLE) + 0.03
        if subtitle:
            self.top = self.text(MARGIN, self.top, subtitle, room, size=BODY, colour=MUTED, lines=_SUBTITLE)

    def follow(self) -> Page:
        """A new page at the end of those that go on with this one."""
        last = self
        while last.next is not None:
            last = last.next
        last.next = Page(
            f"{clip(self.title, self.width - 4, 17, 'bold')}, continued" if self.title else "Continued"
        )
        last.next.title = self.title
        return last.next

    def text(
        self,
        left: float,
        top: float,
        text: str,
        width: float,
        *,
        size: float = BODY,
        weight: str = "normal",
        colour: str = INK,
        align: str = "left",
        lines: int | None = None,
    ) -> float:
        """Set wrapped text in the box of `width` from `left`, in at most so many `lines` and not beyond the page;
        returns the height where it ends."""
        anchor = {"left": left, "right": left + width, "center": left + width / 2}[align]
        wrapped = wrap(text, width, size, weight)
        room = max(int((self.height - 0.2 - top) / (LEADING * size / 72)), 1)
        most = room if lines is None else min(lines, room)
        if len(wrapped) > most:
            wrapped = [*wrapped[: most - 1], clip(f"{wrapped[most - 1]} …", width, size, weight)]
        for line in wrapped:
            baseline = top + 0.95 * size / 72
            self.figure.text(
                anchor / self.width,
                1 - baseline / self.height,
                line,
                size=size,
                weight=weight,
                color=colour,
                ha=align,
                va="baseline",
            )
            top += LEADING * size / 72
        return top

    def formula(
        self, left: float, top: float, text: str, width: float, *, size: float, weight: str = "bold"
    ) -> float:
        """Set a formula from `formula.typeset` on one line, as large as `size` and `width` allow; plain words are
        wrapped. Returns the height where it ends."""
        if not isinstance(text, Formula):
            return self.text(left, top, text, width, size=size, weight=weight, lines=3)
        long, tall, deep = text_to_path.get_text_width_height_descent(
            text, FontProperties(family=FACE, size=size), ismath=True
        )
        size *= min(1.0, 72 * width / long)
        y = 1 - (top + 0.95 * size / 72 + max(0.0, (tall - deep - size) / 72)) / self.height
        self.figure.text(left / self.width, y, text, size=size, va="baseline", parse_math=True)
        return top + max(LEADING * size, tall + 0.3 * size) / 72

    def rule(self, left: float, top: float, width: float, colour: str = RULE) -> None:
        """A thin horizontal line."""
        y = 1 - top / self.height
        x = [left / self.width, (left + width) / self.width]
        self.figure.add_artist(Line2D(x, [y, y], color=colour, linewidth=0.8))

    def block(self, left: float, top: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle."""
        corner = (left / self.width, 1 - (top + height) / self.height)
        self.figure.add_artist(
            Rectangle(
                corner, width / self.width, height / self.height, color=colour, linewidth=0,
                transform=self.figure.transFigure,
            )
        )  # fmt: skip

    def panel(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes whose frame has this place and size; labels and ticks lie outside it."""
        width, height = max(width, _LEAST[0]), max(height, _LEAST[1])
        return self.figure.add_axes(
            (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        )

    def plot(
        self,
        name: str,
        place: tuple[float, float, float, float],
        figure: Plugin,
        data: Any,
        labels: bool = True,
    ) -> None:
        """Draw a figure at `place` (left, top, width, height), without the labels of its rows where its neighbor has
        them. A panel that has no room there goes to a following page."""
        left, top, width, height = place
        if width < _LEAST[0] or height < _LEAST[1] or top + height > FOOT:
            self._spill(width, height).plot_below(name, (left, width, height), figure, data, labels)
            return
        axes = self.panel(*place)
        figure.draw(axes, data)
        if not labels:
            axes.yaxis.set_major_formatter(NullFormatter())
        make_drawable_axes(axes)
        self.panels.append(Panel(name, figure, data))

    def plot_below(
        self,
        name: str,
        place: tuple[float, float, float],
        figure: Plugin,
        data: Any,
        labels: bool = True,
    ) -> None:
        """Draw a figure (left, width, height) under what the page already holds."""
        above, least, below = _SPILLED
        left, width = min(place[0], self.width / 2), max(place[1], 4.0)
        width = min(width, self.width - MARGIN - left)
        height = min(max(place[2], least), FOOT - self.top - above - below)
        self.plot(name, (left, self.top + above, width, height), figure, data, labels)
        self.top += above + height + below

    def _spill(self, width: float, height: float) -> Page:
        """The following page that still has room for such a panel."""
        above, least, below = _SPILLED
        if self._spilled is None or self._spilled.top + above + max(height, least) + below > FOOT:
            self._spilled = self.follow()
        return self._spilled

    def footer(self, left: str, number: int, total: int) -> None:
        """The line at the foot: what made this from which data, and the page number."""
        top = self.height - 0.42
        self.rule(MARGIN, top - 0.09, self.width - 2 * MARGIN)
        room = self.width - 2 * MARGIN
        self.text(MARGIN, top, clip(left, room - 1, TINY), room, size=TINY, colour=MUTED)
        self.text(MARGIN, top, f"{number} / {total}", room, size=TINY, colour=MUTED, align="right")


class Column:
    """Text that flows down a column of a page; `top` is where the next block begins. What does not fit above the
    column's foot goes on in a column over the whole width of a following page."""

    def __init__(self, page: Page, left: float, top: float, width: float, bottom: float = FOOT) -> None:
        self.page, self.left, self.top, self.width, self.bottom = page, left, top, width, bottom
        self._start = top

    def fits(self, text: str, size: float = BODY, reserve: float = 0.0) -> bool:
        """Whether the text, wrapped, still fits above the column's foot, `reserve` inches kept free."""
        return self.top + len(wrap(text, self.width, size)) * LEADING * size / 72 + reserve <= self.bottom

    def need(self, height: float) -> None:
        """Go on on a following page unless there are `height` inches left here, or nothing stands here yet."""
        if self.top + height <= self.bottom or self.top <= self._start:
            return
        self.page = self.page.follow()
        self.left, self.width, self.bottom = MARGIN, self.page.width - 2 * MARGIN, FOOT
        self.top = self._start = self.page.top + 0.2

    def heading(self, text: str) -> None:
        """A small heading."""
        self.need(0.6)
        self.page.texts.append(("heading", text))
        self.top = (
            self.page.text(self.left, self.top, text, self.width, size=11, weight="bold", lines=2) + 0.05
        )

    def paragraph(
        self, text: str, *, size: float = BODY, colour: str = INK, weight: str = "normal", after: float = 0.09
    ) -> None:
        """A paragraph, followed by `after` inches of space."""
        self.need(len(wrap(text, self.width, size, weight)) * LEADING * size / 72)
        self.page.texts.append(("paragraph", text))
        end = self.page.text(self.left, self.top, text, self.width, size=size, colour=colour, weight=weight)
        self.top = end + after

    def item(self, text: str, mark: str = "–", size: float = SMALL + 0.5, lines: int | None = None) -> None:
        """A point of a list, its lines hanging beside the mark, at most so many `lines`."""
        indent = 0.17
        count = len(wrap(text, self.width - indent, size))
        self.need(min(count, lines or count) * LEADING * size / 72)
        self.page.texts.append(("item", text))
        self.page.text(self.left, self.top, mark, indent, size=size, colour=MUTED)
        left, width = self.left + indent, self.width - indent
        end = self.page.text(left, self.top, text, width, size=size, lines=lines)
        self.top = end + 0.07
