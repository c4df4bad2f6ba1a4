"""How wide the interval of each parameter and derived number is, as a multiple of its value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator

from scalelaw.report.figures._contract import Margins
from scalelaw.report.figures._parts import panel_heading
from scalelaw.report.figures._ticks import plain_linear
from scalelaw.report.study import Study
from scalelaw.report.style import INK, MUTED, PAPER, PETROFF10, TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.text.measure import text_width
from scalelaw.report.values import Bar, bars

TITLE = "Interval widths"
IN_SECTION = True
IN_TABLES = True
"""The tables of a report for a paper have these numbers."""


@dataclass(frozen=True)
class Intervals:
    """Fitted and derived numbers with their intervals, and of how many points."""

    bars: tuple[Bar, ...]
    n: int


def prepare(study: Study) -> Intervals | None:
    """The numbers of the fit whose value and interval are finite."""
    if study.fitted is None or fmt.is_average(study.fitted.law) or not (finite := bars(study.fitted)):
        return None
    return Intervals(tuple(finite), study.fitted.n_points)


def draw(axes: Axes, data: Intervals) -> None:
    """Draw each interval as a multiple of the fitted value (a value of 0 has none: its row holds the numbers alone)."""
    bars = data.bars
    shown = [(row, bar) for row, bar in enumerate(bars) if bar.value]
    reach = [end / bar.value for _, bar in shown for end in (bar.low, bar.high)]
    low, high = max(-1.0, min([0.8, *reach])), min(5.0, max([1.2, *reach]))
    cut = " · bars at the edge go on" if min(reach) < low or max(reach) > high else ""
    axes.set(xlim=(low - 0.05 * (high - low), high + 0.05 * (high - low)), ylim=(len(bars) - 0.5, -0.5))
    plain_linear(axes.xaxis, *axes.get_xlim())
    axes.set_xlabel("multiple of the fitted value (no unit)")
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
    figure = axes.get_figure(root=True)
    assert figure is not None
    beside = float(figure.get_size_inches()[0]) * (1 - axes.get_position().x1)
    text = _numbers if all(text_width(_numbers(bar), TINY) + 0.1 < beside for bar in bars) else _number
    for row, bar in enumerate(bars):
        axes.annotate(
            text(bar), (1, row), (10, 0), xycoords=("axes fraction", "data"), textcoords="offset points", ha="left",
            va="center", size=TINY, color=MUTED, annotation_clip=False,
        )  # fmt: skip
    panel_heading(axes, TITLE, f"n = {data.n}{cut}")


def _number(bar: Bar) -> str:
    return fmt.short(bar.value)


def _numbers(bar: Bar) -> str:
    return f"{fmt.short(bar.value)}  ({fmt.span((bar.low, bar.high))})"


def frame(data: Intervals) -> pd.DataFrame:
    """Each number with the ends of its interval."""
    return pd.DataFrame([{"name": b.name, "value": b.value, "low": b.low, "high": b.high} for b in data.bars])


def margins(data: Intervals, width: float) -> Margins:
    """Names at the left, numbers at the right."""
    left = 0.2 + max(text_width(fmt.greek(bar.name), TINY) for bar in data.bars)
    right, short = (
        0.2 + max(text_width(text(bar), TINY) for bar in data.bars) for text in (_numbers, _number)
    )
    return Margins(left, right if left + right + 1.0 < width else short, 0.22 * len(data.bars))
