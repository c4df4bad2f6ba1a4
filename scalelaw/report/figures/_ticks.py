"""Axes with ticks that read as plain numbers: 1, 4, 16 tokens; 0.5 B, 7 B; errors without powers of ten."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import (
    FixedFormatter,
    FixedLocator,
    MaxNLocator,
    NullLocator,
)

from scalelaw.report.style import TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.text.measure import text_width

MOST = 8
"""More measured values than these are not ticks of their own."""


def panel_width(axes: Axes) -> float:
    """The width of a panel in inches."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(axes.get_position().width * figure.get_size_inches()[0])


def log_input(
    axes: Axes, which: str, name: str, low: float, high: float, prefer: Sequence[float] = ()
) -> None:
    """Make an axis logarithmic from `low` to `high`, label it, and put ticks at the preferred values (at most
    MOST of them) where their labels have room, else at round numbers."""
    axis: Axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    (axes.set_xlabel if which == "x" else axes.set_ylabel)(fmt.axis(name))
    wanted = [v for v in dict.fromkeys(map(float, prefer)) if low <= v <= high]
    wanted = wanted if len(wanted) <= MOST else []
    values = _with_room(
        axes,
        which,
        lambda v: fmt.level(name, v),
        wanted if len(wanted) > 1 else [*wanted, *round_numbers(low, high)],
        low,
        high,
    )
    axis.set_major_locator(FixedLocator(values))
    axis.set_major_formatter(FixedFormatter([fmt.level(name, v) for v in values]))
    axis.set_minor_locator(NullLocator())


def plain_target(axes: Axes, which: str, low: float, high: float, label: str) -> None:
    """An axis for errors: linear with plain numbers, logarithmic where they span more than a factor of six."""
    axis: Axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xlabel if which == "x" else axes.set_ylabel)(label)
    if low > 0 and high / low > 6:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        low, high = low / 1.15, high * 1.15
        values = _with_room(axes, which, plain, round_numbers(low, high), low, high)
        axis.set_major_locator(FixedLocator(values))
        axis.set_major_formatter(FixedFormatter([plain(v) for v in values]))
        axis.set_minor_locator(NullLocator())
    else:
        pad = 0.05 * (high - low or abs(high) or 1)
        low, high = low - pad, high + pad
        most = 6 if which == "y" else min(6, max(2, int(panel_width(axes) / 0.55)))
        plain_linear(axis, low, high, most)
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)


def plain_linear(axis: Axis, low: float, high: float, most: int = 6) -> None:
    """Ticks at round numbers between low and high, all written with the same number of decimals."""
    steps = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    values = [float(v) for v in steps if low <= v <= high]
    axis.set_major_locator(FixedLocator(values))
    axis.set_major_formatter(FixedFormatter(alike(values)))


def alike(values: Sequence[float]) -> list[str]:
    """Round numbers as text, all with the same number of decimals: 0.50, 0.55."""
    if max(map(abs, values), default=0) >= 1e5:
        return [plain(v) for v in values]
    reach = max(values, default=1) - min(values, default=0) or 1
    digits = next((d for d in range(9) if all(abs(round(v, d) - v) < 1e-6 * reach for v in values)), 9)
    return [f"{v:.{digits}f}".replace("-", "−") for v in values]


def plain(value: float) -> str:
    """A tick's number: no powers of ten, no trailing zeros, a true minus sign."""
    text = f"{value:.6f}".rstrip("0").rstrip(".") if abs(value) < 1e5 else fmt.si(value)
    return ("0" if text in ("-0", "") else text).replace("-", "−")


def round_numbers(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, ... between two positive numbers; powers of ten alone where the span is wide."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 1e4 else (1,)
    return [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]


def _with_room(
    axes: Axes, which: str, form: Callable[[float], str], values: Sequence[float], low: float, high: float
) -> list[float]:
    """Those values whose labels do not touch; the ends come first, then the others in order."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    box, (wide, tall) = axes.get_position(), figure.get_size_inches()
    length = box.width * wide if which == "x" else box.height * tall
    order = sorted(values)
    order = [*order[:1], *order[-1:], *order[1:-1]] if len(order) > 2 else order
    taken: list[tuple[float, float, float]] = []
    for value in order:
        place = length * np.log(value / low) / np.log(high / low)
        half = text_width(form(value), TINY) / 2 + 0.03 if which == "x" else 0.08
        if all(abs(place - other) > half + reach for _, other, reach in taken):
            taken.append((value, float(place), half))
    return sorted(value for value, _, _ in taken)
