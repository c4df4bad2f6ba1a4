"""The error over two inputs, with lines of equal cost, the measured range, and the path of the optimum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from scalelaw.costs._workload import Workload
from scalelaw.fit import FittedLaw
from scalelaw.fit.input_checks import checked_by_caller
from scalelaw.plan.continuous import least_error
from scalelaw.plan.grid import predict
from scalelaw.report.figures._contract import Margins, plain_margins
from scalelaw.report.figures._parts import BEYOND, beyond_handle, hatch_around, legend_below, panel_heading
from scalelaw.report.figures._prepare import GRID, kind_of, parts_of_size, size_cost, wider
from scalelaw.report.figures._ticks import alike, log_input
from scalelaw.report.study import Study
from scalelaw.report.style import INK, ON_DARK, ON_LIGHT, SURFACE, TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.text.measure import text_width
from scalelaw.report.values import axes_of, column_of, with_medians

TITLE = "The predicted surface"
IN_SECTION = True
REACH = 3.0


PATH = "#ff5d3b"
_CLEAR = 9.0
"""Points that a label keeps from what lies beside its line; a line without such a place has none."""
_HALO = [withStroke(linewidth=2.4, foreground=ON_LIGHT)]


@dataclass(frozen=True)
class Surface:
    """The law over two inputs. x: [m], y: [k], z: [k, m]; cost: [k, m] or None; picks: chosen configurations;
    columns: what `along` and `by` were read from."""

    along: str
    by: str
    columns: tuple[str, str]
    target: str
    n: int
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    places: tuple[np.ndarray, np.ndarray]
    measured: tuple[tuple[float, float], tuple[float, float]]
    cost: np.ndarray | None = None
    budgets: tuple[float, ...] = ()
    path: tuple[Mapping[str, Any], ...] = ()
    free_path: tuple[Mapping[str, Any], ...] = ()
    picks: tuple[Mapping[str, Any], ...] = field(default=())


def prepare(study: Study) -> Surface | None:
    """The surface of the fit with its plans; None for a law of one input."""
    if study.fitted is None:
        return None
    along, by = axes_of(study.fitted)
    return None if by is None else surface(study.fitted, along, by, study.optima)


def surface(fitted: FittedLaw, along: str, by: str, optima: Sequence[Mapping[str, Any]] = ()) -> Surface:
    """The law over `along` x `by`, the measured range, the points; with the picks, fronts and costs of `optima`."""
    x, y = (np.asarray(fitted.points["inputs"][name]) for name in (along, by))
    picks = tuple(o["best"] for o in optima)
    spans = (float(x.min()), float(x.max())), (float(y.min()), float(y.max()))
    path, free = _path(optima), _free_path(fitted, optima)
    picks_and_path = [*picks, *path]
    grid_x = np.geomspace(*wider(spans[0], 1.3, *(c[along] for c in picks_and_path)), GRID)
    grid_y = np.geomspace(*wider(spans[1], 1.3, *(c[by] for c in picks_and_path)), GRID)
    mesh_x, mesh_y = np.meshgrid(grid_x, grid_y)
    with checked_by_caller():
        values = np.asarray(fitted.predict(None, **with_medians(fitted, {along: mesh_x, by: mesh_y})))
    return Surface(
        along, by, (column_of(fitted, along), column_of(fitted, by)), fmt.target_of(fitted), len(x), grid_x, grid_y,
        values, (x, y), spans,
        _cost({along: mesh_x, by: mesh_y}, optima),
        tuple(o["budget"]["flops"] for o in optima if "flops" in o["budget"] and o["cost"] == size_cost()),
        path, tuple(p for p in free if all(g[0] <= p[n] <= g[-1] for n, g in ((along, grid_x), (by, grid_y)))), picks,
    )  # fmt: skip


def _cost(mesh: Mapping[str, np.ndarray], optima: Sequence[Mapping[str, Any]]) -> np.ndarray | None:
    if set(mesh) != {"n_params", "visual_tokens"} or not optima:
        return None
    load = Workload(optima[0]["text_tokens"], optima[0]["generate"], optima[0]["batch"])
    return np.asarray(sum(parts_of_size(mesh["n_params"], mesh["visual_tokens"], load).values()))


def _path(optima: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The front of the first optimum, up to REACH times the dearest pick: what lies far beyond is not drawn."""
    if not optima:
        return ()
    kind = kind_of(optima[0])
    dearest = max(o["best"]["costs"].get(kind, 0.0) for o in optima)
    return tuple(p for p in optima[0]["pareto"] if p["costs"][kind] <= REACH * dearest)


def _free_path(fitted: FittedLaw, optima: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The optimum with every size allowed, for budgets across the path's costs; under other costs than `size_cost`
    only where the optima themselves give it."""
    if not optima:
        return ()
    first, path = optima[0], _path(optima)
    if first["cost"] != size_cost() or set(first["budget"]) != {"flops"} or len(path) < 2:
        return tuple(o["continuous"] for o in optima if o["continuous"])
    tokens = [p["visual_tokens"] for p in path]
    work = Workload(first["text_tokens"], first["generate"], first["batch"])
    ends = path[0]["costs"]["flops"], path[-1]["costs"]["flops"]

    def error(n_params: np.ndarray, visual_tokens: np.ndarray) -> np.ndarray:
        return predict(fitted, n_params, visual_tokens, work)

    return tuple(
        least_error(error, partial(_size_for, float(budget), work), min(tokens), max(tokens))
        for budget in np.geomspace(*ends, 15)[:-1]
    )


def _size_for(budget: float, work: Workload, visual_tokens: np.ndarray) -> np.ndarray:
    """The size that spends the budget at each number of visual tokens: `size_cost` is proportional to the size."""
    return budget / np.asarray(sum(parts_of_size(1.0, visual_tokens, work).values()))


def draw(axes: Axes, data: Surface) -> None:
    """Draw the surface; lines of equal cost are dashed, the range beyond the measurements is hatched."""
    axes.grid(False)
    sizes = [pick[data.by] for pick in data.picks]
    log_input(
        axes, "x", data.columns[0], float(data.x[0]), float(data.x[-1]), tuple(np.unique(data.places[0]))
    )
    log_input(
        axes,
        "y",
        data.columns[1],
        float(data.y[0]),
        float(data.y[-1]),
        tuple(np.unique([*data.places[1], *sizes])),
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
    axes.plot(*data.places, linestyle="none", marker="o", markersize=3.2, color=ON_DARK, markeredgecolor=ON_LIGHT,
              markeredgewidth=0.6, zorder=4)  # fmt: skip
    handles.append(Line2D([], [], linestyle="none", marker="o", markersize=3.8, color=ON_DARK, markeredgecolor=ON_LIGHT,
                          markeredgewidth=0.6, label="measured"))  # fmt: skip
    beyond = data.target == "error" and (data.z.max() > 1 or data.z.min() < 0)
    note = f"n = {data.n}" + (" · beyond 0 to 1: no error" if beyond else "")
    panel_heading(axes, f"Predicted {fmt.named(data.target)} ({fmt.unit(data.target)})", note)
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
    return [axes.transData.transform(np.vstack([np.column_stack(data.places), picks, *frame]))]


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


def frame(data: Surface) -> pd.DataFrame:
    """The surface at each place of its grid, then the paths and the chosen configurations."""
    x, y = np.meshgrid(data.x, data.y)
    columns = {data.columns[0]: x.ravel(), data.columns[1]: y.ravel(), "predicted": data.z.ravel()}
    if data.cost is not None:
        columns["flops_2N(Q+V+G)"] = data.cost.ravel()
    frames = [pd.DataFrame(columns).assign(kind="law")]
    for kind, places in (("path", data.path), ("any_size", data.free_path), ("chosen", data.picks)):
        if places:
            rows = [
                {data.columns[0]: p[data.along], data.columns[1]: p[data.by], "predicted": p["error"]}
                for p in places
            ]
            frames.append(pd.DataFrame(rows).assign(kind=kind))
    return pd.concat(frames, ignore_index=True)


def hover(data: Surface) -> dict[str, Any]:
    """What a web page shows under the pointer: the surface on a coarser grid, its ends, and the names of its axes."""
    thin = slice(None, None, 2)
    return {
        "x": [float(data.x[0]), float(data.x[-1])],
        "y": [float(data.y[0]), float(data.y[-1])],
        "names": [fmt.named(data.columns[0]), fmt.named(data.columns[1]), fmt.named(data.target)],
        "z": np.round(data.z[thin, thin], 5),
    }


def margins(data: Surface, width: float) -> Margins:
    """A scale at the left, a legend below."""
    labels = [
        BEYOND,
        "equal 2 N (Q + V + G)",
        "best with any size",
        "best of the catalogue by budget",
        "chosen",
        "measured",
    ]
    return plain_margins(width, labels)
