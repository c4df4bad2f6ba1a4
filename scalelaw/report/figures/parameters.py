"""What may be believed: draws of two parameters against each other, and how wide each interval is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator

from scalelaw.report import words
from scalelaw.report.figures.parts import panel_heading
from scalelaw.report.series import Bar
from scalelaw.report.style import INK, MUTED, PAPER, PETROFF10, TINY
from scalelaw.report.ticks import plain_linear


def draw_cloud(
    axes: Axes, x_name: str, y_name: str, x: np.ndarray, y: np.ndarray, best: tuple[float, float]
) -> None:
    """Draw the draws of two parameters (a dot each) and the fitted pair (a star); parameters have no unit."""
    axes.plot(
        x, y, linestyle="none", marker="o", markersize=2.2, color=PETROFF10[0], alpha=0.4, markeredgewidth=0
    )
    axes.plot(*best, marker="*", markersize=14, color=INK, markeredgecolor=PAPER)
    axes.set_xlabel(f"{words.greek(x_name)} (no unit)")
    axes.set_ylabel(f"{words.greek(y_name)} (no unit)")
    plain_linear(axes.xaxis, *axes.get_xlim(), most=5)
    plain_linear(axes.yaxis, *axes.get_ylim(), most=5)
    panel_heading(axes, f"{words.greek(y_name)} against {words.greek(x_name)}", f"{len(x):,} draws")


def draw_intervals(axes: Axes, bars: Sequence[Bar], n: int) -> None:
    """Draw each interval as a multiple of the fitted value (a value of 0 has none: its row holds the numbers alone)."""
    shown = [(row, bar) for row, bar in enumerate(bars) if bar.value]
    low = min([0.8, *(bar.low / bar.value for _, bar in shown)])
    high = max([1.2, *(bar.high / bar.value for _, bar in shown)])
    axes.set(xlim=(low - 0.05 * (high - low), high + 0.05 * (high - low)), ylim=(len(bars) - 0.5, -0.5))
    plain_linear(axes.xaxis, *axes.get_xlim())
    axes.set_xlabel("interval as a multiple of the fitted value (no unit)")
    axes.yaxis.set_major_locator(FixedLocator(range(len(bars))))
    axes.yaxis.set_major_formatter(FixedFormatter([words.greek(bar.name) for bar in bars]))
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.axvline(1, color=INK, linewidth=0.8, zorder=1)
    for row, bar in shown:
        axes.plot([bar.low / bar.value, bar.high / bar.value], [row, row], color=PETROFF10[0], linewidth=5, alpha=0.6,
                  solid_capstyle="butt")  # fmt: skip
        axes.plot(1, row, marker="*", markersize=10, color=INK, markeredgecolor=PAPER)
    for row, bar in enumerate(bars):
        text = f"{words.short(bar.value)}  ({words.span((bar.low, bar.high))})"
        axes.annotate(
            text, (1, row), (10, 0), xycoords=("axes fraction", "data"), textcoords="offset points", ha="left",
            va="center", size=TINY, color=MUTED, annotation_clip=False,
        )  # fmt: skip
    panel_heading(axes, "How wide each interval is", f"n = {n}")
