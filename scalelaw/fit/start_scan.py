"""Starting points in the inputs' own scale: a search over the decades of one parameter at a time.

A law states the range of its parameters in `search`. For a parameter without an entry (every parameter of a typed
formula) not even the decade is known: x0 of exp(-x/x0) is of the size of x, k of exp(-k*x) of that of 1/x. From each of
a few dozen points, one parameter after the other moves to the decade with the smallest sum of squares, with the linear
parameters solved.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scalelaw.fit.batched_solve import box_minimum
from scalelaw.fit.varpro import Problem

Array = np.ndarray
_PLACES = 32
"""Starting points of the scan."""
_SWEEPS = 2
_STEP = 0.5
"""Decades between values."""
_LEAST, _MOST = 6.0, 60.0
"""Fewest and most decades to each side of one."""
_SHARES = 16
"""Values of a parameter of a formula, over its range in the layout."""
_POINTS = 40
"""Data points that rank the values."""


def scan(problem: Problem, unit: Array, parameters: Array, keep: int) -> Array:
    """[p, up to keep] the best distinct points after a search over the decades.

    Args:
        problem: plain squares, of one row.
        unit: [p, B] points of the unit box: the initial decade of each parameter.
        parameters: [p, B] points of the search box, for the parameters in the law's `search`.
        keep: number of points.
    """
    law, problem = problem.law, _thinned(problem)
    if law.form is not None:
        return _scan_form(problem, unit, keep)
    known = law.searched(problem.inputs)
    free = ~law.is_linear & ~problem.fixed
    scanned = [j for j, name in enumerate(law.parameters) if free[j] and name not in known]
    if not scanned:
        return parameters[:, :0]
    places = parameters[:, :_PLACES].copy()
    values = {j: _values(problem, j) for j in scanned}
    for j in scanned:
        places[j] = values[j][(unit[j, : places.shape[1]] * len(values[j])).astype(int)]
    best, totals = _solved(problem, places)
    for sweep in range(_SWEEPS):
        for j in scanned if sweep % 2 == 0 else scanned[::-1]:
            count, rows = len(values[j]), best.shape[1]
            trial = np.repeat(best, count, axis=1)
            trial[j] = np.tile(values[j], rows)
            trial, reached = _solved(problem, trial)
            least = reached.reshape(rows, count).argmin(axis=1) + count * np.arange(rows)
            lower = reached[least] < totals * (1 - 1e-12)
            best = np.where(lower, trial[:, least], best)
            totals = np.where(lower, reached[least], totals)
    taken = _distinct(best[scanned], totals, keep)
    return np.concatenate([best[:, taken], _beside(best[:, taken[:1]], values, keep)], axis=1)


def _scan_form(problem: Problem, unit: Array, keep: int) -> Array:
    """[p, up to keep] as `scan`, for a formula: the search moves in the unit box of its layout.

    unit [p, B]: all points are ranked, and the best move one parameter after the other.
    """
    law, free = problem.law, np.flatnonzero(~problem.law.is_linear & ~problem.fixed)
    preset = {
        law.parameters[j]: np.float64(1.0 if law.is_linear[j] and not problem.fixed[j] else problem.lower[j])
        for j in range(len(law.parameters))
        if j not in free
    }

    def solved(box: Array) -> tuple[Array, Array]:
        placed = law.form.place(problem.inputs, box, preset, (problem.lower, problem.upper))  # type: ignore[union-attr]
        return _solved(problem, placed)

    parameters, totals = solved(unit)
    taken = np.argsort(totals, kind="stable")[: 2 * keep]
    taken = taken[np.isfinite(totals[taken])]
    if not taken.size:
        return parameters[:, :keep]
    box, best, totals = unit[:, taken], parameters[:, taken], totals[taken]
    initial = best[:, :keep]
    for sweep in range(_SWEEPS):
        for j in free if sweep % 2 == 0 else free[::-1]:
            count, rows = _SHARES, box.shape[1]
            trial = np.repeat(box, count, axis=1)
            trial[j] = np.tile((np.arange(count) + 0.5) / count, rows)
            moved, reached = solved(trial)
            least = reached.reshape(rows, count).argmin(axis=1) + count * np.arange(rows)
            lower = reached[least] < totals * (1 - 1e-12)
            box = np.where(lower, trial[:, least], box)
            best = np.where(lower, moved[:, least], best)
            totals = np.where(lower, reached[least], totals)
    ends = best[:, _distinct(best[free], totals, keep)]
    return np.concatenate([ends, initial], axis=1)


def _beside(place: Array, values: dict[int, Array], keep: int) -> Array:
    """[p, up to keep] the best point [p, 1] with one parameter at the next value below or above."""
    neighbors = [place[:, :0]]
    for j, tried in values.items():
        at = np.searchsorted(tried, place[j])
        for i in (at - 1, at + 1):
            inside = (i >= 0) & (i < len(tried))
            moved = place[:, inside].copy()
            moved[j] = tried[i[inside]]
            neighbors.append(moved)
    return np.concatenate(neighbors, axis=1)[:, :keep]


def _values(problem: Problem, j: int) -> Array:
    """The trial values of one parameter: half decades over the range of the inputs' sizes, within its bounds."""
    low, high = problem.lower[j], problem.upper[j]
    with np.errstate(all="ignore"):
        sizes = [np.abs(np.log10(np.abs(x[x != 0]))).max(initial=0.0) for x in problem.inputs]
    reach = float(np.clip(2 * max(sizes) + 4, _LEAST, _MOST))
    decades = 10.0 ** np.arange(-reach, reach + _STEP, _STEP)
    values = np.concatenate([-decades[::-1], [0.0], decades]) if low < 0 else decades
    values = values[(values >= low) & (values <= high)]
    if np.isfinite([low, high]).all():
        values = np.unique(np.concatenate([values, np.linspace(low, high, 19)[1:-1]]))
    return values if values.size else np.array([np.clip(1.0, low, high)])


def _thinned(problem: Problem) -> Problem:
    """The problem with at most `_POINTS` points, evenly along the inputs."""
    n = problem.target.shape[1]
    if n <= _POINTS:
        return problem
    order = np.lexsort(problem.inputs[::-1])
    picks = order[np.linspace(0, n - 1, _POINTS).round().astype(int)]
    weight = None if problem.weight is None else problem.weight[:, picks]
    inputs = tuple(x[picks] for x in problem.inputs)
    return replace(problem, inputs=inputs, target=problem.target[:, picks], weight=weight)


def _solved(problem: Problem, parameters: Array) -> tuple[Array, Array]:
    """([p, B], [B]) the points with their linear parameters solved within bounds, and the sums of squares."""
    law, linear = problem.law, problem.law.linear_index
    root = 1.0 if problem.weight is None else np.sqrt(problem.weight)
    lower, upper = problem.lower[linear, None], problem.upper[linear, None]
    start = np.repeat(np.clip(0.0, lower, upper), parameters.shape[1], axis=1)
    bare = parameters.copy()
    bare[linear] = 0.0
    with np.errstate(all="ignore"):
        offset = law.value(problem.inputs, bare)
        columns = np.empty((len(linear), *offset.shape))
        for k, j in enumerate(linear):
            moved = bare.copy()
            moved[j] = 1.0
            columns[k] = (law.value(problem.inputs, moved) - offset) * root
        left = (problem.target - offset) * root - np.einsum("kb,kbn->bn", start, columns)
        good = np.isfinite(left).all(axis=1) & np.isfinite(columns).all(axis=(0, 2))
        columns[:, ~good], left[~good] = 0.0, 0.0
        if linear.size:
            gram = np.einsum("kbn,lbn->klb", columns, columns)
            step = box_minimum(gram, np.einsum("kbn,bn->kb", columns, left), start, lower, upper)
            left = left - np.einsum("kb,kbn->bn", step, columns)
            bare[linear] = start + step
        totals = np.sum(left**2, axis=1)
    return bare, np.where(good & np.isfinite(totals), totals, np.inf)


def _distinct(places: Array, totals: Array, keep: int) -> list[int]:
    """Indices of the best points with a finite total, each in different decades from the better ones."""
    taken: list[int] = []
    for b in np.argsort(totals, kind="stable"):
        same = any(np.array_equal(places[:, b], places[:, t]) for t in taken)
        if len(taken) < keep and np.isfinite(totals[b]) and not same:
            taken.append(int(b))
    return taken
