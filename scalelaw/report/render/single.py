"""One figure alone, at a given width: for the column of a paper, a slide, a web page."""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet
from matplotlib.transforms import Bbox

from scalelaw.report.blocks import Figure
from scalelaw.report.text.glyphs import make_drawable

_PAD, _EDGE = 0.06, 0.02
_TRIES = 4
"""How often the margins are widened for what sticks out of them."""
_ROOM_BELOW = 2.6


def alone(panel: Figure, width: float, height: float | None = None) -> tuple[Sheet, Bbox]:
    """A figure with this panel, and the part of it to be saved (inches): `width` wide, so that its type has its size,
    and `height` high, or as high as the panel with its legend needs. To be called inside `style.styled()`."""
    left, right, inner, *_ = panel.figure.margins(panel.data, width)
    for _ in range(_TRIES):
        figure, box = _drawn(panel, width, left, right, inner)
        out = max(0.0, _EDGE - box.x0), max(0.0, box.x1 + _EDGE - width)
        over = 0.0 if height is None else box.height + 2 * _PAD - height
        if (max(out) < 0.005 or width - left - right - sum(out) < 0.8) and abs(over) < 0.005:
            break
        left, right, inner = left + out[0], right + out[1], max(inner - over, 0.3)
    low, high = (
        min(0.0, box.x0) if max(out) >= 0.05 else 0.0,
        max(width, box.x1) if max(out) >= 0.05 else width,
    )
    return figure, Bbox([[low, box.y0 - _PAD], [high, box.y1 + _PAD]])


def _drawn(panel: Figure, width: float, left: float, right: float, height: float) -> tuple[Sheet, Bbox]:
    tall = height + 0.9 + _ROOM_BELOW
    figure = Sheet(figsize=(width, tall))
    FigureCanvasAgg(figure)
    inner = width - left - right
    axes = figure.add_axes((left / width, _ROOM_BELOW / tall, inner / width, height / tall))
    panel.figure.draw(axes, panel.data)
    make_drawable(figure)
    figure.draw_without_rendering()
    return figure, figure.get_tightbbox()
