"""Points and a law in, a fitted law out, with everything that may be believed of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalelaw import table as tables
from scalelaw.errors import InputError, unknown
from scalelaw.fit.engine import Problem
from scalelaw.fit.expression import column_of
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.holdout import largest, leave_out
from scalelaw.fit.law import Law
from scalelaw.fit.loading import load_law
from scalelaw.fit.optimum import Optimum, minimise
from scalelaw.fit.options import Options
from scalelaw.fit.parameters import Freedom, freedom
from scalelaw.fit.profile import profile_derived, profile_parameters
from scalelaw.fit.statement import checklist, doubts, scores
from scalelaw.fit.uncertainty import Draws, accelerated, bootstrap, jackknife, percentile
from scalelaw.fit.verdict import judge
from scalelaw.fit.weights import Weights, make_weights

Array = np.ndarray
LABELS = ("model", "model_family", "compressor", "task_family", "benchmark", "seed")
Ends = tuple[float, float]


def opening(
    table: Any,
    law: str,
    inputs: Mapping[str, str | float] | None,
    target: str,
    where: Any,
    options: Mapping[str, Any],
) -> tuple[tables.Points, Law, Options]:
    """The points, the law and the wishes of a question about one law. Raises InputError for what cannot be asked."""
    if law == "auto":
        raise InputError(
            "'auto' chooses among laws; this is asked of one law.",
            code="bad_option",
            hint="Name the law, for example the one that `compare` puts first.",
        )
    chosen, wishes = load_law(law, tuple(inputs or ())), make_options(options)
    return read_points(table, chosen, inputs, target, where), chosen, wishes


def make_options(options: Mapping[str, Any]) -> Options:
    """Options by name (residual None: linear). Raises InputError for a name that is not one (with the nearest)."""
    if options.get("residual", "") is None:
        options = {name: value for name, value in options.items() if name != "residual"}
    for name in options:
        if name not in Options.__dataclass_fields__:
            raise unknown("option", name, Options.__dataclass_fields__)
    return Options(**options)


def read_points(
    table: Any, law: Law, inputs: Mapping[str, str | float] | None, target: str, where: Any
) -> tables.Points:
    """The points of a table that this law is fitted to. Raises InputError for what is missing there."""
    mapping = {name: column_of(name) for name in law.inputs}
    frame = tables.read_table(table)
    for name, column in (inputs or {}).items():
        if name not in mapping:
            raise unknown("input", name, mapping)
        if not isinstance(column, str):
            frame = frame.assign(**{f"{name}={column:g}": float(column)})
            column = f"{name}={column:g}"
        mapping[name] = column
    return tables.points(frame, mapping, target, where)


@dataclass(frozen=True)
class Task:
    """Points, law and wishes as the engine's problem. `rows` [n] bool: points that count (weight above zero)."""

    points: tables.Points
    problem: Problem
    freedom: Freedom
    weights: Weights
    clusters: Array | None

    @property
    def rows(self) -> Array:
        """[n] bool: the points that count."""
        return self.weights.kept


def make_task(points: tables.Points, law: Law, options: Options) -> Task:
    """The engine's problem. Raises InputError for impossible wishes and for log residuals of a zero target."""
    objective = options.checked()
    free = freedom(law, options.fix, options.bounds, options.tie, options.parameters)
    weights = make_weights(points, options.weights, options.tail_weight)
    kept = weights.kept
    target = points.target[kept]
    if objective.residual == "log" and (target <= 0).any():
        raise InputError(
            "Log residuals need a positive target, and a point holds 0.",
            code="bad_value",
            hint="Use residual='linear', or leave the point out.",
        )
    inputs = {name: values[kept] for name, values in points.inputs.items()}
    weight = None if weights.weight is None else weights.weight[None, kept]
    problem = Problem(
        free.law, free.law.scale(inputs), target[None], objective, weight, free.lower, free.upper
    )
    return Task(points, problem, free, weights, _clusters(points, options.cluster, kept))


def _clusters(points: tables.Points, column: str | None, kept: Array) -> Array | None:
    if column is None:
        return None
    if column not in points.rows or points.rows[column].isna().any():
        there = [str(c) for c in points.rows.columns if points.rows[c].notna().all()]
        raise unknown("column", column, there, code="missing_column")
    return points.rows[column].astype(str).to_numpy()[kept]


def fit_points(points: tables.Points, law: Law, options: Options) -> FittedLaw:
    """Fit a law to points."""
    began = time.perf_counter()
    task = make_task(points, law, options)
    problem = task.problem
    if law.source == "typed":
        _check_formula(problem)
    held = None if options.holdout is None else largest(problem, options.holdout)
    optimum = minimise(problem, options.starts)
    status, reasons = judge(problem, optimum)
    usable = status in ("identified", "at_bound")
    draws = _draws(task, optimum, options, usable)
    whole = task.freedom.expand(optimum.parameters[:, None])[:, 0]
    _check_ties(task, whole)
    parameters = dict(zip(law.parameters, map(float, whole), strict=True))
    named = dict(zip(law.parameters, task.freedom.expand(draws.parameters), strict=True))
    intervals, derived = _intervals(task, optimum, draws, options, usable)
    dropped = int((~task.rows).sum())
    left_out = [f"{dropped} point(s) with weight 0"] if dropped else []
    return FittedLaw(
        law=law.name,
        formula=law.formula,
        source=law.source,
        inputs=list(law.inputs),
        units=dict(law.units),
        target=points.target_name,
        loss=_loss(options, problem),
        n_points=problem.target.shape[1],
        params=parameters,
        bounds=_bounds(task, law),
        intervals=intervals,
        interval=_method(options, usable),
        objective=optimum.objective,
        **scores(problem, optimum),
        status=status,
        certificate={
            "gap": optimum.gap,
            "starts": optimum.starts,
            "agreeing": optimum.agreeing,
            "gradient_norm": optimum.gradient_norm,
            "seconds": time.perf_counter() - began,
        },
        derived=derived,
        holdout={}
        if held is None
        else {"rule": options.holdout, "left_out": held[1], **leave_out(problem, held[0])},
        selection=[],
        checklist=checklist(problem, points, optimum, status, options, task.weights.words, left_out),
        warnings=[
            *points.warnings,
            *reasons,
            *(doubts(problem, optimum, draws, options.bootstrap) if usable else []),
        ],
        draws=named,
        draws_method=options.method,
        points=kept_points(points, task),
        ties={name: tie.text for name, tie in task.freedom.ties.items()},
    )


def _check_formula(problem: Problem) -> None:
    """Raises InputError for a formula with more parameters than distinct points: it need not be searched."""
    free = int((~problem.fixed).sum())
    distinct = np.unique(np.stack(problem.inputs), axis=1).shape[1]
    if free > distinct:
        raise InputError(
            f"The formula has {free} free parameters and there are {distinct} distinct points.",
            code="too_few_points",
            hint="Write a formula with fewer parameters, or measure more.",
        )


def _check_ties(task: Task, whole: Array) -> None:
    """Raises InputError where a tie takes its parameter out of the law's bounds."""
    law = task.freedom.whole
    for name, tie in task.freedom.ties.items():
        j = law.parameters.index(name)
        if not law.lower[j] <= whole[j] <= law.upper[j]:
            raise InputError(
                f"The tie {name} = {tie.text} gives {name} = {whole[j]:.4g}, outside its bounds "
                f"{law.lower[j]:g} to {law.upper[j]:g}.",
                code="bad_tie",
                hint="Choose a tie that stays inside the bounds.",
            )


def _loss(options: Options, problem: Problem) -> dict[str, Any]:
    objective = problem.objective
    loss = {"kind": objective.loss, "delta": objective.delta, "residual": objective.residual}
    return loss if objective.expectile is None else {**loss, "expectile": objective.expectile}


def _method(options: Options, usable: bool) -> dict[str, Any]:
    if not usable or (options.bootstrap == 0 and options.interval != "profile"):
        return {"level": options.level, "method": "none"}
    if options.interval == "profile":
        return {"level": options.level, "method": "profile likelihood, F quantile"}
    by = f" by {options.cluster}" if options.cluster and options.method in ("cluster", "wild") else ""
    return {
        "level": options.level,
        "method": f"{options.method} bootstrap{by}, {options.interval}, t-widened",
    }


def _bounds(task: Task, law: Law) -> dict[str, Ends]:
    free, ends = task.freedom, dict(law.bounds)
    for name, low, high in zip(free.law.parameters, free.lower, free.upper, strict=True):
        ends[name] = (float(low), float(high))
    return ends


def kept_points(points: tables.Points, task: Task) -> dict[str, Any]:
    """The points that count, as a fit keeps them."""
    rows, weight = task.rows, task.problem.weight
    frame = points.rows[rows]
    return {
        "inputs": {name: values[rows] for name, values in points.inputs.items()},
        "target": points.target[rows],
        "target_se": points.target_se[rows],
        "weight": None if weight is None else weight[0],
        "labels": {c: frame[c].tolist() for c in LABELS if c in frame and frame[c].notna().any()},
    }


def _draws(task: Task, optimum: Optimum, options: Options, usable: bool) -> Draws:
    """Bootstrap refits, where the fit is one whose spread means something."""
    noise = task.weights.noise[task.rows]
    count = options.bootstrap if usable else 0
    rng = np.random.default_rng(options.seed)
    draws = bootstrap(task.problem, optimum.parameters, count, options.method, rng, noise, task.clusters)
    if options.interval != "bca" or not count:
        return draws
    return replace(draws, jackknife=jackknife(task.problem, optimum.parameters, task.clusters))


def _intervals(
    task: Task, optimum: Optimum, draws: Draws, options: Options, usable: bool
) -> tuple[dict[str, Ends], dict[str, dict[str, Any]]]:
    """The interval of every parameter and of every derived quantity."""
    law, problem = task.freedom.whole, task.problem
    expand = task.freedom.expand
    names = law.parameters
    free = int((~problem.fixed).sum())

    def quantities(parameters: Array) -> dict[str, Array]:
        full = dict(zip(names, expand(parameters), strict=True))
        more = law.derived(full) if law.derived is not None else {}
        with np.errstate(all="ignore"):
            return full | {k: np.broadcast_to(v, parameters.shape[1:]) for k, v in more.items()}

    value = {name: float(v[0]) for name, v in quantities(optimum.parameters[:, None]).items()}
    ends: dict[str, Ends] = dict.fromkeys(value, (np.nan, np.nan))
    level, degrees = options.level, problem.target.shape[1] - free
    if usable and options.interval == "profile":
        ends |= profile_parameters(problem, optimum.parameters, level, free)
        for name in value:
            if name not in problem.law.parameters:
                ends[name] = profile_derived(
                    problem, optimum.parameters, _only(quantities, name), level, free
                )
    elif draws.parameters.size:
        spread = quantities(draws.parameters)
        without = {} if draws.jackknife is None else quantities(draws.jackknife)
        for name, drawn in spread.items():
            ends[name] = (
                accelerated(drawn, value[name], without[name], level, degrees)
                if without
                else percentile(drawn, value[name], level, degrees)
            )
    bounds = _bounds(task, law)
    for name, (low, high) in bounds.items():
        ends[name] = (float(np.clip(ends[name][0], low, high)), float(np.clip(ends[name][1], low, high)))
    if bool((law.lower >= 0).all()):
        for name in value:
            if name not in names and value[name] >= 0:
                ends[name] = (float(np.maximum(ends[name][0], 0.0)), ends[name][1])
    _from_ratio(ends, value)
    derived = {name: {"value": value[name], "interval": ends[name]} for name in value if name not in names}
    return {name: ends[name] for name in names}, derived


def _from_ratio(ends: dict[str, Ends], value: Mapping[str, float]) -> None:
    """The interval of an infinite V*/Q = 1 / (r - 1), which falls with r = alpha/beta: that of r, turned over."""
    name = "optimal_visual_tokens_per_text_token"
    if "alpha_over_beta" not in ends or not np.isinf(value.get(name, 0.0)) or not np.isnan(ends[name]).all():
        return
    low, high = (1 / (r - 1) if r > 1 else np.inf for r in reversed(ends["alpha_over_beta"]))
    if not np.isnan(ends["alpha_over_beta"]).any():
        ends[name] = (low, high)


def _only(quantities: Callable[[Array], dict[str, Array]], name: str) -> Callable[[Array], Array]:
    return lambda parameters: quantities(parameters)[name]
