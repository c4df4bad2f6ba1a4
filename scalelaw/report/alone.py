"""One panel by itself, at a width given: for a paper's column, a slide, a page that is no paper."""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from scalelaw.report.figures.choices import NAMES
from scalelaw.report.figures.parts import WIDEST
from scalelaw.report.grids import Coverage
from scalelaw.report.render.pdf import Panel, text_width
from scalelaw.report.rows import Rows
from scalelaw.report.series import Choices, Intervals
from scalelaw.report.shares import Shares
from scalelaw.report.style import SMALL, TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.text.glyphs import make_drawable

_PAD, _EDGE = 0.06, 0.02
_TRIES = 4
"""How often the margins are widened for what sticks out of them."""
_ROOM_BELOW = 2.6


def alone(panel: Panel, width: float) -> tuple[Figure, Bbox]:
    """A figure with this panel, drawn, and the part of it to be saved (inches): just `width` wide, so that its type is
    read at the size it has, and as high as the panel with its legend needs. To be called inside `style.styled()`."""
    left, right, height = _margins(panel.data, width)
    for _ in range(_TRIES):
        figure, box = _drawn(panel, width, left, right, height)
        out = max(0.0, _EDGE - box.x0), max(0.0, box.x1 + _EDGE - width)
        if max(out) < 0.005 or width - left - right - sum(out) < 0.8:
            break
        left, right = left + out[0], right + out[1]
    low, high = (
        min(0.0, box.x0) if max(out) >= 0.05 else 0.0,
        max(width, box.x1) if max(out) >= 0.05 else width,
    )
    return figure, Bbox([[low, box.y0 - _PAD], [high, box.y1 + _PAD]])


def _drawn(panel: Panel, width: float, left: float, right: float, height: float) -> tuple[Figure, Bbox]:
    tall = height + 0.9 + _ROOM_BELOW
    figure = Figure(figsize=(width, tall))
    FigureCanvasAgg(figure)
    inner = width - left - right
    axes = figure.add_axes((left / width, _ROOM_BELOW / tall, inner / width, height / tall))
    panel.draw(axes, panel.data)
    make_drawable(figure)
    figure.draw_without_rendering()
    return figure, figure.get_tightbbox()


def _margins(data: object, width: float) -> tuple[float, float, float]:
    """Room at the left and at the right, and the panel's height, in inches."""
    wide = 0.62 * (width - 0.75)
    if isinstance(data, Rows):
        right = 0.12 + max([0.05, *(text_width(text, TINY) + 0.1 for text in data.side)])
        return _labels(data.labels, width), right, max(0.4, 0.24 * len(data.labels))
    if isinstance(data, Shares):
        halves = tuple(half for label in data.labels for half in label.split(", "))
        return _labels(halves, width), 0.95, max(0.5, 0.36 * len(data.labels))
    if isinstance(data, Intervals):
        return (
            0.2 + max(text_width(fmt.greek(b.name), TINY) for b in data.bars),
            1.55,
            0.22 * len(data.bars),
        )
    if isinstance(data, Choices):
        names = max(min(text_width(str(c["model"]), SMALL, "bold"), NAMES) for c in data.choices)
        names = max(names, *(text_width(fmt.tokens(c["visual_tokens"]), TINY) for c in data.choices))
        return names + 0.25, 0.7, 0.37 * len(data.choices) + 0.1
    if isinstance(data, Coverage):
        labels = min(1.1, _labels(data.levels, width)) if data.is_grid else 0.62
        return (
            labels + 0.25,
            0.15 if data.is_grid else 0.6,
            max(0.9, (0.4 if data.rows.max() > 1 else 0.26) * len(data.levels)) if data.is_grid else wide,
        )
    return 0.62, 0.13, wide


def _labels(labels: tuple[str, ...], width: float) -> float:
    return 0.15 + min(WIDEST, 0.45 * width, max(text_width(label, TINY) for label in labels))
