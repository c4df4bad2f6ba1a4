"""A page: an A4 figure measured in inches from its top left corner, with text that is wrapped by its true width."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from scalelaw.report.style import BODY, INK, MARGIN, MUTED, PAGE, RULE, TINY
from scalelaw.report.text.formula import Formula
from scalelaw.report.text.glyphs import FACE
from scalelaw.report.text.measure import LEADING, clip, wrap

FOOT = PAGE[1] - 0.62
"""Nothing but the footer lies below this height, in inches from the top."""
ROOM = PAGE[0] - 2 * MARGIN
"""The width of a page between its margins, in inches."""
_TITLE, _SUBTITLE = 2, 4
"""Lines of a page's title and of what stands below it; longer ones are cut."""


class Page:
    """One A4 page; all places and sizes in inches, from the top left corner.

    top: where the next text may begin. Nothing is drawn off the page: text is cut at its foot.
    """

    width, height = PAGE

    def __init__(self, title: str = "", subtitle: str = "") -> None:
        self.title = title
        self.figure = Figure(figsize=PAGE)
        FigureCanvasAgg(self.figure)
        self.top = 0.5
        if title:
            self.top = self.text(MARGIN, self.top, title, ROOM, size=17, weight="bold", lines=_TITLE) + 0.03
        if subtitle:
            self.top = self.text(MARGIN, self.top, subtitle, ROOM, size=BODY, colour=MUTED, lines=_SUBTITLE)

    def following(self) -> Page:
        """A new page that continues this one."""
        page = Page(
            f"{clip(self.title, self.width - 4, 17, 'bold')}, continued" if self.title else "Continued"
        )
        page.title = self.title
        return page

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

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes whose frame has this place and size; labels and ticks lie outside it."""
        return self.figure.add_axes(
            (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        )

    def footer(self, left: str, number: int, total: int) -> None:
        """The line at the foot: what made this from which data, and the page number."""
        top = self.height - 0.42
        self.rule(MARGIN, top - 0.09, self.width - 2 * MARGIN)
        room = self.width - 2 * MARGIN
        self.text(MARGIN, top, clip(left, room - 1, TINY), room, size=TINY, colour=MUTED)
        self.text(MARGIN, top, f"{number} / {total}", room, size=TINY, colour=MUTED, align="right")
