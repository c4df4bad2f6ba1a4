"""What several figures share: a panel's heading, the hatching beyond the measured range, the legend below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from scalelaw.report.figures._contract import legend_columns
from scalelaw.report.figures._ticks import panel_width
from scalelaw.report.style import BODY, INK, MUTED, PAPER, SMALL, TINY
from scalelaw.report.text.measure import clip, text_width, wrap

HATCH = "////"
BEYOND = "beyond what was measured"
"""The label of the hatched part of a figure."""
WIDEST = 2.9
"""The widest a row's label is written, in inches."""
TWO_LINES = 0.3
"""The least height of a row whose label may take two lines, in inches."""
HATCH_COLOUR = "#d3d8dd"


def row_labels(axes: Axes, labels: Sequence[str]) -> None:
    """Names at the left of rows 0, 1, ...; a name longer than the room there goes on at its comma where a row is high
    enough for two lines, and is cut else."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    room = min(WIDEST, float(axes.get_position().x0 * figure.get_size_inches()[0]) - 0.1)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.yaxis.set_gid("categories")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(FixedLocator(range(len(labels))))
    tall = axes.get_position().height * figure.get_size_inches()[1] / max(len(labels), 1)
    axes.yaxis.set_major_formatter(FixedFormatter([_broken(label, room, tall) for label in labels]))
    axes.tick_params(axis="y", length=0)


def _broken(label: str, room: float, tall: float) -> str:
    """A row's label in at most `room` inches, on two lines where a row of `tall` inches holds them."""
    if tall < TWO_LINES or text_width(label, TINY) <= room:
        return clip(label, room, TINY)
    first, comma, rest = label.partition(", ")
    return "\n".join(clip(part, room, TINY) for part in (f"{first}{comma}".rstrip(), rest) if part)


def panel_heading(axes: Axes, title: str, note: str) -> None:
    """The panel's title at its top left and a note (such as n = 28) at its top right, under the title where both do
    not fit on one line; a title too long for its panel takes two lines and is cut after them."""
    room = panel_width(axes)
    stacked = text_width(title, BODY, "bold") + text_width(note, TINY) + 0.1 > room
    first, *rest = wrap(title, room + 0.3, BODY, "bold")
    lines = [first, clip(" ".join(rest), room + 0.3, BODY, "bold")] if rest else [first]
    axes.set_title("\n".join(lines), loc="left", pad=20.0 if stacked else 8.0)
    axes.annotate(
        note, (1, 1), (0, 8), xycoords="axes fraction", textcoords="offset points", ha="right", va="bottom",
        size=TINY, color=MUTED, annotation_clip=False,
    )  # fmt: skip


def no_error_beyond(axes: Axes, which: str, target: str) -> None:
    """Where an axis of errors goes beyond 0 or 1, shade what no error can be and say so: a law may predict it."""
    low, high = axes.get_ylim() if which == "y" else axes.get_xlim()
    if target != "error":
        return
    span, line = (axes.axhspan, axes.axhline) if which == "y" else (axes.axvspan, axes.axvline)
    for end, first, last in ((1.0, 1.0, high), (0.0, low, 0.0)):
        if first < last and low <= end <= high:
            span(first, last, color="#eef0f2", linewidth=0, zorder=0.5)
            line(end, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1.6)
    if which == "y" and low < 1.0 < high:
        figure = axes.get_figure(root=True)
        assert figure is not None
        room = axes.transData.transform([(1, high), (1, 1.0)])[:, 1]
        above = (room[0] - room[1]) / figure.dpi > 0.17
        axes.annotate(
            "no error is above 1", (1, 1.0), (-3, 2 if above else -2), xycoords=("axes fraction", "data"), size=TINY,
            textcoords="offset points", ha="right", va="bottom" if above else "top", color=MUTED, zorder=6,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.5, "alpha": 0.7},
        )  # fmt: skip


def hatch_beyond(axes: Axes, which: str, measured: tuple[float, float]) -> None:
    """Hatch the panel where one axis lies beyond the measured range."""
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    for first, last in ((low, measured[0]), (measured[1], high)):
        if first < last:
            span = axes.axvspan if which == "x" else axes.axhspan
            span(first, last, facecolor="none", edgecolor=HATCH_COLOUR, hatch=HATCH, linewidth=0, zorder=0.6)


def hatch_around(axes: Axes, x: tuple[float, float], y: tuple[float, float], colour: str) -> None:
    """Hatch everything outside the rectangle x, y, and outline the rectangle."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    frames = (
        (left, x[0], low, high),
        (x[1], right, low, high),
        (x[0], x[1], low, y[0]),
        (x[0], x[1], y[1], high),
    )
    for first, last, bottom, top in frames:
        if first < last and bottom < top:
            axes.add_patch(
                Rectangle((first, bottom), last - first, top - bottom, facecolor="none", edgecolor=colour,
                          hatch=HATCH, linewidth=0, zorder=2)
            )  # fmt: skip
    axes.add_patch(
        Rectangle(
            (x[0], y[0]), x[1] - x[0], y[1] - y[0], facecolor="none", edgecolor=INK, linewidth=1.0, zorder=2.5
        )
    )


def beyond_handle(colour: str = HATCH_COLOUR) -> Rectangle:
    """The legend's swatch for what lies beyond the measured range."""
    return Rectangle((0, 0), 1, 1, facecolor="none", edgecolor=colour, hatch=HATCH, linewidth=0.5,
                     label=BEYOND)  # fmt: skip


def legend_below(axes: Axes, handles: Sequence[Any], title: str = "", drop: float = 0.52) -> None:
    """A legend `drop` inches under the panel, in as many columns as fit its width."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    box, tall = axes.get_position(), figure.get_size_inches()[1]
    columns = legend_columns([str(handle.get_label()) for handle in handles], panel_width(axes))
    axes.legend(
        handles=list(handles), title=title or None, ncols=columns, loc="upper left", alignment="left",
        bbox_to_anchor=(0, -drop / (box.height * tall)), columnspacing=1.4, handletextpad=0.6, title_fontsize=SMALL,
    )  # fmt: skip


def label_width(labels: Sequence[str], width: float) -> float:
    """Inches for the labels of rows at the left of a figure that is `width` inches wide."""
    return 0.15 + min(WIDEST, 0.45 * width, max(text_width(label, TINY) for label in labels))
