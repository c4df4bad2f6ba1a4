"""fit_law: a table and a law in, a fitted law out, with everything that may be believed of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from scalelaw import table as tables
from scalelaw.errors import InputError, unknown
from scalelaw.fit.engine import Optimum, Problem, minimise
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.holdout import largest, leave_out
from scalelaw.fit.law import Law, load_law
from scalelaw.fit.objective import Objective, make_objective
from scalelaw.fit.uncertainty import METHODS, Draws, bootstrap, percentile
from scalelaw.fit.verdict import judge

Array = np.ndarray
LABELS = ("model", "compressor", "task_family", "benchmark", "seed")


def fit_law(
    table: Any,
    law: str = "product_power",
    inputs: Mapping[str, str] | None = None,
    target: str = "error",
    where: Any = None,
    loss: str = "squared",
    delta: float | None = None,
    residual: str = "linear",
    fix: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    holdout: str | None = None,
    *,
    resample: str = "residual",
    level: float = 0.95,
    starts: int | None = None,
) -> FittedLaw:
    """Fit a law to a table's points.

    table: a DataFrame, a path or a bundled name; inputs: law input -> column; where: `column=value` terms;
    fix: parameter -> value; bounds: parameter -> (low, high); bootstrap: refits for the intervals, resampled by
    `resample` (residual, case) with `seed`; level: of the intervals; holdout: `largest` or `largest:INPUT`;
    starts: places where the exponents are looked for (None: 256, more for more than two of them). Raises InputError for what cannot be read or asked.
    """
    began = time.perf_counter()
    chosen = load_law(law)
    objective = make_objective(loss, delta, residual)
    if resample not in METHODS:
        raise unknown("resampling method", resample, METHODS, code="unknown_resampling")
    if bootstrap < 0 or not 0 < level < 1:
        raise InputError(
            "bootstrap must not be negative, and level must lie between 0 and 1.", code="bad_value"
        )
    mapping = {name: name for name in chosen.inputs}
    for name, column in (inputs or {}).items():
        if name not in mapping:
            raise unknown("input", name, mapping)
        mapping[name] = column
    frame = tables.read_table(table)
    points = tables.points(frame, mapping, target, where)
    problem = make_problem(chosen, points.inputs, points.target, objective, fix, bounds)
    optimum = minimise(problem, starts)
    status, reasons = judge(problem, optimum)
    draws = _draws(problem, optimum, status, bootstrap, resample, seed)
    warnings = [*points.warnings, *reasons, *_doubts(problem, optimum, draws, bootstrap)]
    held = None if holdout is None else largest(problem, holdout)
    freedom = len(points) - int((~problem.fixed).sum())
    labels = {c: points.rows[c].tolist() for c in LABELS if c in points.rows and points.rows[c].notna().any()}
    parameters = dict(zip(chosen.parameters, map(float, optimum.parameters), strict=True))
    named = dict(zip(chosen.parameters, draws.parameters, strict=True))
    return FittedLaw(
        law=chosen.name,
        formula=chosen.formula,
        source=chosen.source,
        inputs=list(chosen.inputs),
        units=dict(chosen.units),
        target=target,
        loss={"kind": loss, "delta": objective.delta, "residual": residual},
        n_points=len(points),
        params=parameters,
        bounds={
            n: (float(a), float(b))
            for n, a, b in zip(chosen.bounds, problem.lower, problem.upper, strict=True)
        },
        intervals={name: percentile(values, level, freedom) for name, values in named.items()},
        interval={
            "level": level,
            "method": f"{resample} bootstrap, percentile, t-widened" if bootstrap else "none",
        },
        objective=optimum.objective,
        **_scores(problem, optimum),
        status=status,
        certificate={
            "gap": optimum.gap,
            "starts": optimum.starts,
            "agreeing": optimum.agreeing,
            "gradient_norm": optimum.gradient_norm,
            "seconds": time.perf_counter() - began,
        },
        derived=_derived(chosen, parameters, named, level, freedom),
        holdout={} if held is None else {"rule": holdout, "left_out": held[1], **leave_out(problem, held[0])},
        selection=[],
        checklist=_checklist(problem, points, optimum, status, frame, seed, bootstrap, resample, where),
        warnings=warnings,
        draws=named,
        draws_method=resample,
        points={
            "inputs": points.inputs,
            "target": points.target,
            "target_se": points.target_se,
            "labels": labels,
        },
    )


def make_problem(
    law: Law,
    inputs: Mapping[str, Array],
    target: Array,
    objective: Objective | None = None,
    fix: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> Problem:
    """The engine's problem: inputs [n] in raw units, target [n]. Raises InputError for impossible wishes."""
    lower, upper = law.lower.copy(), law.upper.copy()
    for name, (low, high) in (bounds or {}).items():
        j = _index(law, name)
        if not low <= high:
            raise InputError(f"The bounds of {name} are empty: {low:g} to {high:g}.", code="bad_bounds")
        lower[j], upper[j] = float(low), float(high)
    for name, value in (fix or {}).items():
        j = _index(law, name)
        if not np.isfinite(value):
            raise InputError(f"{name} cannot be fixed at {value}.", code="bad_value")
        lower[j] = upper[j] = float(value)
    objective = objective or Objective()
    if objective.residual == "log" and (np.asarray(target) <= 0).any():
        raise InputError(
            "Log residuals need a positive target, and a point holds 0.",
            code="bad_value",
            hint="Use residual='linear', or leave the point out.",
        )
    return Problem(law, law.scale(inputs), np.asarray(target, float)[None], objective, None, lower, upper)


def _index(law: Law, name: str) -> int:
    if name not in law.parameters:
        raise unknown("parameter", name, law.parameters)
    return law.parameters.index(name)


def _draws(problem: Problem, optimum: Optimum, status: str, count: int, method: str, seed: int) -> Draws:
    """Bootstrap refits, where the fit is one whose spread means something."""
    usable = status in ("identified", "at_bound")
    return bootstrap(problem, optimum.parameters, count if usable else 0, method, np.random.default_rng(seed))


def _doubts(problem: Problem, optimum: Optimum, draws: Draws, wanted: int) -> list[tuple[str, str]]:
    doubts = []
    if draws.failed:
        doubts.append(
            (
                "failed_refits",
                f"{draws.failed} of {wanted} bootstrap refits found no minimum; "
                f"the intervals are of the others.",
            )
        )
    n, free = problem.target.shape[1], int((~problem.fixed).sum())
    if draws.parameters.size and n == free:
        doubts.append(
            (
                "no_freedom",
                f"{n} points and {free} parameters leave nothing to estimate the noise from: "
                f"there are no intervals.",
            )
        )
    elif draws.parameters.size and optimum.objective <= 1e-24 * float(np.sum(problem.target**2)):
        doubts.append(
            (
                "perfect_fit",
                "The law passes through every point to rounding: the intervals have no width, "
                "which says that no noise was seen, not that there is none.",
            )
        )
    return doubts


def _scores(problem: Problem, optimum: Optimum) -> dict[str, float]:
    """RMSE and R2 in the target's own space; AICc of the objective taken as a likelihood's exponent."""
    target = problem.target[0]
    miss = target - problem.law.value(problem.inputs, optimum.parameters[:, None])[0]
    squares, n = float(np.sum(miss**2)), len(target)
    spread = float(np.sum((target - target.mean()) ** 2))
    free = int((~problem.fixed).sum())
    count = free + 1  # the noise's own size is a parameter too
    room = n - count - 1
    fit = optimum.objective * (2.0 if problem.objective.loss == "huber" else 1.0)
    aicc = (
        n * np.log(fit / n) + 2 * count + 2 * count * (count + 1) / room if fit > 0 and room > 0 else np.nan
    )
    return {
        "rmse": float(np.sqrt(squares / n)),
        "r2": 1 - squares / spread if spread > 0 else float("nan"),
        "aicc": float(aicc),
    }


def _derived(
    law: Law, parameters: Mapping[str, float], draws: Mapping[str, Array], level: float, freedom: int
) -> dict[str, dict[str, Any]]:
    if law.derived is None:
        return {}
    values = law.derived(dict(parameters))
    spread = law.derived(dict(draws)) if all(d.size for d in draws.values()) else {}
    empty = np.empty(0)
    return {
        name: {
            "value": float(value),
            "interval": percentile(np.asarray(spread.get(name, empty)), level, freedom),
        }
        for name, value in values.items()
    }


def _checklist(
    problem: Problem,
    points: tables.Points,
    optimum: Optimum,
    status: str,
    frame: Any,
    seed: int,
    bootstrap: int,
    resample: str,
    where: Any,
) -> dict[str, Any]:
    """All that someone needs to know to repeat the fit or to doubt it."""
    import scipy

    law, objective = problem.law, problem.objective
    ends = zip(law.parameters, problem.lower, problem.upper, strict=True)
    return {
        "law": f"{law.name}: {law.formula}" + (f" ({law.source})" if law.source else ""),
        "loss": objective.loss,
        "delta": objective.delta,
        "residual": objective.residual,
        "optimiser": "variable projection, Levenberg-Marquardt from a cover of the exponents, polished by QR steps",
        "starts": f"{optimum.starts} tried, {optimum.agreeing} of the best distinct ones agree",
        "bounds": {n: "fixed at " + repr(float(a)) if a == b else [float(a), float(b)] for n, a, b in ends},
        "status": status,
        "points_used": len(points),
        "points_in_table": len(frame),
        "chosen_by": "all rows" if where is None else str(where),
        "dropped": list(points.dropped),
        "columns": {**points.columns, "target": points.target_name},
        "parameter_counting": _counting(points),
        "flop_formula": "none enters this fit"
        if "train_flops" not in points.columns.values()
        else "column train_flops",
        "seed": seed,
        "bootstrap": f"{bootstrap} refits by {resample}",
        "versions": {"scalelaw": version("scalelaw"), "numpy": np.__version__, "scipy": scipy.__version__},
        "data_hash": points.data_hash,
    }


def _counting(points: tables.Points) -> str:
    columns: Sequence[str] = [c for c in points.columns.values() if c.startswith("n_params")]
    if not columns:
        return "no parameter count enters"
    meaning = tables.COLUMNS.get(columns[0], ("", "", "a column of the table's own"))[2]
    return f"{columns[0]}: {meaning}"
