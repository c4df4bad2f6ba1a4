"""Starts in the inputs' own scale: the decades of each parameter are searched in turn, others kept.

A law says where its parameters lie by `search`. Of a parameter without an entry there (every parameter of a typed
formula) not even the decade is known: x0 of exp(-x/x0) is as large as x, k of exp(-k*x) as 1/x. From each of a few
dozen places, one parameter after the other goes to the decade with the least sum of squares, linear ones solved.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scalelaw.fit.batched_solve import box_minimum
from scalelaw.fit.varpro import Problem

Array = np.ndarray
_PLACES = 32  # where a scan begins
_SWEEPS = 2
_STEP = 0.5  # decades between values
_LEAST, _MOST = 6.0, 60.0  # decades to each side of one
_POINTS = 40  # points that rank the values


def scan(problem: Problem, unit: Array, parameters: Array, keep: int) -> Array:
    """[p, up to keep] the best distinct places after a search of the decades.

    Args:
        problem: plain squares, of one row.
        unit: [p, B] even places of the unit box: where in its decades each parameter begins.
        parameters: [p, B] places in the search box, for the parameters whose `search` the law has.
        keep: how many places.
    """
    law, problem = problem.law, _thinned(problem)
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


def _beside(place: Array, values: dict[int, Array], keep: int) -> Array:
    """[p, up to keep] the best place [p, 1] with one parameter at the value below or above: do they end alike?"""
    found = [place[:, :0]]
    for j, tried in values.items():
        at = np.searchsorted(tried, place[j])
        for i in (at - 1, at + 1):
            inside = (i >= 0) & (i < len(tried))
            moved = place[:, inside].copy()
            moved[j] = tried[i[inside]]
            found.append(moved)
    return np.concatenate(found, axis=1)[:, :keep]


def _values(problem: Problem, j: int) -> Array:
    """The values of one parameter that are tried: half decades as far as the inputs' sizes reach, within its bounds."""
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
    """The problem of at most `_POINTS` points, evenly along the inputs."""
    n = problem.target.shape[1]
    if n <= _POINTS:
        return problem
    order = np.lexsort(problem.inputs[::-1])
    some = order[np.linspace(0, n - 1, _POINTS).round().astype(int)]
    weight = None if problem.weight is None else problem.weight[:, some]
    inputs = tuple(x[some] for x in problem.inputs)
    return replace(problem, inputs=inputs, target=problem.target[:, some], weight=weight)


def _solved(problem: Problem, parameters: Array) -> tuple[Array, Array]:
    """([p, B], [B]) the places with their linear parameters at their best within bounds, and the sums of squares."""
    law, chosen = problem.law, problem.law.linear_index
    root = 1.0 if problem.weight is None else np.sqrt(problem.weight)
    lower, upper = problem.lower[chosen, None], problem.upper[chosen, None]
    start = np.repeat(np.clip(0.0, lower, upper), parameters.shape[1], axis=1)
    bare = parameters.copy()
    bare[chosen] = 0.0
    with np.errstate(all="ignore"):
        offset = law.value(problem.inputs, bare)
        columns = np.empty((len(chosen), *offset.shape))
        for k, j in enumerate(chosen):
            moved = bare.copy()
            moved[j] = 1.0
            columns[k] = (law.value(problem.inputs, moved) - offset) * root
        left = (problem.target - offset) * root - np.einsum("kb,kbn->bn", start, columns)
        good = np.isfinite(left).all(axis=1) & np.isfinite(columns).all(axis=(0, 2))
        columns[:, ~good], left[~good] = 0.0, 0.0
        if chosen.size:
            gram = np.einsum("kbn,lbn->klb", columns, columns)
            step = box_minimum(gram, np.einsum("kbn,bn->kb", columns, left), start, lower, upper)
            left = left - np.einsum("kb,kbn->bn", step, columns)
            bare[chosen] = start + step
        totals = np.sum(left**2, axis=1)
    return bare, np.where(good & np.isfinite(totals), totals, np.inf)


def _distinct(places: Array, totals: Array, keep: int) -> list[int]:
    """Indices of the best places with a finite total, each in other decades than the better ones."""
    taken: list[int] = []
    for b in np.argsort(totals, kind="stable"):
        same = any(np.array_equal(places[:, b], places[:, t]) for t in taken)
        if len(taken) < keep and np.isfinite(totals[b]) and not same:
            taken.append(int(b))
    return taken
