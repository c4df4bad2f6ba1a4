"""Data of the surface and of the front: the law over two inputs, costs, the path of the optimum.

The law comes from the fit's `predict`, costs from the costs' files, the path from the optimum's own front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scalelaw import plugins
from scalelaw.costs._workload import Workload
from scalelaw.fit import FittedLaw
from scalelaw.plan import find_optimum
from scalelaw.report.series import GRID, column, predicted, wider, with_medians
from scalelaw.report.text import format as fmt

REACH = 3.0
EQUAL_COST = "linear_flops"
"""The cost whose level lines a surface shows: the one that is defined for every size."""


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
    at: tuple[np.ndarray, np.ndarray]
    measured: tuple[tuple[float, float], tuple[float, float]]
    cost: np.ndarray | None = None
    budgets: tuple[float, ...] = ()
    path: tuple[Mapping[str, Any], ...] = ()
    free_path: tuple[Mapping[str, Any], ...] = ()
    picks: tuple[Mapping[str, Any], ...] = field(default=())


@dataclass(frozen=True)
class Front:
    """The least error at each cost. points, picks: configurations as an optimum lists them; kind: of cost."""

    target: str
    n: int | None
    kind: str
    points: tuple[Mapping[str, Any], ...]
    picks: tuple[Mapping[str, Any], ...]
    budgets: tuple[float, ...]
    low: np.ndarray | None = None
    high: np.ndarray | None = None


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
    return Surface(
        along, by, (column(fitted, along), column(fitted, by)), fmt.target_of(fitted), len(x), grid_x, grid_y,
        np.asarray(fitted.predict(None, **with_medians(fitted, {along: mesh_x, by: mesh_y}))), (x, y), spans,
        _cost({along: mesh_x, by: mesh_y}, optima),
        tuple(o["budget"]["flops"] for o in optima if "flops" in o["budget"] and o["cost"] == EQUAL_COST),
        path, tuple(p for p in free if all(g[0] <= p[n] <= g[-1] for n, g in ((along, grid_x), (by, grid_y)))), picks,
    )  # fmt: skip


def front(optima: Sequence[Mapping[str, Any]], fitted: FittedLaw | None) -> Front:
    """The front of the first optimum, with the picks and budgets of all that are of its kind."""
    kind = kind_of(optima[0])
    points = sorted(optima[0]["pareto"] or [optima[0]["best"]], key=lambda p: p["costs"][kind])
    low = high = None
    if fitted is not None:
        known = {n: np.array([p[n] for p in points]) for n in ("n_params", "visual_tokens")}
        known["text_tokens"] = np.full(len(points), float(optima[0]["text_tokens"]))
        _, low, high = predicted(fitted, {name: known[name] for name in fitted.inputs})
    return Front(
        target=fmt.target_of_plan(optima[0]) if fitted is None else fmt.target_of(fitted),
        n=None if fitted is None else fitted.n_points,
        kind=kind,
        points=tuple(points),
        picks=tuple(o["best"] for o in optima if kind in o["best"]["costs"]),
        budgets=tuple(o["budget"][kind] for o in optima if kind in o["budget"]),
        low=low,
        high=high,
    )


def _cost(mesh: Mapping[str, np.ndarray], optima: Sequence[Mapping[str, Any]]) -> np.ndarray | None:
    if set(mesh) != {"n_params", "visual_tokens"} or not optima:
        return None
    load = Workload(optima[0]["text_tokens"], optima[0]["generate"], optima[0]["batch"])
    parts = plugins.load("costs", EQUAL_COST).parts(mesh["n_params"], None, mesh["visual_tokens"], load)
    return np.asarray(sum(np.asarray(part) for part in parts.values()))


def kind_of(optimum: Mapping[str, Any]) -> str:
    """The kind of cost that an optimum's front is about: its first budget, else FLOPs."""
    return next((kind for kind in optimum["budget"] if kind in optimum["best"]["costs"]), "flops")


def _path(optima: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The front of the first optimum, up to REACH times the dearest pick: what lies far beyond is not drawn."""
    if not optima:
        return ()
    kind = kind_of(optima[0])
    dearest = max(o["best"]["costs"].get(kind, 0.0) for o in optima)
    return tuple(p for p in optima[0]["pareto"] if p["costs"][kind] <= REACH * dearest)


def _free_path(fitted: FittedLaw, optima: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The optimum with every size allowed, for budgets across the path's costs; under other costs than EQUAL_COST
    only where the optima themselves give it."""
    if not optima:
        return ()
    first, path = optima[0], _path(optima)
    if first["cost"] != EQUAL_COST or set(first["budget"]) != {"flops"} or len(path) < 2:
        return tuple(o["continuous"] for o in optima if o["continuous"])
    bare = replace(fitted, draws={})
    options = {
        "text_tokens": first["text_tokens"],
        "generate": first["generate"],
        "models": {p["model"]: p["n_params"] for p in path},
        "visual_tokens": sorted({p["visual_tokens"] for p in path}),
        "cost": EQUAL_COST,
    }
    ends = path[0]["costs"]["flops"], path[-1]["costs"]["flops"]
    places = [
        find_optimum(bare, {"flops": float(b)}, **options).continuous for b in np.geomspace(*ends, 15)[:-1]
    ]
    return tuple(place for place in places if place)
