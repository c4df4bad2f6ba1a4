"""Test whether groups share parameters: a joint fit with equal values against one with separate values per group.

Each group is weighted by its own noise; a group with too few points to estimate it gets that of the other groups. The
evidence is a nested F test (squared loss, independent points) and a bootstrap of the differences (by cluster where a
column is named; at a level corrected for their number). Without evidence there is no conclusion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from scalelaw.errors import InputError, Note
from scalelaw.fit.bootstrap import bootstrap, percentile
from scalelaw.fit.diagnostics import few_clusters, passes_through
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.identifiability import at_rounding, rank
from scalelaw.fit.law import Law
from scalelaw.fit.multistart import Minimum, minimize
from scalelaw.fit.options import FitOptions
from scalelaw.fit.problem import Task, make_task
from scalelaw.fit.varpro import Problem
from scalelaw.table.points import Points

Array = np.ndarray
_ENOUGH = 3
"""Degrees of freedom from which a group's own residuals determine its noise."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Joint(Law):
    """A law with separate unshared parameters per group, `A[ocr]`. Its last input is the group's number, from 1.

    owner, group: of each parameter, the base law's parameter and the group it belongs to (None: shared); index
    [groups, parameters of the base law]: position of each group's parameters.
    """

    base: Law
    owner: list[str]
    group: list[int | None]
    index: Array

    @classmethod
    def of(cls, law: Law, names: Sequence[str], shared: Sequence[str]) -> Joint:
        """The law of groups with these names, in which `shared` parameters are equal in all groups."""
        own: list[int | None] = list(range(len(names)))
        parameters = [(p, g) for p in law.parameters for g in ([None] if p in shared else own)]
        label = {(p, g): p if g is None else f"{p}[{names[g]}]" for p, g in parameters}
        where = {key: i for i, key in enumerate(parameters)}
        index = [[where[p, None if p in shared else g] for p in law.parameters] for g in own]
        return cls(
            name=law.name,
            formula=law.formula,
            source=law.source,
            units={**law.units, "group": 1.0},
            predict=law.predict,
            bounds={label[key]: law.bounds[key[0]] for key in parameters},
            linear=tuple(label[key] for key in parameters if key[0] in law.linear),
            base=law,
            owner=[p for p, _ in parameters],
            group=[g for _, g in parameters],
            index=np.array(index, dtype=int),
        )

    @cached_property
    def has_offset(self) -> bool:
        """True, so that values are computed by group."""
        return True

    def value(self, inputs: Sequence[Array], parameters: Array) -> Array:
        """[B, n] each point's value under the parameters of its group."""
        out = np.empty((parameters.shape[1], len(inputs[-1])))
        for g, mine in enumerate(self.index):
            at = inputs[-1] == g + 1
            out[:, at] = self.base.value([x[at] for x in inputs[:-1]], parameters[mine])
        return out

    def jacobian(self, inputs: Sequence[Array], parameters: Array) -> Array:
        """[B, p, n] the derivatives; zero where a parameter is another group's."""
        out = np.zeros((parameters.shape[1], len(parameters), len(inputs[-1])))
        for g, mine in enumerate(self.index):
            at = np.flatnonzero(inputs[-1] == g + 1)
            out[:, mine[:, None], at[None, :]] = self.base.jacobian(
                [x[at] for x in inputs[:-1]], parameters[mine]
            )
        return out

    def searched(self, inputs: Sequence[Array]) -> Mapping[str, tuple[float, float]]:
        """The base law's `search` for each parameter."""
        base = self.base.searched(inputs[:-1])
        return {name: base[own] for name, own in zip(self.parameters, self.owner, strict=True) if own in base}

    def search_box(self, inputs: Sequence[Array], lower: Array, upper: Array) -> tuple[Array, Array]:
        """The base law's box for each parameter."""
        low, high = self.base.search_box(inputs[:-1], self.base.lower, self.base.upper)
        at = [self.base.parameters.index(p) for p in self.owner]
        return np.clip(low[at], lower, upper), np.clip(high[at], lower, upper)


@dataclass(frozen=True)
class _Fit:
    """A joint fit: its problem, its minimum, and the number of parameters that the points determine."""

    problem: Problem
    optimum: Minimum
    rank: int

    @property
    def status(self) -> str:
        if self.rank < int((~self.problem.fixed).sum()):
            return "not_identified"
        if not self.optimum.converged and not at_rounding(self.problem, self.optimum):
            return "not_converged"
        return "identified"


@np.errstate(all="ignore")
def share(
    points: Points,
    labels: Array,
    groups: Mapping[str, FittedLaw],
    law: Law,
    shared: Sequence[str],
    options: FitOptions,
) -> tuple[dict[str, Any], list[Note]]:
    """(`GroupedFit.sharing`, warnings). labels [n]: the group of each point; groups: their separate fits.

    Raises InputError where parameters are also tied.
    """
    if options.tie or options.parameters:
        raise InputError("Parameters cannot be both tied and shared.", code="bad_tie")
    names = list(groups)
    task = make_task(points, law, options)
    members = np.array([names.index(label) for label in labels[task.rows]])
    noise, borrowed = _noise(task, groups, members)
    weight = (noise.min() / noise)[members][None] ** 2
    if task.problem.weight is not None:
        weight = weight * task.problem.weight
    problem = replace(task.problem, weight=weight, inputs=(*task.problem.inputs, members + 1.0))
    apart, together = _joint(problem, law, groups, []), _joint(problem, law, groups, shared)
    n = len(members)
    clusters = None if task.clusters is None else len(np.unique(task.clusters))
    unsettled = [name for name, fitted in groups.items() if fitted.status not in ("identified", "at_bound")]
    perfect = passes_through(apart.problem, apart.optimum)
    test = {"f": None, "p_value": None} if perfect else _nested(together, apart, n, options.loss)
    differences = _differences(
        apart, names, shared, options, task.clusters, [*unsettled, *(names if perfect else [])]
    )
    evidence = [
        one["differs"]
        for by_difference in differences.values()
        for one in by_difference.values()
        if one["differs"] is not None
    ]
    if test["p_value"] is not None and clusters is None:
        evidence.append(test["p_value"] < 0.05)
    tenable = None if not evidence else not any(evidence)
    warnings = [] if clusters is None else few_clusters(clusters)
    if borrowed:
        warnings.append(
            (
                "noise_borrowed",
                f"{', '.join(borrowed)}: too few points to estimate the noise. The joint fit uses that of the other "
                f"groups.",
            )
        )
    return {
        "shared": list(shared),
        "status": together.status,
        "params": dict(
            zip(together.problem.law.parameters, map(float, together.optimum.parameters), strict=True)
        ),
        **test,
        "aicc_shared": _aicc(together, n, options.loss),
        "aicc_apart": _aicc(apart, n, options.loss),
        "differences": differences,
        "clusters": clusters,
        "tenable": tenable,
        "words": _words(tenable, shared, names, unsettled, perfect, options),
    }, warnings


def _noise(task: Task, groups: Mapping[str, FittedLaw], members: Array) -> tuple[Array, list[str]]:
    """([groups] standard deviations in the residual's space, the groups without an estimate of their own)."""
    problem, squares, left = task.problem, np.zeros(len(groups)), np.zeros(len(groups))
    weight = np.ones(len(members)) if problem.weight is None else problem.weight[0]
    for g, fitted in enumerate(groups.values()):
        at = members == g
        place = np.array([[fitted.params[name]] for name in problem.law.parameters])
        value = problem.law.value([x[at] for x in problem.inputs], place)
        residual = problem.objective.residuals(value, problem.target[:, at])[0]
        rounding = 1e-24 * float(np.sum(problem.target[0, at] ** 2))
        squares[g] = max(float(np.sum(weight[at] * residual**2)) - rounding, 0.0)
        left[g] = at.sum() - fitted.n_free
    known = (left >= _ENOUGH) & (squares > 0)
    pool = known if known.any() else (left > 0) & (squares > 0)
    if not pool.any():
        return np.ones(len(groups)), []
    pooled = squares[pool].sum() / left[pool].sum()
    own = np.where(known, squares / np.maximum(left, 1), pooled)
    return np.sqrt(own), [name for name, sure in zip(groups, known, strict=True) if not sure]


def _joint(problem: Problem, law: Law, groups: Mapping[str, FittedLaw], shared: Sequence[str]) -> _Fit:
    """The fit of all groups at once, started from their separate fits and from a cover."""
    fits = list(groups.values())
    model = Joint.of(law, list(groups), shared)
    base = [law.parameters.index(p) for p in model.owner]
    whole = replace(problem, law=model, lower=problem.lower[base], upper=problem.upper[base])
    first = [
        np.mean([f.params[p] for f in fits]) if g is None else fits[g].params[p]
        for p, g in zip(model.owner, model.group, strict=True)
    ]
    optimum = minimize(whole, starts=256, first=np.clip(np.array(first), whole.lower, whole.upper))
    return _Fit(whole, optimum, rank(whole, optimum.parameters))


def _nested(together: _Fit, apart: _Fit, n: int, loss: str) -> dict[str, Any]:
    """The F test of the shared fit against the separate fit; for squared loss only."""
    from scipy.special import fdtrc

    fewer, left = apart.rank - together.rank, n - apart.rank
    best = apart.optimum.objective
    if loss != "squared" or left < 1 or fewer < 1 or not best > 0:
        return {"f": None, "p_value": None}
    statistic = max(together.optimum.objective - best, 0.0) / fewer / (best / left)
    return {"f": float(statistic), "p_value": float(fdtrc(fewer, left, statistic))}


def _aicc(fit: _Fit, n: int, loss: str) -> float:
    count = fit.rank + 1
    room = n - count - 1
    if fit.optimum.objective <= 0 or room < 1:
        return float("nan")
    twice = fit.optimum.objective * (2.0 if loss == "huber" else 1.0)
    return float(n * np.log(twice / n) + 2 * count + 2 * count * (count + 1) / room)


def _differences(
    apart: _Fit,
    names: Sequence[str],
    shared: Sequence[str],
    options: FitOptions,
    clusters: Array | None,
    excluded: Sequence[str],
) -> dict[str, dict[str, dict[str, Any]]]:
    """For each shared parameter, each group's value minus the first group's: value, interval, and `differs`.

    `differs` (from zero) is tested at a level corrected for the number of differences (Bonferroni); it is None for the
    groups in `excluded`.
    """
    problem, place = apart.problem, apart.optimum.parameters
    method = "cluster" if clusters is not None else options.method
    rng = np.random.default_rng(options.seed)
    draws = bootstrap(problem, place, options.bootstrap, method, rng, None, clusters).parameters
    left = problem.target.shape[1] - apart.rank
    if clusters is not None:
        left = min(left, len(np.unique(clusters)) - 1)
    at = {name: i for i, name in enumerate(problem.law.parameters)}
    strict = 1 - (1 - options.level) / max(len(shared) * (len(names) - 1), 1)
    differences: dict[str, dict[str, dict[str, Any]]] = {}
    for parameter in shared:
        differences[parameter] = {}
        for other in names[1:]:
            i, j = at[f"{parameter}[{other}]"], at[f"{parameter}[{names[0]}]"]
            value, drawn = float(place[i] - place[j]), draws[i] - draws[j]
            interval, differs = (np.nan, np.nan), None
            if other not in excluded and names[0] not in excluded:
                interval = percentile(drawn, value, options.level, left)
                low, high = percentile(drawn, value, strict, left)
                differs = bool(low > 0 or high < 0) if np.isfinite([low, high]).all() else None
            row = {"value": value, "interval": interval, "differs": differs}
            differences[parameter][f"{other} - {names[0]}"] = row
    return differences


def _words(
    tenable: bool | None,
    shared: Sequence[str],
    names: Sequence[str],
    unsettled: Sequence[str],
    perfect: bool,
    options: FitOptions,
) -> str:
    """The conclusion in words, and its limitations."""
    begin = f"Sharing {', '.join(shared)} between {', '.join(names)} is "
    alone = f" {', '.join(unsettled)} alone does not determine the law's parameters." if unsettled else ""
    if tenable is not None:
        return begin + (
            f"tenable: the points do not distinguish the groups in them.{alone}"
            if tenable
            else f"not tenable: the groups differ in them by more than their noise.{alone}"
        )
    if perfect:
        return f"{begin}undecided: the law passes through every point, so there is no noise to compare with."
    if alone:
        return f"{begin}undecided: fewer than two groups have values to compare.{alone}"
    if options.bootstrap == 0:
        return f"{begin}undecided: there are no bootstrap refits, and this loss or design has no F test."
    return f"{begin}undecided: the points leave no degrees of freedom to estimate the noise."
