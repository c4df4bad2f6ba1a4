"""Coverage: which cells of the grid were measured, how often, and what came out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedFormatter, FixedLocator

from scalelaw.report.figures.parts import HATCH, HATCH_COLOUR, panel_heading
from scalelaw.report.grids import Coverage
from scalelaw.report.render.pdf import clip, text_width
from scalelaw.report.style import MUTED, ON_DARK, ON_LIGHT, PAPER, SURFACE, TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.ticks import log_input

_READABLE = 14
"""The most rows or columns whose cells hold their numbers and all their labels."""


def draw_coverage(axes: Axes, data: Coverage) -> None:
    """Draw what was measured: a grid whose cells hold their mean error, or a point each where there are too many."""
    (_grid if data.is_grid else _points)(axes, data)
    panel_heading(axes, data.title, f"n = {data.n}{data.note}")


def _grid(axes: Axes, data: Coverage) -> None:
    rows, columns = data.mean.shape
    axes.set(xlim=(0, columns), ylim=(0, rows))
    axes.grid(False)
    numbered = _cells_hold_numbers(axes, rows, columns)
    low, high = float(np.nanmin(data.mean)), float(np.nanmax(data.mean))
    for row, column in np.ndindex(rows, columns):
        value = float(data.mean[row, column])
        if not np.isfinite(value):
            axes.add_patch(
                Rectangle(
                    (column, row), 1, 1, facecolor="none", edgecolor=HATCH_COLOUR, hatch=HATCH, linewidth=0
                )
            )
            continue
        colour = colormaps[SURFACE]((value - low) / (high - low) if high > low else 0.5)
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor=PAPER, linewidth=1.5))
        if numbered:
            count = int(data.rows[row, column])
            star = "*" if data.uneven is not None and data.uneven[row, column] else ""
            text = f"{value:.3f}{star}" + (f"\n× {count}" if count > 1 else "")
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", size=TINY, color=_ink(colour))
    if not numbered and high > low:
        _bar(axes, ScalarMappable(Normalize(low, high), SURFACE), data.target)
    for axis, labels, name in ((axes.xaxis, data.columns, data.along), (axes.yaxis, data.levels, data.by)):
        every = _every(axes, labels) if axis is axes.xaxis else -(-len(labels) // _READABLE)
        axis.set_major_locator(FixedLocator([i + 0.5 for i in range(0, len(labels), every)]))
        axis.set_major_formatter(FixedFormatter([clip(label, 1.0, TINY) for label in labels[::every]]))
        axis.set_tick_params(length=0)
        axis.set_label_text(fmt.axis(name) if name in fmt.INPUTS else fmt.named(name))
    for spine in axes.spines.values():
        spine.set_color(MUTED)


def _points(axes: Axes, data: Coverage) -> None:
    assert data.x is not None
    assert data.y is not None
    log_input(axes, "x", data.along, float(data.x.min()) / 1.3, float(data.x.max()) * 1.3)
    log_input(axes, "y", data.by, float(data.y.min()) / 1.3, float(data.y.max()) * 1.3)
    dots = axes.scatter(
        data.x, data.y, c=data.error, cmap=SURFACE, s=22, edgecolors=MUTED, linewidths=0.4, zorder=3
    )
    _bar(axes, dots, data.target)


def _cells_hold_numbers(axes: Axes, rows: int, columns: int) -> bool:
    """Whether the cells are large enough for their numbers."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    (wide, tall), place = figure.get_size_inches(), axes.get_position()
    return (
        max(rows, columns) <= _READABLE
        and place.width * wide / columns >= text_width("0.000", TINY) + 0.02
        and place.height * tall / rows >= 0.16
    )


def _every(axes: Axes, labels: Sequence[str]) -> int:
    """1 where every column's label has room beside the next, 2 where every second has, ..."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    column = float(axes.get_position().width * figure.get_size_inches()[0]) / len(labels)
    widest = max(text_width(clip(label, 1.0, TINY), TINY) for label in labels) + 0.05
    return max(-(-len(labels) // _READABLE), int(np.ceil(widest / column)))


def _bar(axes: Axes, colours: ScalarMappable, target: str) -> None:
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(colours, ax=axes, label=fmt.axis(target), pad=0.02, fraction=0.03)
    bar.outline.set_visible(False)


def _ink(colour: Sequence[float]) -> str:
    """Dark or light text, whichever stands out from the colour (WCAG relative luminance)."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3])
    return ON_LIGHT if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.2 else ON_DARK
