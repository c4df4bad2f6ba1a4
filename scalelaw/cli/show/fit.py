"""Answers as words and tables for a terminal (rich; plain when piped or NO_COLOR is set). It computes nothing."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scalelaw.cli.show.printer import Printer
from scalelaw.cli.show.sparklines import front, slope_axes, slopes
from scalelaw.report.text import format as fmt

_BESIDE = 4
"""Fits by group that stand beside each other; more are a row each."""
_MOST_GROUPS = 40
"""Rows of fits by group that are printed."""
_MOST_DOUBTS = 12
_MOST_ROWS, _MOST_COLUMNS = 60, 60
"""Rows and columns of a table's grid that are printed."""

if TYPE_CHECKING:
    from scalelaw.fit import Comparison, FittedLaw, GroupedFit
    from scalelaw.fit.predictions import Predictions
    from scalelaw.plan import Optimum
    from scalelaw.table.coverage import Coverage


def show_fit(fitted: FittedLaw) -> None:
    """The law, its parameters with intervals, how well it fits, and what of it may be believed."""
    out = Printer()
    name = "average of laws" if fitted.law.startswith("average:") else fitted.law
    out.line(bold=name, after=f"   {fitted.formula}")
    units = ", ".join(f"{name} in {unit:g}" for name, unit in fitted.units.items() if unit != 1)
    facts = [f"{fitted.n_points} points", *([units] if units else []), f"source: {fitted.source}"]
    out.line("; ".join(facts), style="dim")
    level = f"{100 * fitted.interval.get('level', 0.95):g} % interval"
    rows = [(name, value, fitted.intervals.get(name)) for name, value in fitted.params.items()]
    if averaged := fitted.law.startswith("average:"):  # its members' parameters are many, and no finding
        members = ((row["law"], short(row["aicc"]), percent(row["weight"])) for row in fitted.selection)
        out.table(("law", "AICc", "weight"), members)
        rows = []
    rows += [(name, held["value"], held.get("interval")) for name, held in fitted.derived.items()]
    if rows:
        settled = {name: f"tied to {text}" for name, text in fitted.ties.items()}
        settled |= {name: "fixed" for name, (low, high) in fitted.bounds.items() if low == high}
        shown = (
            (label, short(value), settled.get(label) or _span(interval)) for label, value, interval in rows
        )
        out.table(("", "value", level), shown)
    if plotted := slopes(fitted):
        along, by = (fmt.named(name) for name in slope_axes(fitted))
        out.line(f"measured {fmt.target_of(fitted)} along {along}, a row for each {by}:", style="dim")
        out.table(("", "", ""), plotted)
    levels = [f" ({name} {fitted.loss[name]:g})" for name in ("delta", "expectile") if fitted.loss.get(name)]
    loss = fitted.loss["kind"] + "".join(levels)
    out.line(
        f"objective {fitted.objective:.6g} ({loss}, {fitted.loss['residual']} residuals)   RMSE {fitted.rmse:.4g}   "
        f"R2 {short(fitted.r2)}   AICc {short(fitted.aicc)}"
    )
    if held := fitted.holdout:
        out.line(
            f"without the largest ({held['left_out']}), predicted: largest error {short(held['max_abs_error'])}, "
            f"root mean square {short(held['rmse'])}"
            + (f"; runs alike scatter by {short(held['repeat_sd'])}" if "repeat_sd" in held else "")
            + (" (over all sizes)" if held.get("repeat_of") == "all" else "")
        )
    if averaged:
        out.line(f"status {fitted.status}   an average of laws: predictions, no parameters")
        return
    held = fitted.certificate
    out.line(
        f"status {fitted.status}   {held.get('starts')} starts searched, the best {held.get('agreeing')} agree"
        f"; a further polish could lower the objective by {_share(held.get('gap'))}"
    )


def _share(gap: Any) -> str:
    """A gap, which is a share of the objective, in percent."""
    return "an unknown share" if gap is None or not float(gap) < float("inf") else f"{100 * float(gap):.2g} %"


def show_predictions(predictions: Predictions) -> None:
    """The predicted error at each place, with both intervals and how far outside the measured range it lies."""
    inputs = [name for name in predictions.places[0] if name not in _PREDICTED]
    level = f"{100 * predictions.level:g}%"
    rows = (
        (
            *(_label(place[name]) for name in inputs),
            short(place["error"]),
            _span(place["law_interval"]),
            _span(place["run_interval"]),
            ", ".join(f"{name} x {short(factor)}" for name, factor in place["extrapolation"].items()) or "-",
        )
        for place in predictions.places
    )
    columns = (*inputs, predictions.target, f"law {level}", f"new run {level}", "outside measured")
    Printer().table(columns, rows)


_PREDICTED = ("error", "law_interval", "run_interval", "extrapolation")


def show_front(optimum: Optimum) -> None:
    """The least error at each cost as bars; where the terminal is narrow, the numbers without them."""
    out = Printer()
    kind = next(iter(optimum.budget), None) or next(iter(optimum.best["costs"]))
    if not (rows := front(optimum.pareto, kind)):
        return
    narrow = sum(max(map(len, column)) + 2 for column in zip(*rows, strict=True)) > out.width
    count = 3 if narrow else 4
    out.line("least error at each cost:", style="dim")
    out.table(
        (kind, "model, visual tokens", "error", "")[:count],
        [row[:count] for row in rows],
        left=(0, 3),
        keys=2,
    )
    if any(code == "impossible_errors" for code, _ in optimum.warnings):
        out.line("errors outside 0 to 1 cannot be: there the law does not hold", style="dim")


def show_changes(data: dict[str, Any]) -> None:
    """What moves under other choices, and the points that move most, where they were asked for."""
    out = Printer()
    if rows := data.get("ablation"):
        out.line(bold="Under other choices")
        names = list(rows[0]["params"])
        shown = (
            (
                r["change"],
                str(r["n_points"]),
                *(short(r["params"].get(n)) for n in names),
                "?" if r["moved"] is None else ", ".join(r["moved"]) or "-",
            )
            for r in rows
        )
        out.table(("change", "points", *names, "leaves its interval"), shown)
        if any(r["moved"] is None for r in rows):
            out.line("? no intervals to compare with: there is nothing to leave", style="dim")
    if rows := data.get("influence"):
        out.line(bold="Without one point", after=" (the ten that move most)")
        shown = (
            (str(r["row"]), ", ".join(f"{n} {_label(v)}" for n, v in r["inputs"].items()), short(r["residual"]),
             f"{r['leverage']:.2f}", percent(r["pull"]))
            for r in rows[:10]
        )  # fmt: skip
        out.table(("row", "point", "residual", "leverage", "moves the conclusion by"), shown)


def show_groups(grouped: GroupedFit) -> None:
    """One law a group, and whether they may share parameters: a summary, then a few groups side by side, or a row for
    each of many."""
    out = Printer()
    fits = grouped.groups
    out.line(bold=f"one law for each {grouped.by}", after=f"   {_statuses(fits)}")
    if shared := grouped.sharing:
        out.line(shared["words"])
        out.line(
            f"F {short(shared['f'])}, p {short(shared['p_value'])}; AICc shared {short(shared['aicc_shared'])}, "
            f"apart {short(shared['aicc_apart'])}"
        )
    names, derived = _names_of(fits)
    if len(fits) <= _BESIDE:
        rows: list[tuple[str, ...]] = [("points", *(str(f.n_points) for f in fits.values()))]
        rows += [(name, *(_parameter(f, name) for f in fits.values())) for name in (*names, *derived)]
        rows += [
            ("RMSE", *(short(f.rmse) for f in fits.values())),
            ("status", *(f.status for f in fits.values())),
        ]
        out.table(("", *fits), rows)
        return
    spread = [(name, *_quartiles(fits, name)) for name in (*names, *derived)]
    out.table(("over all groups", "smallest", "median", "largest"), spread)
    shown = list(fits.items())[:_MOST_GROUPS]
    listed = [
        (group, str(f.n_points), *(_value(f, name) for name in (*names, *derived)), short(f.rmse), f.status)
        for group, f in shown
    ]
    out.table((grouped.by, "points", *names, *derived, "RMSE", "status"), listed)
    if len(fits) > len(shown):
        out.line(f"and {len(fits) - len(shown)} more groups; all are in --json and in the file of -o")


def _statuses(fits: Mapping[str, FittedLaw]) -> str:
    counts: dict[str, int] = {}
    for fitted in fits.values():
        counts[fitted.status] = counts.get(fitted.status, 0) + 1
    kinds = ", ".join(f"{count} {status}" for status, count in sorted(counts.items(), key=lambda c: -c[1]))
    return f"{len(fits)} group{'s' * (len(fits) != 1)}: {kinds}"


def _names_of(fits: Mapping[str, FittedLaw]) -> tuple[list[str], list[str]]:
    """Parameters and derived quantities of any of the fits (groups may have chosen other laws)."""
    names = list(dict.fromkeys(name for f in fits.values() for name in f.params))
    return names, list(dict.fromkeys(name for f in fits.values() for name in f.derived if name not in names))


def _number(fitted: FittedLaw, name: str) -> float | None:
    if name in fitted.params:
        return fitted.params[name]
    value: float | None = fitted.derived.get(name, {}).get("value")
    return value


def _value(fitted: FittedLaw, name: str) -> str:
    return short(_number(fitted, name))


def _parameter(fitted: FittedLaw, name: str) -> str:
    interval = fitted.derived.get(name, {}).get("interval")
    span = _span(fitted.intervals.get(name) if name in fitted.params else interval)
    return f"{_value(fitted, name)} ({span})"


def _quartiles(fits: Mapping[str, FittedLaw], name: str) -> tuple[str, str, str]:
    known = sorted(v for f in fits.values() if (v := _number(f, name)) is not None and not math.isnan(v))
    return (short(known[0]), short(statistics.median(known)), short(known[-1])) if known else ("-", "-", "-")


def show_comparison(found: Comparison) -> None:
    """Laws, the best first, by how they extrapolate; the weight each has in their average."""
    out = Printer()
    out.line(
        f"{found.n_points} points; {found.residual} residuals; errors are root mean squares", style="dim"
    )
    rows = (
        (
            row["law"],
            str(row["n_parameters"]),
            short(row["aicc"]),
            short(row["leave_one_out"]),
            *(short((row["leave_largest_out"].get(name) or {}).get("score")) for name in found.inputs),
            percent(row["weight"]),
        )
        for row in found.laws
    )
    largest = [f"largest {name} left out" for name in found.inputs]
    out.table(("law", "parameters", "AICc", "one left out", *largest, "weight"), rows)
    verdict = f"{found.winner} wins." if found.winner else "No law wins clearly: --law auto averages them."
    if found.tie:
        verdict = f"A tie: {' and '.join(found.tie)} predict the same."
    out.line(verdict)


def show_coverage(found: Coverage) -> None:
    """How many rows stand in each cell of a table's grid, what is missing, and where it comes from."""
    out = Printer()
    out.line(bold=found.table or "table", after=f"   {found.title}".rstrip())
    chosen = ", ".join(f"{column}={value}" for column, value in found.where.items())
    out.line(
        f"{found.n_rows} rows{f' with {chosen}' if chosen else ''}; {found.standard_errors} with a standard error",
        style="dim",
    )
    if found.repeat_sd is not None:
        out.line(
            f"runs alike but for their seed scatter by {short(found.repeat_sd)} "
            f"({found.repeat_freedom} degrees of freedom)",
            style="dim",
        )
    rows = [
        (_label(value), *(str(count or "-") for count in counts[:_MOST_COLUMNS]))
        for value, counts in zip(found.row_values[:_MOST_ROWS], found.counts, strict=False)
    ]
    out.table((f"{found.rows} by {found.along}", *map(_label, found.along_values[:_MOST_COLUMNS])), rows)
    cut = [
        f"{len(values) - most} more of {name}"
        for name, values, most in (
            (found.rows, found.row_values, _MOST_ROWS),
            (found.along, found.along_values, _MOST_COLUMNS),
        )
        if len(values) > most
    ]
    if cut:
        out.line(f"and {' and '.join(cut)}; all are in --json", style="dim")
    cells = sum(bool(count) for line in found.counts for count in line)
    rarer = [f"{name} ({held} of {cells})" for name, held in found.benchmarks.items() if held < cells]
    if rarer:
        out.line(
            f"not in every measured cell: {_some(rarer, 6)}; means over all benchmarks do not compare there"
        )
    missing = ", ".join(f"{_label(row)} at {_label(column)}" for row, column in found.missing[:12])
    more = f" and {len(found.missing) - 12} more" if len(found.missing) > 12 else ""
    left = f"{found.unfinished} cells of the sweep have no result yet" if found.unfinished else ""
    out.line(f"missing: {'; '.join(filter(None, (missing + more, left))) or 'nothing'}")
    for name, text in (("source", found.citation or _some(found.sources)), ("licence", found.licence)):
        if text:
            out.line(f"{name}: {text}")
    for doubt in found.doubts[:_MOST_DOUBTS]:
        out.line(f"doubt: {doubt}")
    if len(found.doubts) > _MOST_DOUBTS:
        out.line(f"doubt: and {len(found.doubts) - _MOST_DOUBTS} more like these; all are in --json")


def show_pairs(found: Any, by: str, baseline: str) -> None:
    """A paired comparison (`fit.pairs.paired`): errors, differences to the baseline, intervals, adjusted p."""
    out = Printer()
    within = list(found.columns[: found.columns.get_loc(by)])
    out.line(
        bold=by,
        after=f": error, and its difference to {baseline} pair by pair (below 0 is better); 95 % t intervals; "
        "p of a paired t test, adjusted within each group (Holm)",
    )
    rows = []
    for row in found.to_dict("records"):
        note = f" ({row['plateaus']} stuck)" if row["plateaus"] else ""
        rows.append((
            ", ".join(_label(row[key]) for key in within), f"{row[by]}{note}", str(row["n"]), short(row["error"]),
            _span([row["error_lo"], row["error_hi"]]), short(row["difference"]),
            _span([row["difference_lo"], row["difference_hi"]]), short(row["p_holm"]),
        ))  # fmt: skip
    out.table((" ".join(within), by, "pairs", "error", "", "difference", "", "p"), rows, keys=2)


def show_doctor(found: dict[str, Any]) -> None:
    """What is installed, what each missing extra would give, devices and schedulers."""
    out = Printer()
    out.line(bold=f"scalelaw {found['scalelaw']}", after=f"   Python {found['python']}, {found['platform']}")
    out.table(("package", "version"), found["packages"].items(), left=(0, 1))
    out.line(bold="Extras")
    rows = (
        (e["package"], "installed" if e["installed"] else e["install"], e["gives"]) for e in found["extras"]
    )
    out.table(("package", "", "gives"), rows, left=(0, 1, 2))
    devices = [f"{d['name']} ({d['memory_gb']:.0f} GB)" for d in found["devices"]]
    out.line(f"devices: {', '.join(devices) or 'no accelerator; sweeps train on the processor'}")
    out.line(f"cores: {found['cores']}")
    absent = {
        "slurm": "no sbatch on the path",
        "ray": "no address in RAY_ADDRESS; --executor ray starts one here",
    }
    for name, where in found["schedulers"].items():
        out.line(f"{name}: {where or absent[name]}")


def show_cells(planned: Any) -> None:
    """The cells of an experiment with their predicted training FLOPs, and where they are known memory and hours."""
    out = Printer()
    known = [name for name in ("memory_gb", "hours") if all(name in c for c in planned.cells)]
    rows = (
        (
            c["cell"],
            c["llm"],
            c["compressor"],
            str(c["visual_tokens"]),
            str(c["seed"]),
            "not known" if c["train_flops"] is None else f"{c['train_flops']:.3g}",
            *(f"{c[name]:.3g}" for name in known),
            "done" if c["done"] else "to run",
        )
        for c in planned.cells
    )
    header = ("cell", "llm", "compressor", "visual tokens", "seed", "train FLOPs")
    units = {"memory_gb": "GB a GPU", "hours": "hours"}
    out.table((*header, *(units[name] for name in known), ""), rows)
    left = [c for c in planned.cells if not c["done"]]
    hours = f", {sum(c['hours'] for c in left):.3g} hours" if "hours" in known and left else ""
    out.line(
        f"{len(planned.cells)} cells, {len(left)} to run, "
        f"{sum(c['train_flops'] or 0.0 for c in left):.3g} training FLOPs{hours}."
    )
    if planned.cluster and known:
        out.line(
            "Memory and hours: {gpus:g} GPUs of {tflops:g} TFLOP/s and {memory_gb:g} GB, at {mfu:.0%} of that peak"
            " (--set finetune.cluster.gpus=4, and tflops, memory_gb, mfu).".format(**planned.cluster)
        )


def show_sweep(result: Any) -> None:
    """What a sweep did and where its table lies."""
    out = Printer()
    out.line(
        f"{len(result.done)} cells done now, {len(result.skipped)} before, {len(result.failed)} failed, "
        f"in {result.seconds:.0f} s."
    )
    out.raw(f"The table is {result.table}")


def short(value: float | None) -> str:
    """Five digits, or a dash."""
    return "-" if value is None or math.isnan(value) else f"{value:.5g}"


def _some(names: list[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = f"; and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def _label(value: Any) -> str:
    """A grid's value: sizes and counts short, names as they are."""
    return f"{value:.4g}" if isinstance(value, float | int) else str(value)


def percent(share: float | None) -> str:
    """A share in percent, or a dash."""
    return "-" if share is None else f"{100 * share:.0f} %"


def _span(interval: Any) -> str:
    ends = [short(end) for end in interval or ()]
    return " .. ".join(ends) if ends and "-" not in ends else "-"
