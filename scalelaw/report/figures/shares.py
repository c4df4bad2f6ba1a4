"""Cost by part: a bar per configuration, cut into its parts."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FixedFormatter, FixedLocator

from scalelaw.report.figures.parts import legend_below, panel_heading, row_labels
from scalelaw.report.render.pdf import text_width
from scalelaw.report.shares import Shares
from scalelaw.report.style import INK, MUTED, PAPER, PETROFF10, TINY
from scalelaw.report.text import format as fmt

_HATCHES = ("", "///", "\\\\\\", "...", "xx", "--", "++")


def draw_shares(axes: Axes, data: Shares) -> None:
    """Draw a bar per configuration; parts differ in colour and hatching, their shares are written where they fit."""
    count = len(data.labels)
    axes.set_xlim(0, 100)
    row_labels(axes, data.labels)
    axes.xaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
    axes.xaxis.set_major_formatter(FixedFormatter(["0", "25", "50", "75", "100"]))
    axes.set_xlabel("share of the FLOPs of a query (%)")
    axes.grid(False)
    figure = axes.get_figure(root=True)
    assert figure is not None
    inch = axes.get_position().width * figure.get_size_inches()[0] / 100
    left = [0.0] * count
    handles = []
    for index, (name, values) in enumerate(data.parts.items()):
        colour, hatch = PETROFF10[index % 10], _HATCHES[index % len(_HATCHES)]
        look: dict[str, Any] = {"facecolor": colour, "hatch": hatch, "edgecolor": PAPER, "linewidth": 0.8}
        axes.barh(range(count), [100 * v for v in values], left=left, height=0.62, **look)
        for row, value in enumerate(values):
            text = fmt.share(value)
            if 100 * value * inch > text_width(text, TINY) + 0.12:
                axes.text(left[row] + 50 * value, row, text, ha="center", va="center", size=TINY, color=INK,
                          bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.2, "alpha": 0.85})  # fmt: skip
            left[row] += 100 * value
        handles.append(Patch(**look, label=fmt.capital(name)))
    for row, total in enumerate(data.totals):
        axes.annotate(
            fmt.si(total, "FLOPs"), (1, row), (8, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", ha="left", va="center", size=TINY, color=MUTED, annotation_clip=False,
        )  # fmt: skip
    panel_heading(axes, data.title, data.note)
    legend_below(axes, handles)
