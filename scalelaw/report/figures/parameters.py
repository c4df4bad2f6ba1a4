"""Uncertainty of the parameters: draws of two parameters against each other, and how wide each interval is."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator

from scalelaw.report.figures.parts import panel_heading
from scalelaw.report.series import Cloud, Intervals
from scalelaw.report.style import INK, MUTED, PAPER, PETROFF10, TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.ticks import plain_linear


def draw_cloud(axes: Axes, data: Cloud) -> None:
    """Draw the draws of two parameters (a dot each) and the fitted pair (a star); parameters have no unit."""
    x_name, y_name, x, y, best = data.x_name, data.y_name, data.x, data.y, data.best
    axes.plot(
        x, y, linestyle="none", marker="o", markersize=2.2, color=PETROFF10[0], alpha=0.4, markeredgewidth=0
    )
    axes.plot(*best, marker="*", markersize=14, color=INK, markeredgecolor=PAPER)
    axes.set_xlabel(f"{fmt.greek(x_name)} (no unit)")
    axes.set_ylabel(f"{fmt.greek(y_name)} (no unit)")
    axes.set(xlim=_span(x, best[0]), ylim=_span(y, best[1]))
    plain_linear(axes.xaxis, *axes.get_xlim(), most=5)
    plain_linear(axes.yaxis, *axes.get_ylim(), most=5)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    outside = int(np.sum((x < left) | (x > right) | (y < low) | (y > high)))
    panel_heading(
        axes,
        f"{fmt.greek(y_name)} against {fmt.greek(x_name)}",
        f"{len(x):,} draws" + (f", {outside} outside" if outside else ""),
    )


def _span(values: np.ndarray, best: float) -> tuple[float, float]:
    """The middle 99% of the values, no further than 5 quartile ranges from the quartiles, and the fitted one, with
    some room: far draws would hide the rest."""
    low, first, third, high = map(float, np.quantile(values, (0.005, 0.25, 0.75, 0.995)))
    if (reach := 5 * (third - first)) > 0:
        low, high = max(low, first - reach), min(high, third + reach)
    low, high = min(low, best), max(high, best)
    room = 0.08 * (high - low) or 0.1 * abs(best) or 1.0
    return low - room, high + room


def draw_intervals(axes: Axes, data: Intervals) -> None:
    """Draw each interval as a multiple of the fitted value (a value of 0 has none: its row holds the numbers alone)."""
    bars = data.bars
    shown = [(row, bar) for row, bar in enumerate(bars) if bar.value]
    reach = [end / bar.value for _, bar in shown for end in (bar.low, bar.high)]
    low, high = max(-1.0, min([0.8, *reach])), min(5.0, max([1.2, *reach]))
    cut = "; bars that reach the edge go on" if min(reach) < low or max(reach) > high else ""
    axes.set(xlim=(low - 0.05 * (high - low), high + 0.05 * (high - low)), ylim=(len(bars) - 0.5, -0.5))
    plain_linear(axes.xaxis, *axes.get_xlim())
    axes.set_xlabel(f"interval as a multiple of the fitted value (no unit{cut})")
    axes.yaxis.set_major_locator(FixedLocator(range(len(bars))))
    axes.yaxis.set_major_formatter(FixedFormatter([fmt.greek(bar.name) for bar in bars]))
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.axvline(1, color=INK, linewidth=0.8, zorder=1)
    for row, bar in shown:
        ends = np.clip([bar.low / bar.value, bar.high / bar.value], -2.0, 6.0)
        axes.plot(ends, [row, row], color=PETROFF10[0], linewidth=5, alpha=0.6,
                  solid_capstyle="butt")  # fmt: skip
        axes.plot(1, row, marker="*", markersize=10, color=INK, markeredgecolor=PAPER)
    for row, bar in enumerate(bars):
        text = f"{fmt.short(bar.value)}  ({fmt.span((bar.low, bar.high))})"
        axes.annotate(
            text, (1, row), (10, 0), xycoords=("axes fraction", "data"), textcoords="offset points", ha="left",
            va="center", size=TINY, color=MUTED, annotation_clip=False,
        )  # fmt: skip
    panel_heading(axes, "Interval widths", f"n = {data.n}")
