"""Diagnostics of a fit: scores, warnings, and the checklist with which it can be reproduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scalelaw.errors import Note
from scalelaw.fit.bootstrap import FEWEST, Draws
from scalelaw.fit.multistart import Minimum
from scalelaw.fit.options import FitOptions
from scalelaw.fit.varpro import Problem
from scalelaw.table.points import Points
from scalelaw.table.schema import COLUMNS
from scalelaw.version import __version__

Array = np.ndarray
MANY_CLUSTERS = 10
"""Clusters from which a bootstrap by cluster is reliable."""


def scores(problem: Problem, optimum: Minimum) -> dict[str, float]:
    """RMSE and R2 in the target's own space; AICc = n ln(objective / n) + 2 k + 2 k (k + 1) / (n - k - 1).

    k counts the free parameters and the noise variance. A Huber objective is doubled (r^2/2 inside delta), so
    AICc values compare only between fits with the same loss, delta, residual and weights.
    """
    target = problem.target[0]
    miss = target - problem.law.value(problem.inputs, optimum.parameters[:, None])[0]
    squares, n = float(np.sum(miss**2)), len(target)
    spread = float(np.sum((target - target.mean()) ** 2))
    count = int((~problem.fixed).sum()) + 1
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


def failed_refits(failed: int, wanted: int) -> list[Note]:
    """The warning about bootstrap refits that did not converge."""
    if not failed:
        return []
    return [
        (
            "failed_refits",
            f"{failed} of {wanted} bootstrap refits did not converge. "
            f"Their last parameters are used, and the intervals may be too narrow.",
        )
    ]


def few_clusters(clusters: int) -> list[Note]:
    """The warning about a bootstrap with few clusters."""
    if clusters >= MANY_CLUSTERS:
        return []
    return [
        (
            "few_clusters",
            f"{clusters} clusters are few for a bootstrap by cluster, which needs {MANY_CLUSTERS}. Its intervals are "
            f"approximate, although widened by the t quantile with {clusters - 1} degrees of freedom.",
        )
    ]


def fit_warnings(
    problem: Problem, optimum: Minimum, draws: Draws, options: FitOptions, clusters: int | None
) -> list[Note]:
    """Warnings about the intervals: failed or too few refits, few degrees of freedom, no visible noise.

    clusters: number of resampled clusters, None where points are resampled.
    """
    warnings = failed_refits(draws.failed, options.bootstrap)
    good = draws.parameters.shape[1] - draws.failed
    if options.bootstrap and good * 0.5 * (1 - options.level) < 1:
        warnings.append(
            (
                "few_refits",
                f"{good} converged refits are too few for the ends of a {100 * options.level:g}% interval. "
                f"Increase --bootstrap; below {FEWEST} refits there is no interval.",
            )
        )
    if clusters is not None and options.bootstrap:
        warnings += few_clusters(clusters)
    if options.interval == "bca" and options.bootstrap:
        warnings.append(
            (
                "bca_covers_too_rarely",
                "BCa intervals of single exponents cover the truth less often than their level (docs/coverage.md). "
                "The default, percentile intervals widened by t / z, reaches its level.",
            )
        )
    if (inflation := _inflation(problem)) > 10:
        warnings.append(
            (
                "collinear_design",
                f"The inputs are almost collinear (variance inflation {inflation:.3g}). "
                f"Their effects are hard to separate; see the intervals.",
            )
        )
    n, free = problem.target.shape[1], int((~problem.fixed).sum())
    if n - free in (1, 2):
        warnings.append(
            (
                "little_freedom",
                f"{n} points and {free} parameters leave {n - free} degree(s) of freedom. The noise is poorly "
                f"known, and the intervals are approximate.",
            )
        )
    if n > free and passes_through(problem, optimum):
        warnings.append(
            (
                "perfect_fit",
                "The law passes through every point up to rounding, so the intervals have no width. "
                "This shows that the points have no visible noise, not that there is none.",
            )
        )
    return warnings


def passes_through(problem: Problem, optimum: Minimum) -> bool:
    """Whether the law passes through every point up to rounding."""
    return optimum.objective <= 1e-24 * float(np.sum(problem.target**2))


def _inflation(problem: Problem) -> float:
    """The largest variance inflation of the log inputs: 1 / (1 - R2) of one on the others."""
    logs = np.log(np.stack(problem.inputs))
    logs = logs[np.ptp(logs, axis=1) > 0]
    if len(logs) < 2:
        return 1.0
    return float(np.diag(np.linalg.pinv(np.corrcoef(logs))).max())


def checklist(
    problem: Problem,
    points: Points,
    optimum: Minimum,
    status: str,
    options: FitOptions,
    weighted: str,
    dropped: Sequence[str],
) -> dict[str, Any]:
    """Everything needed to reproduce and to assess the fit."""
    import scipy

    law, objective = problem.law, problem.objective
    ends = zip(law.parameters, problem.lower, problem.upper, strict=True)
    bounds = {n: f"fixed at {float(a)!r}" if a == b else [float(a), float(b)] for n, a, b in ends}
    return {
        "table": points.table or "not named",
        "where": points.where or "every row",
        "law": f"{law.name}: {law.formula}" + (f" ({law.source})" if law.source else ""),
        "loss": objective.loss,
        "delta": objective.delta,
        "expectile": objective.expectile,
        "residual": objective.residual,
        "weights": weighted,
        "optimiser": "variable projection, Levenberg-Marquardt from a cover of the exponents, polished by QR steps",
        "starts": f"{optimum.starts} tried, {optimum.agreeing} of the best distinct ones agree",
        "bounds": bounds | {name: f"tied to {text}" for name, text in (options.tie or {}).items()},
        "status": status,
        "points_used": problem.target.shape[1],
        "dropped": [*points.dropped, *dropped],
        "columns": {**points.columns, "target": points.target_name},
        "parameter_counting": _counting(points),
        "flop_formula": "as the column train_flops has it"
        if "train_flops" in points.columns.values()
        else "none enters",
        "seed": options.seed,
        "bootstrap": f"{options.bootstrap} refits, {options.method}"
        + (f" by {options.cluster}" if options.cluster else ""),
        "versions": {"scalelaw": __version__, "numpy": np.__version__, "scipy": scipy.__version__},
        "data_hash": points.data_hash,
    }


def _counting(points: Points) -> str:
    columns: Sequence[str] = [c for c in points.columns.values() if c.startswith("n_params")]
    if not columns:
        return "no parameter count enters"
    meaning = COLUMNS.get(columns[0], ("", "", "a column of the table's own"))[2]
    return f"{columns[0]}: {meaning}"
