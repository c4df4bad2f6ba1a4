"""Law selection: `compare` ranks laws by how they extrapolate; `fit_auto` fits the best one, or their average."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.fit.bootstrap import bootstrap
from scalelaw.fit.diagnostics import failed_refits
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.formula_inputs import check_left_side, resolve
from scalelaw.fit.formula_law import SHORTHAND, is_expression, law_names, right_side
from scalelaw.fit.holdout import holdout_warnings, largest, noise
from scalelaw.fit.input_checks import checked_by_caller
from scalelaw.fit.law import Law, make_law
from scalelaw.fit.law_average import average_name
from scalelaw.fit.law_scores import Comparison, weigh
from scalelaw.fit.load_law import load_law
from scalelaw.fit.multistart import Polished, polish
from scalelaw.fit.options import FitOptions, make_options
from scalelaw.fit.pipeline import fit_points
from scalelaw.fit.problem import Task, make_task, read_points
from scalelaw.fit.varpro import Problem, descend
from scalelaw.results.warning import as_warnings
from scalelaw.table.points import Points
from scalelaw.table.read import read_table

Array = np.ndarray
DEGENERATE = ("constant_target", "constant_input", "collinear_inputs")
_ONE_LAW = ("fix", "bounds", "tie", "parameters")


def compare(
    table: Any,
    laws: Sequence[str] | None = None,
    inputs: Mapping[str, str | float] | None = None,
    target: str = "error",
    where: Any = None,
    **options: Any,
) -> Comparison:
    """Compare laws (None: all that have the table's inputs) by AICc, leave-one-out and leave-largest-out.

    table, inputs, target, where and options (loss, residual, weights, tail_weight, ...) as in `fit_law`. residual
    None: log for one input, linear for several. Raises InputError as `fit_law`.
    """
    points, loaded, fit_options = prepare(table, laws, inputs, target, where, make_options(options))
    return weigh(points, loaded, fit_options)


def prepare(
    table: Any,
    laws: Sequence[str] | None,
    inputs: Mapping[str, str | float] | None,
    target: str,
    where: Any,
    options: FitOptions,
) -> tuple[Points, list[Law], FitOptions]:
    """The points, the candidate laws and the options, checked."""
    for name in _ONE_LAW:
        if getattr(options, name):
            raise InputError(
                f"'{name}' applies to the parameters of one law, and several laws are compared.",
                code="bad_option",
                hint="Name one law.",
            )
    frame = read_table(table)
    names = candidates(frame, inputs or {}) if laws is None else tuple(laws)
    if not names:
        raise InputError(
            "There is no law to compare.", code="unknown_law", hint="Name laws, or leave `laws` out for all."
        )
    explained = next(iter(options.score or ()), target)
    for name in names:
        if is_expression(name, [*map(str, frame.columns), *(inputs or ())]):
            check_left_side(name, frame, "error" if options.score else target)
    loaded, mapping, notes = _laws(names, frame, inputs or {}, explained)
    units = {name: unit for law in reversed(loaded) for name, unit in law.units.items()}
    points = read_points(frame, replace(loaded[0], units=units), mapping, target, where, options)
    points = replace(points, warnings=(*notes, *points.warnings))
    if options.residual is None:
        residual = "log" if len(units) == 1 and (points.target > 0).all() else "linear"
        options = replace(options, residual=residual)
    return points, loaded, options


def _laws(
    names: Sequence[str], frame: Any, inputs: Mapping[str, str | float], target: str
) -> tuple[list[Law], dict[str, str | float], list[tuple[str, str]]]:
    """The laws by name, the column (or number) of each input, and warnings about names of formulas.

    A letter of a formula is the input that the other laws have in its place: N is n_params where both are one column.
    Raises InputError as `load_law` and `resolve` do.
    """
    columns = [*map(str, frame.columns), *inputs]
    letters = {long: letter for letter, long in SHORTHAND.items()}
    loaded: list[Law] = []
    mapping: dict[str, str | float] = {}
    warnings: list[tuple[str, str]] = []
    typed: set[str] = set()
    for name in dict.fromkeys(names):
        if not is_expression(name, columns):
            loaded.append(load_law(name))
            continue
        used = right_side(name).names
        mine = {n: column for n, column in inputs.items() if n in used or letters.get(n) in used}
        resolved = resolve(name, frame, mine, target)
        shared = {_shared_name(n, column, inputs): column for n, column in resolved.inputs.items()}
        warnings += [warning for warning in resolved.warnings if warning not in warnings]
        loaded.append(make_law(name, law_names(name, shared)))
        mapping |= shared
        typed |= {*used, *mine}
    named = {n for law in loaded if law.source != "typed" for n in law.inputs}
    others = {n: column for n, column in inputs.items() if n in named or n not in typed}
    return loaded, mapping | others, warnings


def _shared_name(name: str, column: str | float, inputs: Mapping[str, str | float]) -> str:
    """The name of a formula's input beside other laws: N is n_params where that is read from the same column."""
    long = SHORTHAND.get(name, name)
    return long if column == inputs.get(long, long) else name


@lru_cache(maxsize=1)
def _bundled_laws() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(name, inputs) of every plug-in law, and of the variants that its file lists in `compared`."""
    laws = []
    for name in plugins.names("laws"):
        more = getattr(plugins.load("laws", name), "compared", ())
        laws += [(n, load_law(n).inputs) for n in (name, *(f"{name}:{v}" for v in more))]
    return tuple(laws)


def candidates(frame: Any, inputs: Mapping[str, str | float]) -> tuple[str, ...]:
    """The laws whose inputs the table has.

    Of all sets of inputs that include `inputs`, the preferred one varies in every input, is the smallest, and has the
    most laws. Raises InputError where there is none.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, needed in _bundled_laws():
        groups.setdefault(needed, []).append(name)

    def values(name: str) -> int:
        column = inputs.get(name, name)
        if not isinstance(column, str):
            return 1
        return int(frame[column].nunique()) if column in frame else 0

    fitting = [g for g in groups if set(inputs) <= set(g) and all(values(name) for name in g)]
    if not fitting:
        raise InputError(
            "No law has all of its inputs in the table.",
            code="missing_column",
            hint="Map the inputs to columns, for example inputs={'x': 'COLUMN'} for a learning curve.",
        )
    fitting.sort(key=lambda g: (any(values(n) < 2 for n in g), len(g), -len(groups[g])))
    return tuple(groups[fitting[0]])


def fit_auto(
    table: Any,
    inputs: Mapping[str, str | float] | None,
    target: str,
    where: Any,
    laws: Sequence[str] | None,
    options: FitOptions,
) -> FittedLaw:
    """Fit the law that extrapolates best, or the average of laws where none wins clearly.

    Arguments as in `compare`; its rows are in `selection` of the result. Raises InputError as `compare`.
    """
    points, loaded, fit_options = prepare(table, laws, inputs, target, where, options)
    return _fit(points, loaded, fit_options)


def _fit(points: Points, laws: Sequence[Law], options: FitOptions) -> FittedLaw:
    began = time.perf_counter()
    compared = weigh(points, laws, options)
    if len(compared.members) > 1:
        degenerate = any(code in DEGENERATE for code, _ in compared.warnings)
        member_options = replace(options, holdout=None, bootstrap=0 if degenerate else options.bootstrap)
        fitted = _average(points, compared, member_options, "not_identified" if degenerate else "identified")
    else:
        member = compared.members[0][0] if compared.members else None
        law = member.law if member else min(laws, key=lambda law: len(law.parameters))
        tail = (
            options.tail_weight
            if isinstance(options.tail_weight, Mapping) or not member
            else member.tail_weight
        )
        fitted = fit_points(points, law, replace(options, tail_weight=tail, holdout=None))
    holdout = {} if options.holdout is None else _hold_out(points, laws, options)
    return replace(
        fitted,
        selection=[dict(row) for row in compared.laws],
        holdout=holdout,
        warnings=as_warnings(
            dict.fromkeys([*fitted.warnings, *compared.warnings, *holdout_warnings(holdout)])
        ),
        certificate={**fitted.certificate, "seconds": time.perf_counter() - began},
    )


def _average(points: Points, compared: Comparison, options: FitOptions, status: str) -> FittedLaw:
    """The members' fits to all points, combined into one law."""
    space = "log" if compared.residual == "log" else "linear"
    name = average_name(space, [(m.law.name, m.tail_weight) for m, _ in compared.members])
    law = load_law(name, compared.inputs)
    weights = np.array([weight for _, weight in compared.members])
    tasks, ends = [], []
    for member, _ in compared.members:
        own = (
            options
            if isinstance(options.tail_weight, Mapping)
            else replace(options, tail_weight=member.tail_weight)
        )
        task = make_task(points, member.law, own)
        reached = descend(task.problem, member.parameters[:, None], tolerance=1e-11, steps=40).parameters[
            :, 0
        ]
        tasks.append(task)
        with np.errstate(all="ignore"):
            ends.append(polish(task.problem, reached, steps=5))
    whole = np.concatenate([weights, *(end.parameters for end in ends)])
    parameters = dict(zip(law.parameters, map(float, whole), strict=True))
    plain = replace(options, bootstrap=0, interval="percentile")
    base = fit_points(points, compared.members[0][0].law, plain)
    inputs = law.scale(base.points["inputs"])
    value, measured = law.value(inputs, whole[:, None])[0], base.points["target"]
    objective, weight = tasks[0].problem.objective, base.points["weight"]
    total = objective.total(objective.residuals(value, measured), 1.0 if weight is None else weight)
    drawn, failed = _draws(tasks, ends, weights, law, whole, options)
    spread = float(np.sum((measured - measured.mean()) ** 2))
    names = [row["law"] for row in compared.laws if row["weight"] > 0]
    lead = f"{compared.winner} wins clearly" if compared.winner else "No law wins clearly"
    if compared.tie:
        lead = f"{' and '.join(compared.tie)} predict the same"
    certificate = _certificate(ends)
    if not np.isfinite(certificate["gap"]):
        status = "not_converged"
    return replace(
        base,
        law=name,
        formula=law.formula,
        source=law.source,
        inputs=list(law.inputs),
        units=dict(law.units),
        params=parameters,
        bounds=dict(law.bounds),
        intervals=dict.fromkeys(parameters, (np.nan, np.nan)),
        interval={"level": options.level, "method": "of predictions only: each draw is of one member"},
        objective=float(total),
        rmse=float(np.sqrt(np.mean((value - measured) ** 2))),
        r2=1 - float(np.sum((value - measured) ** 2)) / spread if spread > 0 else float("nan"),
        aicc=float("nan"),
        status=status,
        certificate=certificate,
        derived={},
        checklist=base.checklist
        | {
            "law": f"{name}: {law.formula}",
            "optimiser": "every member by variable projection from a cover of its exponents, polished by QR steps",
            "starts": "the best places of a cover, shared by all windows of a law",
            "bounds": "of each law",
            "status": status,
            "weights": "of each member, its tail weight",
            "bootstrap": f"{options.bootstrap} refits, {options.method}, shared among the members by weight",
        },
        warnings=as_warnings(
            [
                *points.warnings,
                (
                    "averaged",
                    f"{lead}: predictions are averaged over {len(weights)} fits of {', '.join(names)}. "
                    f"Do not interpret single parameters of an average.",
                ),
                *failed_refits(failed, options.bootstrap),
                *_unconverged(status),
            ]
        ),
        draws=drawn,
    )


def _unconverged(status: str) -> list[tuple[str, str]]:
    if status != "not_converged":
        return []
    return [
        (
            "not_converged",
            "A member of the average has no finite derivative where its search stopped. Compare other laws, or more "
            "points.",
        )
    ]


def _certificate(ends: Sequence[Polished]) -> dict[str, Any]:
    """The largest gap of the members; `agreeing` counts those with a gap below 1e-6."""
    gaps = [
        end.predicted_decrease / end.objective if end.predicted_decrease > end.resolution else 0.0
        for end in ends
    ]
    return {
        "scope": "local",
        "gap": float(max(gaps)),
        "starts": len(ends),
        "descents": len(ends),
        "agreeing": sum(gap < 1e-6 for gap in gaps),
        "gradient_norm": float(max(end.gradient_norm for end in ends)),
    }


def _draws(
    tasks: Sequence[Task],
    ends: Sequence[Polished],
    weights: Array,
    law: Law,
    whole: Array,
    options: FitOptions,
) -> tuple[dict[str, Array], int]:
    """Bootstrap refits, each of one member drawn by weight (its weight is 1 in that draw), and how many failed."""
    rng = np.random.default_rng(options.seed)
    counts = rng.multinomial(options.bootstrap, weights)
    first, failed, blocks = len(weights), 0, []
    for k, (task, end, count) in enumerate(zip(tasks, ends, counts, strict=True)):
        size = len(end.parameters)
        noise = task.weights.noise[task.rows]
        refits = bootstrap(
            task.problem, end.parameters, int(count), options.method, rng, noise, task.clusters
        )
        drawn, failed = refits.parameters, failed + refits.failed
        block = np.repeat(whole[:, None], drawn.shape[1], axis=1)
        block[: len(weights)] = 0.0
        block[k] = 1.0
        block[first : first + size] = drawn
        first += size
        blocks.append(block)
    every = np.concatenate(blocks, axis=1)
    every = every[:, rng.permutation(every.shape[1])]
    return dict(zip(law.parameters, every, strict=True)), failed


def _hold_out(points: Points, laws: Sequence[Law], options: FitOptions) -> dict[str, Any]:
    """Select and fit again without the largest points, and predict them."""
    rule = str(options.holdout)
    law = laws[0]
    hidden, words = largest(Problem(law, law.scale(points.inputs), points.target[None]), rule)
    rest = replace(
        points,
        inputs={name: values[~hidden] for name, values in points.inputs.items()},
        target=points.target[~hidden],
        target_se=points.target_se[~hidden],
        rows=points.rows[~hidden],
        warnings=(),
    )
    fitted = _fit(rest, laws, replace(options.of_rows(~hidden), holdout=None, bootstrap=0))
    with checked_by_caller():
        predicted = fitted.predict(**{name: values[hidden] for name, values in points.inputs.items()})
    measured = points.target[hidden]
    miss = predicted - measured
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(miss) / measured
    return {
        "rule": rule,
        "left_out": words,
        "n_fitted": int((~hidden).sum()),
        "n_predicted": int(hidden.sum()),
        "status": fitted.status,
        "why": [
            words
            for code, words in fitted.warnings
            if fitted.status.startswith("not_") and code != "averaged"
        ],
        "max_abs_error": float(np.max(np.abs(miss))),
        "rmse": float(np.sqrt(np.mean(miss**2))),
        "max_rel_error": float(np.max(relative)),
        "mean_rel_error": float(np.mean(relative)),
        "params": fitted.params,
        "predicted": predicted.tolist(),
        "measured": measured.tolist(),
        **noise(points.rows, hidden, points.target_name),
    }
