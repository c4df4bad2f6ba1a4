"""`fit_law`: fit one law, or the best of several, to a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scalelaw.errors import InputError, typed
from scalelaw.fit.fitted import FittedLaw
from scalelaw.laws import DEFAULT


@typed(
    table=("str", "Path", "DataFrame", "Table", "stream"), law=("str",), inputs=("None", "Mapping of text or numbers"),
    target=("str",), where=("None", "str", "paths", "Mapping"), laws=("None", "paths", "set"), loss=("str",),
    delta=("None", "int", "float"), residual=("None", "str"), expectile=("None", "int", "float"),
    fix=("None", "Mapping of numbers"), bounds=("None", "Mapping of pairs of numbers"),
    tie=("None", "Mapping of text"), parameters=("None", "Parameters"),
    weights=("None", "str", "list", "tuple", "ndarray", "Series"),
    tail_weight=("int", "float", "Mapping of numbers"), score=("None", "Mapping of numbers"),
    scale=("None", "Mapping of numbers"), as_is=("bool",), bootstrap=("int",), seed=("int",),
    resample=("None", "str"), cluster=("None", "str"), interval=("str",), level=("int", "float"),
    holdout=("None", "str"), starts=("None", "int"),
)  # fmt: skip
def fit_law(
    table: Any,
    law: str = DEFAULT,
    inputs: Mapping[str, str | float] | None = None,
    target: str = "error",
    where: Any = None,
    *,
    laws: Sequence[str] | None = None,
    loss: str = "squared",
    delta: float | None = None,
    residual: str | None = None,
    expectile: float | None = None,
    weights: Any = None,
    tail_weight: float | Mapping[str, float] = 0.0,
    fix: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    tie: Mapping[str, str] | None = None,
    parameters: Any = None,
    bootstrap: int = 1000,
    seed: int = 0,
    resample: str | None = None,
    cluster: str | None = None,
    interval: str = "percentile",
    level: float = 0.95,
    holdout: str | None = None,
    starts: int | None = None,
    score: Mapping[str, float] | None = None,
    scale: Mapping[str, float] | None = None,
    as_is: bool = False,
) -> FittedLaw:
    """Fit a law to the points of a table.

    Args:
        table: a DataFrame, a path or a bundled name.
        law: a name, the path of a law file, a formula (`E + A*N**-alpha`), or `auto`: the law of `laws` (None: all
            whose inputs the table has) that extrapolates best, or their average where none wins clearly.
        inputs: input of the law -> column, or a number that is the same for all points.
        target: the column to explain.
        where: `column=value` terms that the fitted rows must all satisfy.
        loss: `squared`; `huber`, quadratic up to `delta` (default 1e-3); or `expectile`, with weight `expectile`
            (default 0.1) for points above the law.
        residual: `linear` (y - f) or `log` (ln y - ln f). None: linear; for `auto` with one input, log.
        weights: `error_se` (1 / se^2, of ln y for log residuals), a column, or n numbers.
        tail_weight: gamma of the weights (first input)^gamma, or input -> gamma.
        fix: parameter -> value.
        bounds: parameter -> (low, high).
        tie: parameter -> formula of other parameters.
        parameters: an lmfit.Parameters that fixes, bounds or ties parameters.
        bootstrap: number of bootstrap refits for the intervals, 0 for none.
        seed: of the bootstrap.
        resample: `wild`, `neighbour`, `residual`, `case` or `cluster`. None: the method with the best coverage for
            this loss.
        cluster: the column that groups dependent rows.
        interval: `percentile` (widened by t / z; the default), `bca` (covers exponents less often than its level) or
            `profile`.
        level: of the intervals.
        holdout: `largest` or `largest:INPUT`: also fit without the largest, and predict it.
        starts: number of starting points of the exponents; None: as many as they need.
        score: {column: maximum}: the target is 1 - column / maximum, instead of `target`.
        scale: {column: factor}: columns are multiplied before the fit, n_params by 1e9 for a table in billions.
            `where` is compared with the values in the table.
        as_is: fit a target that looks like a score, and values whose unit looks wrong, unchanged.

    Raises:
        InputError: for a table that cannot be read, and for options that are unknown or do not apply.
    """
    # here, so that who plans with a saved fit reads no tables and loads no pandas
    from scalelaw.fit.options import FitOptions
    from scalelaw.fit.pipeline import fit_points
    from scalelaw.fit.problem import opening

    options = FitOptions(
        loss=loss,
        delta=delta,
        residual=residual,
        expectile=expectile,
        weights=weights,
        tail_weight=tail_weight,
        fix=fix,
        bounds=bounds,
        tie=tie,
        parameters=parameters,
        bootstrap=bootstrap,
        seed=seed,
        resample=resample,
        cluster=cluster,
        interval=interval,
        level=level,
        holdout=holdout,
        starts=starts,
        score=score,
        scale=scale,
        as_is=as_is,
    )
    if law == "auto":
        # here, as a fit of one law compares nothing
        from scalelaw.fit.law_selection import fit_auto

        return fit_auto(table, inputs, target, where, laws, options)
    if laws is not None:
        raise InputError(
            f"`laws` applies to the law auto only; the law is '{law}'.",
            code="bad_option",
            hint="Set the law to auto, or leave `laws` out.",
        )
    return fit_points(*opening(table, law, inputs, target, where, options))
