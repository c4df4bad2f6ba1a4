"""fit_law: a table and a law in, a fitted law out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scalelaw.errors import InputError, typed
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.law_selection import fit_auto
from scalelaw.fit.pipeline import fit_points
from scalelaw.fit.problem import opening


@typed(
    table=("str", "Path", "DataFrame", "stream"), law=("str",), inputs=("None", "Mapping of text or numbers"),
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
    law: str = "product_power",
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
    """Fit a law to a table's points.

    table: a DataFrame, a path or a bundled name.
    law: a name, a law file's path, a formula (`E + A*N**-alpha`), or `auto`: the law of `laws` (None: all that have
        the table's inputs) that extrapolates best, or their average where none wins clearly.
    inputs: the law's input -> a column, or a number that is the same for all points.
    target: the column to explain. where: `column=value` terms, all of which must hold.
    loss: `squared`; `huber`, quadratic up to `delta` (default 1e-3); `expectile`, with weight `expectile` (default 0.1)
        for points above the law.
    residual: `linear` (y - f) or `log` (ln y - ln f). None: linear; for `auto` with one input, log.
    weights: `error_se` (1 / se^2, of ln y for log residuals), a column, or n numbers.
    tail_weight: gamma of the weights (first input)^gamma, or input -> gamma.
    fix: parameter -> value. bounds: parameter -> (low, high). tie: parameter -> formula of others. parameters: an
        lmfit.Parameters that says the same.
    bootstrap: refits for the intervals, 0 for none. seed: theirs.
    resample: `wild`, `neighbour`, `residual`, `case` or `cluster`. None: what was seen to cover for this loss.
    cluster: the column that says which rows belong together.
    interval: `percentile` (widened by t / z; the default, for it covers), `bca` (covers exponents in fewer cases than
        it says) or `profile`. level: of the intervals.
    holdout: `largest` or `largest:INPUT`: fit without the largest as well, and predict it.
    starts: places where the search for the exponents begins; None: as many as they need.
    score: {column: maximum}: the target is 1 - column / maximum, in place of `target`.
    scale: {column: factor}: columns are multiplied before the fit, n_params by 1e9 for a table in billions. `where`
        is compared with the values in the table.
    as_is: fit a target that looks like a score, and values whose unit looks wrong, unchanged.

    Raises InputError for what cannot be read or asked.
    """
    asked = {
        "loss": loss,
        "delta": delta,
        "residual": residual,
        "expectile": expectile,
        "weights": weights,
        "tail_weight": tail_weight,
        "fix": fix,
        "bounds": bounds,
        "tie": tie,
        "parameters": parameters,
        "bootstrap": bootstrap,
        "seed": seed,
        "resample": resample,
        "cluster": cluster,
        "interval": interval,
        "level": level,
        "holdout": holdout,
        "starts": starts,
        "score": score,
        "scale": scale,
        "as_is": as_is,
    }
    if law == "auto":
        return fit_auto(table, inputs, target, where, laws, **asked)
    if laws is not None:
        raise InputError(
            f"Laws to choose among are for the law auto, and the law is '{law}'.",
            code="bad_option",
            hint="Ask for the law auto, or leave them out.",
        )
    return fit_points(*opening(table, law, inputs, target, where, asked))
