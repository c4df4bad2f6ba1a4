"""Fits, predictions and comparisons as terminal output (rich; plain when piped or NO_COLOR is set)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scalelaw.cli.show.printer import Printer, label
from scalelaw.cli.show.sparklines import front, slope_axes, slopes
from scalelaw.report.text import format as fmt

_SIDE_BY_SIDE = 4
"""Fits by group that are columns of one table; more are one row each."""
_MOST_GROUPS = 40
"""Rows of fits by group that are printed."""

if TYPE_CHECKING:
    from scalelaw.fit import Comparison, FittedLaw, GroupedFit
    from scalelaw.fit.predictions import Predictions
    from scalelaw.plan import Optimum


def show_fit(fitted: FittedLaw) -> None:
    """The law, its parameters with intervals, how well it fits, its status, and the measured points."""
    out = Printer()
    name = "average of laws" if fitted.law.startswith("average:") else fitted.law
    out.line(bold=name, after=f"   {fitted.formula}")
    units = ", ".join(f"{name} in {unit:g}" for name, unit in fitted.units.items() if unit != 1)
    facts = [f"{fitted.n_points} points", *([units] if units else []), f"law: {fitted.source}"]
    out.line("; ".join(facts), style="dim")
    level = f"{100 * fitted.interval.get('level', 0.95):g}% interval"
    rows = [(name, value, fitted.intervals.get(name)) for name, value in fitted.params.items()]
    if averaged := fitted.law.startswith("average:"):  # the parameters of its members are not shown
        members = (
            (row["law"], fmt.cell(row["aicc"]), fmt.fraction(row["weight"])) for row in fitted.selection
        )
        out.table(("law", "AICc", "weight"), members)
        rows = []
    rows += [(name, entry["value"], entry.get("interval")) for name, entry in fitted.derived.items()]
    if rows:
        settled = {name: f"tied to {text}" for name, text in fitted.ties.items()}
        settled |= {name: "fixed" for name, (low, high) in fitted.bounds.items() if low == high}
        shown = (
            (label, fmt.cell(value), settled.get(label) or fmt.cell_span(interval))
            for label, value, interval in rows
        )
        out.table(("", "value", level), shown)
    levels = [f" ({name} {fitted.loss[name]:g})" for name in ("delta", "expectile") if fitted.loss.get(name)]
    loss = fitted.loss["kind"] + "".join(levels)
    out.line(
        f"objective {fmt.cell(fitted.objective)} ({loss}, {fitted.loss['residual']} residuals)   "
        f"RMSE {fmt.cell(fitted.rmse)}   R2 {fmt.cell(fitted.r2)}   AICc {fmt.cell(fitted.aicc)}"
    )
    if holdout := fitted.holdout:
        out.line(
            f"holdout (largest: {holdout['left_out']}): max absolute error {fmt.cell(holdout['max_abs_error'])}, "
            f"RMSE {fmt.cell(holdout['rmse'])}"
            + (f"; SD of repeated runs {fmt.cell(holdout['repeat_sd'])}" if "repeat_sd" in holdout else "")
            + (" (over all sizes)" if holdout.get("repeat_of") == "all" else "")
        )
    if averaged:
        out.line(f"status {fitted.status}   an average of laws: predictions, no parameters")
    else:
        search = fitted.certificate
        out.line(
            f"status {fitted.status}   local minimum, reached by {search.get('agreeing')} of "
            f"{search.get('descents', search.get('starts'))} descents ({search.get('starts')} starts); "
            f"one more step would lower the objective by {_gap(search.get('gap'))}"
        )
        _show_slopes(out, fitted)


def _show_slopes(out: Printer, fitted: FittedLaw) -> None:
    """The measured points along one input, a row for each value of the other."""
    if plotted := slopes(fitted):
        along, by = (fmt.named(name) for name in slope_axes(fitted))
        out.line(f"measured {fmt.target_of(fitted)} along {along}, one row per {by}:", style="dim")
        out.table(("", "", ""), plotted)


def _gap(gap: Any) -> str:
    """A gap, which is a share of the objective, in percent."""
    return "an unknown share" if gap is None or not float(gap) < float("inf") else f"{100 * float(gap):.2g}%"


def show_predictions(predictions: Predictions) -> None:
    """The predicted error at each place, with both intervals and how far outside the measured range it lies."""
    inputs = [name for name in predictions.places[0] if name not in _PREDICTED]
    level = f"{100 * predictions.level:g}%"
    rows = (
        (
            *(label(place[name]) for name in inputs),
            fmt.cell(place["error"]),
            fmt.cell_span(place["law_interval"]),
            fmt.cell_span(place["run_interval"]),
            ", ".join(f"{name} x {fmt.cell(factor)}" for name, factor in place["extrapolation"].items())
            or "-",
        )
        for place in predictions.places
    )
    columns = (*inputs, predictions.target, f"law {level}", f"new run {level}", "outside measured")
    Printer().table(columns, rows)


_PREDICTED = ("error", "law_interval", "run_interval", "extrapolation")


def show_front(optimum: Optimum) -> None:
    """The Pareto front as bars; without bars on a narrow terminal."""
    out = Printer()
    kind = next(iter(optimum.budget), None) or next(iter(optimum.best["costs"]))
    if not (rows := front(optimum.pareto, kind, units=fmt.units_of({"searched": optimum.searched}))):
        return
    narrow = sum(max(map(len, column)) + 2 for column in zip(*rows, strict=True)) > out.width
    count = 3 if narrow else 4
    target = fmt.target_of_plan({"searched": optimum.searched})
    out.line(f"least {target} at each cost:", style="dim")
    out.table(
        (kind, "model, visual tokens", target, "")[:count],
        [row[:count] for row in rows],
        left=(0, 3),
        keys=2,
    )
    if any(code == "impossible_errors" for code, _ in optimum.warnings):
        out.line(
            "an error is between 0 and 1: the law does not hold where it predicts more or less", style="dim"
        )


def show_changes(data: dict[str, Any]) -> None:
    """The ablation and the influence of each point, where the data contain them."""
    out = Printer()
    if rows := data.get("ablation"):
        out.line(bold="Ablation")
        names = list(rows[0]["params"])
        shown = (
            (
                r["change"],
                str(r["n_points"]),
                *(fmt.cell(r["params"].get(n)) for n in names),
                "?" if r["moved"] is None else ", ".join(r["moved"]) or "-",
            )
            for r in rows
        )
        out.table(("change", "points", *names, "outside its interval"), shown)
        if any(r["moved"] is None for r in rows):
            out.line("? there are no intervals to compare with", style="dim")
    if rows := data.get("influence"):
        out.line(bold="Influence", after=" (the ten most influential points)")
        shown = (
            (str(r["row"]), ", ".join(f"{n} {label(v)}" for n, v in r["inputs"].items()), fmt.cell(r["residual"]),
             f"{r['leverage']:.2f}", fmt.fraction(r["pull"]))
            for r in rows[:10]
        )  # fmt: skip
        out.table(("row", "point", "residual", "leverage", "change of the conclusion"), shown)


def show_groups(grouped: GroupedFit) -> None:
    """One law per group and the test of shared parameters: few groups as columns, many as a summary and rows."""
    out = Printer()
    fits = grouped.groups
    out.line(bold=f"one law per {grouped.by}", after=f"   {_statuses(fits)}")
    if shared := grouped.sharing:
        out.line(shared["words"])
        out.line(
            f"F {fmt.cell(shared['f'])}, p {fmt.cell(shared['p_value'])}; "
            f"AICc shared {fmt.cell(shared['aicc_shared'])}, separate {fmt.cell(shared['aicc_apart'])}"
        )
    names, derived = _names_of(fits)
    if len(fits) <= _SIDE_BY_SIDE:
        rows: list[tuple[str, ...]] = [("points", *(str(f.n_points) for f in fits.values()))]
        rows += [(name, *(_parameter(f, name) for f in fits.values())) for name in (*names, *derived)]
        rows += [
            ("RMSE", *(fmt.cell(f.rmse) for f in fits.values())),
            ("status", *(f.status for f in fits.values())),
        ]
        out.table(("", *fits), rows)
        return
    spread = [(name, *_quartiles(fits, name)) for name in (*names, *derived)]
    out.table(("over all groups", "smallest", "median", "largest"), spread)
    shown = list(fits.items())[:_MOST_GROUPS]
    rows_of_groups = [
        (
            group,
            str(f.n_points),
            *(_value(f, name) for name in (*names, *derived)),
            fmt.cell(f.rmse),
            f.status,
        )
        for group, f in shown
    ]
    out.table((grouped.by, "points", *names, *derived, "RMSE", "status"), rows_of_groups)
    if len(fits) > len(shown):
        out.line(f"and {len(fits) - len(shown)} more groups; --json and -o contain all")


def _statuses(fits: Mapping[str, FittedLaw]) -> str:
    counts: dict[str, int] = {}
    for fitted in fits.values():
        counts[fitted.status] = counts.get(fitted.status, 0) + 1
    kinds = ", ".join(f"{count} {status}" for status, count in sorted(counts.items(), key=lambda c: -c[1]))
    return f"{len(fits)} group{'s' * (len(fits) != 1)}: {kinds}"


def _names_of(fits: Mapping[str, FittedLaw]) -> tuple[list[str], list[str]]:
    """Parameters and derived quantities of any of the fits (the laws of the groups may differ)."""
    names = list(dict.fromkeys(name for f in fits.values() for name in f.params))
    return names, list(dict.fromkeys(name for f in fits.values() for name in f.derived if name not in names))


def _number(fitted: FittedLaw, name: str) -> float | None:
    if name in fitted.params:
        return fitted.params[name]
    value: float | None = fitted.derived.get(name, {}).get("value")
    return value


def _value(fitted: FittedLaw, name: str) -> str:
    return fmt.cell(_number(fitted, name))


def _parameter(fitted: FittedLaw, name: str) -> str:
    interval = fitted.derived.get(name, {}).get("interval")
    span = fmt.cell_span(fitted.intervals.get(name) if name in fitted.params else interval)
    return f"{_value(fitted, name)} ({span})"


def _quartiles(fits: Mapping[str, FittedLaw], name: str) -> tuple[str, str, str]:
    known = sorted(v for f in fits.values() if (v := _number(f, name)) is not None and not math.isnan(v))
    return (
        (fmt.cell(known[0]), fmt.cell(statistics.median(known)), fmt.cell(known[-1]))
        if known
        else ("-", "-", "-")
    )


def show_comparison(comparison: Comparison) -> None:
    """Laws in the order of their extrapolation error, with their weights in the average."""
    out = Printer()
    out.line(f"{comparison.n_points} points; {comparison.residual} residuals; errors are RMSE", style="dim")
    rows = (
        (
            row["law"],
            str(row["n_parameters"]),
            fmt.cell(row["aicc"]),
            fmt.cell(row["leave_one_out"]),
            *(
                fmt.cell((row["leave_largest_out"].get(name) or {}).get("score"))
                for name in comparison.inputs
            ),
            fmt.fraction(row["weight"]),
        )
        for row in comparison.laws
    )
    largest = [f"without largest {name}" for name in comparison.inputs]
    out.table(("law", "parameters", "AICc", "leave one out", *largest, "weight"), rows)
    verdict = "No law is clearly best: --law auto averages them."
    if comparison.winner:
        verdict = f"Best law: {comparison.winner}."
    if comparison.tie:
        verdict = f"Tie: {' and '.join(comparison.tie)} give the same predictions."
    out.line(verdict)
