"""One law per group, and whether groups share their exponents.

`fit_groups(by=...)` fits every value of a column on its own. With `share` it also fits them jointly, the shared
parameters being one and the same in all groups, each group weighted by its own noise; a nested F test, AICc and a
bootstrap of the differences (by cluster where one is named) say whether sharing is tenable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalelaw import table as tables
from scalelaw.answers import answer, dumps, plain
from scalelaw.errors import InputError, unknown
from scalelaw.fit.engine import Problem
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.fitting import fit_points
from scalelaw.fit.law import Law
from scalelaw.fit.optimum import Optimum, minimise
from scalelaw.fit.options import Options
from scalelaw.fit.task import make_task, opening
from scalelaw.fit.uncertainty import bootstrap, percentile

Array = np.ndarray


@dataclass(frozen=True)
class GroupedFit:
    """Fits by group, and what is shared. sharing is empty where nothing was asked to be shared.

    sharing: {shared, params {name: value, or {group: value}}, f, p_value, aicc_shared, aicc_apart, differences
    {parameter: {group - group: {value, interval}}}, tenable, words}.
    """

    by: str
    groups: Mapping[str, FittedLaw]
    sharing: Mapping[str, Any]
    warnings: Sequence[tuple[str, str]]

    def rows(self) -> list[dict[str, Any]]:
        """One row a group: its points, status, parameters, derived quantities and their intervals."""
        rows = []
        for name, fitted in self.groups.items():
            row: dict[str, Any] = {
                self.by: name,
                "n_points": fitted.n_points,
                "status": fitted.status,
                "rmse": fitted.rmse,
            }
            for parameter, value in fitted.params.items():
                row |= {parameter: value, f"{parameter}_interval": list(fitted.intervals[parameter])}
            for quantity, held in fitted.derived.items():
                row |= {quantity: held["value"], f"{quantity}_interval": list(held["interval"])}
            rows.append(row)
        return rows

    def to_dict(self) -> dict[str, Any]:
        """The data of `scalelaw fit --by`: groups as `fit` has them, and what is shared."""
        groups = {name: fitted.to_dict() for name, fitted in self.groups.items()}
        made: dict[str, Any] = plain({"by": self.by, "groups": groups, "sharing": self.sharing})
        return made

    def to_json(self) -> str:
        """The whole answer (schema scalelaw.fit_groups/1) as JSON text."""
        return dumps(answer("fit_groups", self.to_dict(), self.warnings))


def fit_groups(
    table: Any,
    by: str,
    law: str = "product_power",
    share: Sequence[str] = (),
    inputs: Mapping[str, str | float] | None = None,
    target: str = "error",
    where: Any = None,
    **options: Any,
) -> GroupedFit:
    """Fit a law to each group of rows with the same value of column `by`; arguments else as in `fit_law`.

    share: parameters that may be the same in all groups. Raises InputError for a column that is not there, for
    fewer than two groups where something is to be shared, and for what `fit_law` raises.
    """
    points, chosen, wishes = opening(table, law, inputs, target, where, options)
    if by not in points.rows or points.rows[by].isna().any():
        there = [str(c) for c in points.rows.columns if points.rows[c].notna().all()]
        raise unknown("column", by, there, code="missing_column")
    for name in share:
        if name not in chosen.parameters:
            raise unknown("parameter", name, chosen.parameters)
    labels = points.rows[by].astype(str).to_numpy()
    names = list(dict.fromkeys(labels))
    if share and len(names) < 2:
        raise InputError(
            f"All points have {by}={names[0]}: there is nothing to share with.", code="one_group"
        )
    groups = {name: fit_points(take(points, labels == name), chosen, wishes) for name in names}
    warnings = [
        (code, f"{by}={name}: {words}") for name, fitted in groups.items() for code, words in fitted.warnings
    ]
    sharing = _share(points, labels, groups, chosen, list(share), wishes) if share else {}
    if sharing and sharing["clusters"] is not None and sharing["clusters"] < 8:
        warnings.append(
            (
                "few_clusters",
                f"{sharing['clusters']} clusters are few for a bootstrap by cluster: its "
                f"intervals are rough.",
            )
        )
    return GroupedFit(by, groups, sharing, warnings)


def take(points: tables.Points, rows: Array) -> tables.Points:
    """Some of the points ([n] bool); doubts about mixed kinds are theirs no more."""
    kept = tuple(w for w in points.warnings if not w[0].startswith("mixed_"))
    return replace(
        points,
        inputs={k: v[rows] for k, v in points.inputs.items()},
        target=points.target[rows],
        target_se=points.target_se[rows],
        rows=points.rows[rows],
        warnings=kept,
    )


class _Joint(Law):
    """A law whose unshared parameters are a group's own: `A[ocr]`. Points of group g see its parameters only."""

    def __init__(self, law: Law, names: Sequence[str], members: Array, share: Sequence[str]) -> None:
        parameters = [(p, g) for p in law.parameters for g in ([None] if p in share else range(len(names)))]
        label = {(p, g): p if g is None else f"{p}[{names[g]}]" for p, g in parameters}
        super().__init__(
            name=law.name,
            formula=law.formula,
            source=law.source,
            units=law.units,
            predict=law.predict,
            bounds={label[key]: law.bounds[key[0]] for key in parameters},
            linear=tuple(label[key] for key in parameters if key[0] in law.linear),
        )
        where = {key: i for i, key in enumerate(parameters)}
        shape = (len(names), len(law.parameters))
        index = [[where.get((p, g), where.get((p, None))) for p in law.parameters] for g in range(len(names))]
        for key, value in {
            "base": law,
            "members": members,
            "owner": [p for p, _ in parameters],
            "index": np.array(index, dtype=int).reshape(shape),
        }.items():
            object.__setattr__(self, key, value)

    base: Law
    members: Array
    index: Array
    owner: list[str]
    _has_offset = True  # type: ignore[assignment]

    def value(self, inputs: Sequence[Array], parameters: Array) -> Array:
        """[B, n] each point's value under the parameters of its group."""
        out = np.empty((parameters.shape[1], len(self.members)))
        for g, mine in enumerate(self.index):
            at = self.members == g
            out[:, at] = self.base.value([x[at] for x in inputs], parameters[mine])
        return out

    def jacobian(self, inputs: Sequence[Array], parameters: Array) -> Array:
        """[B, p, n] the derivatives; zero where a parameter is another group's."""
        out = np.zeros((parameters.shape[1], len(parameters), len(self.members)))
        for g, mine in enumerate(self.index):
            at = np.flatnonzero(self.members == g)
            out[:, mine[:, None], at[None, :]] = self.base.jacobian([x[at] for x in inputs], parameters[mine])
        return out

    def search_box(self, inputs: Sequence[Array], lower: Array, upper: Array) -> tuple[Array, Array]:
        """The base law's box for each parameter."""
        low, high = self.base.search_box(inputs, self.base.lower, self.base.upper)
        at = [self.base.parameters.index(p) for p in self.owner]
        return np.clip(low[at], lower, upper), np.clip(high[at], lower, upper)


def _share(
    points: tables.Points,
    labels: Array,
    groups: Mapping[str, FittedLaw],
    law: Law,
    share: list[str],
    wishes: Options,
) -> dict[str, Any]:
    names = list(groups)
    task = make_task(points, law, replace(wishes, tie=None, parameters=None))
    if wishes.tie or wishes.parameters or len(task.freedom.lower) != len(law.parameters):
        raise InputError("Ties and shared parameters do not go together.", code="bad_tie")
    members = np.array([names.index(label) for label in labels[task.rows]])
    noise = np.array(
        [f.rmse * np.sqrt(f.n_points / max(f.n_points - len(law.parameters), 1)) for f in groups.values()]
    )
    weight = (noise.min() / np.maximum(noise, 1e-300))[members][None] ** 2
    if task.problem.weight is not None:
        weight = weight * task.problem.weight

    def joint(shared: Sequence[str]) -> tuple[Problem, Optimum]:
        model = _Joint(law, names, members, shared)
        base = [law.parameters.index(p) for p in model.owner]
        problem = replace(
            task.problem,
            law=model,
            weight=weight,
            lower=task.problem.lower[base],
            upper=task.problem.upper[base],
        )
        first = np.array(
            [_start(groups, names, p, g) for p, g in zip(model.owner, _groups_of(model, names), strict=True)]
        )
        return problem, minimise(problem, starts=256, first=np.clip(first, problem.lower, problem.upper))

    apart_problem, apart = joint([])
    together_problem, together = joint(share)
    n = len(members)
    p_apart, p_together = (int((~q.fixed).sum()) for q in (apart_problem, together_problem))
    test = _nested(together.objective, apart.objective, p_apart - p_together, n - p_apart, wishes.loss)
    differences = _differences(apart_problem, apart, law, names, share, wishes, task.clusters)
    signs = [
        d["interval"][0] <= 0 <= d["interval"][1]
        for held in differences.values()
        for d in held.values()
        if np.isfinite(d["interval"]).all()
    ]
    tenable = all(signs) and not (test["p_value"] is not None and test["p_value"] < 0.05)
    params = dict(zip(together_problem.law.parameters, map(float, together.parameters), strict=True))
    return {
        "shared": share,
        "params": params,
        **test,
        "aicc_shared": _aicc(together.objective, n, p_together, wishes.loss),
        "aicc_apart": _aicc(apart.objective, n, p_apart, wishes.loss),
        "differences": differences,
        "clusters": None if task.clusters is None else len(np.unique(task.clusters)),
        "tenable": bool(tenable),
        "words": f"Sharing {', '.join(share)} between {', '.join(names)} is "
        + (
            "tenable: the points do not tell the groups apart in them."
            if tenable
            else "not tenable: the groups differ in them by more than their noise."
        ),
    }


def _groups_of(model: _Joint, names: Sequence[str]) -> list[str | None]:
    return [n.partition("[")[2].rstrip("]") or None for n in model.parameters]


def _start(groups: Mapping[str, FittedLaw], names: Sequence[str], parameter: str, group: str | None) -> float:
    if group is not None:
        return groups[group].params[parameter]
    return float(np.mean([groups[name].params[parameter] for name in names]))


def _nested(shared: float, apart: float, fewer: int, left: int, loss: str) -> dict[str, Any]:
    """The F test of the shared fit within the one apart; only least squares has it."""
    if loss != "squared" or left < 1 or fewer < 1 or apart <= 0:
        return {"f": None, "p_value": None}
    from scipy.special import fdtrc

    statistic = max(shared - apart, 0.0) / fewer / (apart / left)
    return {"f": float(statistic), "p_value": float(fdtrc(fewer, left, statistic))}


def _aicc(objective: float, n: int, parameters: int, loss: str) -> float:
    count = parameters + 1
    room = n - count - 1
    if objective <= 0 or room < 1:
        return float("nan")
    fit = objective * (2.0 if loss == "huber" else 1.0)
    return float(n * np.log(fit / n) + 2 * count + 2 * count * (count + 1) / room)


def _differences(
    problem: Problem,
    optimum: Optimum,
    law: Law,
    names: Sequence[str],
    share: Sequence[str],
    wishes: Options,
    clusters: Array | None,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Of each shared parameter, each group's less the first group's, with an interval."""
    method = "cluster" if clusters is not None else wishes.method
    draws = bootstrap(
        problem,
        optimum.parameters,
        wishes.bootstrap,
        method,
        np.random.default_rng(wishes.seed),
        None,
        clusters,
    ).parameters
    left = problem.target.shape[1] - int((~problem.fixed).sum())
    at = {name: i for i, name in enumerate(problem.law.parameters)}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for parameter in share:
        found[parameter] = {}
        for other in names[1:]:
            i, j = at[f"{parameter}[{other}]"], at[f"{parameter}[{names[0]}]"]
            value = float(optimum.parameters[i] - optimum.parameters[j])
            interval = percentile(draws[i] - draws[j], value, wishes.level, left)
            found[parameter][f"{other} - {names[0]}"] = {"value": value, "interval": interval}
    return found
