"""Lines along one input, and profiles: how much worse a fit gets as a parameter is fixed at other values."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scalelaw.report.figures.parts import legend_below, panel_heading
from scalelaw.report.lines import Lines, Profile
from scalelaw.report.style import INK, MUTED, PAPER, PETROFF10, TINY, look
from scalelaw.report.text import format as fmt
from scalelaw.report.ticks import log_input, plain_linear, plain_target


def draw_lines(axes: Axes, data: Lines) -> None:
    """Draw each line with its points, and its band where it has one."""
    x = np.concatenate([line.x for line in data.lines])
    low, high = float(x.min()), float(x.max())
    room = (high / low) ** 0.05 if high > low else 2.0
    log_input(axes, "x", data.along, low / room, high * room, tuple(np.unique(x)))
    values = np.concatenate([v for ln in data.lines for v in (ln.y, ln.low, ln.high) if v is not None])
    plain_target(axes, "y", float(np.nanmin(values)), float(np.nanmax(values)), data.target)
    handles = []
    for index, line in enumerate(data.lines):
        colour, marker, style = look(index if line.look is None else line.look)
        if line.low is not None and line.high is not None:
            axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, linewidth=0, zorder=1.5)
        held_by: dict[str, Any] = {
            "color": colour,
            "linestyle": style,
            "marker": marker,
            "markersize": 6.5,
        }
        handles += axes.plot(line.x, line.y, **held_by, markeredgecolor=PAPER, label=line.label, zorder=3)
    panel_heading(axes, data.title, data.note)
    legend_below(axes, [Line2D([], [], **_look(handle)) for handle in handles])


def _look(line: Line2D) -> dict[str, Any]:
    names = ("color", "linestyle", "marker", "markeredgecolor", "label")
    return {name: getattr(line, f"get_{name}")() for name in names}


def draw_profile(axes: Axes, data: Profile) -> None:
    """Draw the profile; what lies under the dashed line belongs to the interval."""
    axes.plot(data.values, data.rise, color=PETROFF10[0])
    axes.plot(
        data.best,
        0.0,
        marker="*",
        markersize=14,
        color=INK,
        markeredgecolor=PAPER,
        linestyle="none",
        zorder=4,
    )
    axes.axhline(data.threshold, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    inside = data.rise <= data.threshold
    axes.fill_between(data.values, 0, np.minimum(data.rise, data.threshold), where=inside.tolist(),
                      color=PETROFF10[0], alpha=0.15, linewidth=0)  # fmt: skip
    low, high = float(data.values.min()), float(data.values.max())
    axes.set(xlim=(low - 0.04 * (high - low), high + 0.04 * (high - low)))
    axes.set_ylim(-0.06 * float(data.rise.max()), 1.08 * max(float(data.rise.max()), 1.15 * data.threshold))
    plain_linear(axes.xaxis, *axes.get_xlim(), most=4)
    plain_linear(axes.yaxis, *axes.get_ylim(), most=5)
    axes.set_xlabel(f"{fmt.greek(data.name)} fixed (no unit{'; goes on' if data.cut else ''})")
    axes.set_ylabel("F statistic (no unit)")
    axes.annotate(
        f"{100 * data.level:g}%", (1, data.threshold), (-2, 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", va="bottom", size=TINY, color=MUTED,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
    )  # fmt: skip
    panel_heading(axes, f"Profile of {fmt.greek(data.name)}", f"n = {data.n}")
