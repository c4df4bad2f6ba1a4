"""The error surface over two inputs, with lines of equal cost, the measured range, and the path of the optimum."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from scalelaw.report.figures.parts import beyond_handle, hatch_around, legend_below, panel_heading
from scalelaw.report.render.pdf import text_width
from scalelaw.report.style import INK, ON_DARK, ON_LIGHT, SURFACE, TINY
from scalelaw.report.surfaces import Surface
from scalelaw.report.text import format as fmt
from scalelaw.report.ticks import alike, log_input

PATH = "#ff5d3b"
_CLEAR = 9.0
"""Points that a label keeps from what lies beside its line; a line without such a place has none."""
_HALO = [withStroke(linewidth=2.4, foreground=ON_LIGHT)]


def draw_surface(axes: Axes, data: Surface, legend: bool = True) -> None:
    """Draw the surface; lines of equal cost are dashed, the range beyond the measurements is hatched."""
    axes.grid(False)
    sizes = [pick[data.by] for pick in data.picks]
    log_input(axes, "x", data.columns[0], float(data.x[0]), float(data.x[-1]), tuple(np.unique(data.at[0])))
    log_input(
        axes,
        "y",
        data.columns[1],
        float(data.y[0]),
        float(data.y[-1]),
        tuple(np.unique([*data.at[1], *sizes])),
    )
    levels = MaxNLocator(14).tick_values(float(data.z.min()), float(data.z.max()))
    axes.contourf(data.x, data.y, data.z, levels=levels, cmap=SURFACE, zorder=1)
    lines = axes.contour(data.x, data.y, data.z, levels=levels, colors=ON_DARK, linewidths=0.5, zorder=1.5)
    obstacles = _places(axes, data)
    hatch_around(axes, *data.measured, colour="#ffffff73")
    handles: list[Any] = [beyond_handle("#59616a")]
    if data.cost is not None:
        handles.append(_equal_cost(axes, data, obstacles))
    _label(axes, lines, alike(levels), obstacles)
    handles += _choices(axes, data)
    axes.plot(*data.at, linestyle="none", marker="o", markersize=3.2, color=ON_DARK, markeredgecolor=ON_LIGHT,
              markeredgewidth=0.6, zorder=4)  # fmt: skip
    handles.append(Line2D([], [], linestyle="none", marker="o", markersize=3.8, color=ON_DARK, markeredgecolor=ON_LIGHT,
                          markeredgewidth=0.6, label="measured"))  # fmt: skip
    beyond = data.target == "error" and (data.z.max() > 1 or data.z.min() < 0)
    note = f"n = {data.n}" + (" · beyond 0 to 1: no error" if beyond else "")
    panel_heading(axes, f"Predicted {fmt.named(data.target)} ({fmt.unit(data.target)})", note)
    if legend:
        legend_below(axes, handles)


def _equal_cost(axes: Axes, data: Surface, obstacles: list[np.ndarray]) -> Line2D:
    assert data.cost is not None
    levels = _cost_levels(data)
    style = {"colors": ON_DARK, "linewidths": 1.1, "linestyles": [(0, (4, 3))], "zorder": 2.6}
    lines = axes.contour(data.x, data.y, data.cost, levels=levels, **style)
    _label(axes, lines, [fmt.si(v, "FLOPs") for v in levels], obstacles, bold=True)
    obstacles += [
        axes.transData.transform(segment)
        for segments in lines.allsegs
        for segment in segments
        if len(segment)
    ]
    return Line2D([], [], color=INK, linewidth=1.1, linestyle=(0, (4, 3)), label="equal 2 N (Q + V + G)")


def _cost_levels(data: Surface) -> list[float]:
    assert data.cost is not None
    low, high = float(data.cost.min()) * 1.5, float(data.cost.max()) / 1.5
    anchor = data.budgets[0] if data.budgets else 10.0 ** round(np.log10((low * high) ** 0.5))
    steps = [anchor * 4.0**k for k in range(-8, 9)]
    return sorted({*(v for v in steps if low < v < high), *(b for b in data.budgets if low < b < high)})


def _choices(axes: Axes, data: Surface) -> list[Line2D]:
    handles = []
    if data.free_path:
        x, y = ([p[name] for p in data.free_path] for name in (data.along, data.by))
        single = len(x) == 1
        handles += axes.plot(
            x, y, color=PATH, linewidth=1.6, linestyle="none" if single else (0, (1.5, 1.5)),
            marker="x" if single else "", zorder=3.2, path_effects=_HALO, label="best with any size",
        )  # fmt: skip
    if data.path:
        x, y = ([p[name] for p in data.path] for name in (data.along, data.by))
        axes.plot(x, y, color=PATH, linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=3.3)
        for _, stretch in groupby(data.path, key=lambda p: p[data.by]):
            points = list(stretch)
            x, y = ([p[name] for p in points] for name in (data.along, data.by))
            axes.plot(x, y, color=PATH, linewidth=2.2, zorder=3.4, path_effects=_HALO)
        handles.append(Line2D([], [], color=PATH, linewidth=2.2, path_effects=_HALO,
                              label="best of the catalogue by budget"))  # fmt: skip
    for pick in data.picks:
        axes.plot([pick[data.along]], [pick[data.by]], marker="*", markersize=17, color=PATH, markeredgecolor=ON_LIGHT,
                  markeredgewidth=1.1, zorder=5)  # fmt: skip
    if data.picks:
        handles.append(Line2D([], [], linestyle="none", marker="*", markersize=12, color=PATH, markeredgecolor=ON_LIGHT,
                              label="chosen"))  # fmt: skip
    return handles


def _places(axes: Axes, data: Surface) -> list[np.ndarray]:
    """What labels keep away from, in pixels: points, the frame of the measured range, paths, picks."""
    choices = [*data.path, *data.free_path, *data.picks]
    picks = np.array([[c[data.along], c[data.by]] for c in choices]).reshape(-1, 2)
    (left, right), (low, high) = data.measured
    across, up = np.geomspace(left, right, 60), np.geomspace(low, high, 40)
    frame = [np.column_stack([across, np.full(60, y)]) for y in (low, high)]
    frame += [np.column_stack([np.full(40, x), up]) for x in (left, right)]
    return [axes.transData.transform(np.vstack([np.column_stack(data.at), picks, *frame]))]


def _label(axes: Axes, lines: Any, texts: list[str], obstacles: list[np.ndarray], bold: bool = False) -> None:
    """Label each line where the label's whole length is farthest from points, paths, other labels and the frame."""
    named = dict(zip(lines.levels, texts, strict=False))
    places, edge = [], axes.get_window_extent()
    figure = axes.get_figure(root=True)
    assert figure is not None
    for segments, label in zip(lines.allsegs, texts, strict=False):
        line = np.vstack([np.empty((0, 2)), *segments])
        at = axes.transData.transform(line)
        if len(at) < 2:
            continue
        half = text_width(label, TINY, "bold" if bold else "normal") * figure.dpi / 2
        along = np.gradient(at, axis=0)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        spread = at[:, None] + along[:, None] * np.linspace(-half, half, 7)[None, :, None]  # [line, 7, 2]
        room = np.min([spread[..., 0] - edge.x0, edge.x1 - spread[..., 0],
                       spread[..., 1] - edge.y0, edge.y1 - spread[..., 1]], axis=(0, 2))  # fmt: skip
        apart = np.linalg.norm(spread[:, :, None] - np.vstack(obstacles)[None, None], axis=3).min(axis=(1, 2))
        clear = np.minimum(apart, 0.8 * room)
        best = int(np.argmax(clear))
        if clear[best] < _CLEAR * figure.dpi / 72:
            continue
        places.append(tuple(line[best]))
        obstacles.append(spread[best])
    for text in axes.clabel(
        lines, fmt=named, fontsize=TINY, inline=True, inline_spacing=4, colors=ON_DARK, manual=places
    ):
        text.set_path_effects([withStroke(linewidth=1.6, foreground="#1f232899")])
        text.set_fontweight("bold" if bold else "normal")
