"""Answers as words and tables for a terminal (rich; plain when piped or NO_COLOR is set). It computes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from scalelaw.report import words
from scalelaw.report.sparks import front, slope_axes, slopes

_PIPED_WIDTH = 120  # columns where there is no terminal to ask

if TYPE_CHECKING:
    from scalelaw.coverage import Coverage
    from scalelaw.fit import Comparison, FittedLaw, GroupedFit
    from scalelaw.plan import Optimum


def show_fit(fitted: FittedLaw) -> None:
    """The law, its parameters with intervals, how well it fits, and what of it may be believed."""
    console = console_of()
    name = "average of laws" if fitted.law.startswith("average:") else fitted.law
    console.print(f"[bold]{name}[/]   {fitted.formula}")
    units = ", ".join(f"{name} in {unit:g}" for name, unit in fitted.units.items() if unit != 1)
    facts = [f"{fitted.n_points} points", *([units] if units else []), f"source: {fitted.source}"]
    console.print("; ".join(facts), style="dim")
    level = f"{100 * fitted.interval.get('level', 0.95):g} % interval"
    rows = [(name, value, fitted.intervals.get(name)) for name, value in fitted.params.items()]
    if averaged := fitted.law.startswith("average:"):  # its members' parameters are many, and no finding
        members = ((row["law"], short(row["aicc"]), percent(row["weight"])) for row in fitted.selection)
        console.print(table_of(("law", "AICc", "weight"), members))
        rows = []
    rows += [(name, held["value"], held.get("interval")) for name, held in fitted.derived.items()]
    if rows:
        settled = {name: f"tied to {text}" for name, text in fitted.ties.items()}
        settled |= {name: "fixed" for name, (low, high) in fitted.bounds.items() if low == high}
        shown = (
            (label, short(value), settled.get(label) or _span(interval)) for label, value, interval in rows
        )
        console.print(table_of(("", "value", level), shown))
    if plotted := slopes(fitted):
        along, by = (words.named(name) for name in slope_axes(fitted))
        console.print(f"measured {fitted.target} along {along}, a row for each {by}:", style="dim")
        console.print(table_of(("", "", ""), plotted))
    levels = [f" ({name} {fitted.loss[name]:g})" for name in ("delta", "expectile") if fitted.loss.get(name)]
    loss = fitted.loss["kind"] + "".join(levels)
    console.print(
        f"objective {fitted.objective:.6g} ({loss}, {fitted.loss['residual']} residuals)   RMSE {fitted.rmse:.4g}   "
        f"R2 {short(fitted.r2)}   AICc {short(fitted.aicc)}"
    )
    if held := fitted.holdout:
        console.print(
            f"without the largest ({held['left_out']}), predicted: largest error {short(held['max_abs_error'])}, "
            f"root mean square {short(held['rmse'])}"
            + (f"; runs alike scatter by {short(held['repeat_sd'])}" if "repeat_sd" in held else "")
            + (" (over all sizes)" if held.get("repeat_of") == "all" else "")
        )
    if averaged:
        console.print(f"status [bold]{fitted.status}[/]   an average of laws: predictions, no parameters")
        return
    held = fitted.certificate
    console.print(
        f"status [bold]{fitted.status}[/]   {held.get('starts')} starts searched, the best {held.get('agreeing')} agree"
        f"; a further polish could lower the objective by {short(held.get('gap'))}"
    )


def show_front(optimum: Optimum) -> None:
    """The least error at each cost as bars; where the terminal is narrow, the numbers without them."""
    console = console_of()
    kind = next(iter(optimum.budget), None) or next(iter(optimum.best["costs"]))
    if not (rows := front(optimum.pareto, kind)):
        return
    table = table_of((kind, "model, visual tokens", "error", ""), rows)
    table.columns[-1].justify = "left"
    if sum(max(map(len, column)) + 2 for column in zip(*rows, strict=True)) > console.width:
        table = table_of((kind, "model, visual tokens", "error"), [row[:3] for row in rows])
    console.print("least error at each cost:", style="dim")
    console.print(table)
    if any(code == "impossible_errors" for code, _ in optimum.warnings):
        console.print("errors outside 0 to 1 cannot be: there the law does not hold", style="dim")


def show_changes(data: dict[str, Any]) -> None:
    """What moves under other choices, and the points that move most, where they were asked for."""
    console = console_of()
    if rows := data.get("ablation"):
        console.print("[bold]Under other choices[/]")
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
        console.print(table_of(("change", "points", *names, "leaves its interval"), shown))
        if any(r["moved"] is None for r in rows):
            console.print("? no intervals to compare with: there is nothing to leave", style="dim")
    if rows := data.get("influence"):
        console.print("[bold]Without one point[/] (the ten that move most)")
        shown = (
            (str(r["row"]), ", ".join(f"{n} {_label(v)}" for n, v in r["inputs"].items()), short(r["residual"]),
             f"{r['leverage']:.2f}", percent(r["pull"]))
            for r in rows[:10]
        )  # fmt: skip
        console.print(table_of(("row", "point", "residual", "leverage", "moves the conclusion by"), shown))


def show_groups(grouped: GroupedFit) -> None:
    """One law a group, side by side, and whether they may share parameters."""
    console = console_of()
    console.print(f"[bold]one law for each {grouped.by}[/]")
    fits = grouped.groups
    first = next(iter(fits.values()))
    rows: list[tuple[str, ...]] = [("points", *(str(f.n_points) for f in fits.values()))]
    rows += [
        (name, *(f"{short(f.params[name])} ({_span(f.intervals.get(name))})" for f in fits.values()))
        for name in first.params
    ]
    rows += [
        (
            name,
            *(
                f"{short(f.derived[name]['value'])} ({_span(f.derived[name]['interval'])})"
                for f in fits.values()
            ),
        )
        for name in first.derived
    ]
    rows += [
        ("RMSE", *(short(f.rmse) for f in fits.values())),
        ("status", *(f.status for f in fits.values())),
    ]
    console.print(table_of(("", *fits), rows))
    if shared := grouped.sharing:
        console.print(shared["words"])
        console.print(
            f"F {short(shared['f'])}, p {short(shared['p_value'])}; AICc shared {short(shared['aicc_shared'])}, "
            f"apart {short(shared['aicc_apart'])}"
        )


def show_comparison(found: Comparison) -> None:
    """Laws, the best first, by how they extrapolate; the weight each has in their average."""
    console = console_of()
    console.print(
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
    console.print(table_of(("law", "parameters", "AICc", "one left out", *largest, "weight"), rows))
    winner = f"{found.winner} wins." if found.winner else "No law wins clearly: --law auto averages them."
    console.print(winner)


def show_coverage(found: Coverage) -> None:
    """How many rows stand in each cell of a table's grid, what is missing, and where it comes from."""
    console = console_of()
    console.print(f"[bold]{found.table or 'table'}[/]   {found.title}".rstrip())
    chosen = ", ".join(f"{column}={value}" for column, value in found.where.items())
    console.print(
        f"{found.n_rows} rows{f' with {chosen}' if chosen else ''}; {found.standard_errors} with a standard error",
        style="dim",
        markup=False,
    )
    if found.repeat_sd is not None:
        console.print(
            f"runs alike but for their seed scatter by {short(found.repeat_sd)} "
            f"({found.repeat_freedom} degrees of freedom)",
            style="dim",
        )
    rows = [
        (_label(value), *(str(count or "-") for count in counts))
        for value, counts in zip(found.row_values, found.counts, strict=True)
    ]
    console.print(table_of((f"{found.rows} by {found.along}", *map(_label, found.along_values)), rows))
    cells = sum(bool(count) for line in found.counts for count in line)
    rarer = [f"{name} ({held} of {cells})" for name, held in found.benchmarks.items() if held < cells]
    if rarer:
        console.print(
            f"not in every measured cell: {_some(rarer, 6)}; means over all benchmarks do not compare there"
        )
    missing = ", ".join(f"{_label(row)} at {_label(column)}" for row, column in found.missing[:12])
    more = f" and {len(found.missing) - 12} more" if len(found.missing) > 12 else ""
    left = f"{found.unfinished} cells of the sweep have no result yet" if found.unfinished else ""
    console.print(f"missing: {'; '.join(filter(None, (missing + more, left))) or 'nothing'}")
    for name, text in (("source", found.citation or _some(found.sources)), ("licence", found.licence)):
        if text:
            console.print(f"{name}: {text}")
    for doubt in found.doubts:
        console.print(f"doubt: {doubt}")


def show_pairs(found: Any, by: str, baseline: str) -> None:
    """A paired comparison (`fit.pairs.paired`): errors, differences to the baseline, intervals, adjusted p."""
    console = console_of()
    within = list(found.columns[: found.columns.get_loc(by)])
    console.print(
        f"[bold]{by}[/]: error, and its difference to {baseline} pair by pair (below 0 is better); 95 % t intervals; "
        "p of a paired t test, adjusted within each group (Holm)"
    )
    rows = []
    for row in found.to_dict("records"):
        note = f" ({row['plateaus']} stuck)" if row["plateaus"] else ""
        rows.append((
            ", ".join(_label(row[key]) for key in within), f"{row[by]}{note}", str(row["n"]), short(row["error"]),
            _span([row["error_lo"], row["error_hi"]]), short(row["difference"]),
            _span([row["difference_lo"], row["difference_hi"]]), short(row["p_holm"]),
        ))  # fmt: skip
    console.print(table_of((" ".join(within), by, "pairs", "error", "", "difference", "", "p"), rows))


def show_doctor(found: dict[str, Any]) -> None:
    """What is installed, what each missing extra would give, devices and schedulers."""
    console = console_of()
    console.print(f"[bold]scalelaw {found['scalelaw']}[/]   Python {found['python']}, {found['platform']}")
    console.print(_left(("package", "version"), found["packages"].items()))
    console.print("[bold]Extras[/]")
    rows = (
        (e["package"], "installed" if e["installed"] else e["install"].replace("[", "\\["), e["gives"])
        for e in found["extras"]
    )
    console.print(_left(("package", "", "gives"), rows))
    devices = [f"{d['name']} ({d['memory_gb']:.0f} GB)" for d in found["devices"]]
    console.print(f"devices: {', '.join(devices) or 'no accelerator; sweeps train on the processor'}")
    console.print(f"cores: {found['cores']}")
    absent = {
        "slurm": "no sbatch on the path",
        "ray": "no address in RAY_ADDRESS; --executor ray starts one here",
    }
    for name, where in found["schedulers"].items():
        console.print(f"{name}: {where or absent[name]}", highlight=False)


def _left(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = table_of(header, rows)
    for column in table.columns:
        column.justify = "left"
    return table


def show_cells(planned: Any) -> None:
    """The cells of an experiment with their predicted training FLOPs, and where they are known memory and hours."""
    console = console_of()
    known = [name for name in ("memory_gb", "hours") if all(name in c for c in planned.cells)]
    rows = (
        (
            c["cell"],
            c["llm"],
            c["compressor"],
            str(c["visual_tokens"]),
            str(c["seed"]),
            f"{c['train_flops']:.3g}",
            *(f"{c[name]:.3g}" for name in known),
            "done" if c["done"] else "to run",
        )
        for c in planned.cells
    )
    header = ("cell", "llm", "compressor", "visual tokens", "seed", "train FLOPs")
    units = {"memory_gb": "GB a GPU", "hours": "hours"}
    console.print(table_of((*header, *(units[name] for name in known), ""), rows))
    left = [c for c in planned.cells if not c["done"]]
    hours = f", {sum(c['hours'] for c in left):.3g} hours" if "hours" in known and left else ""
    console.print(
        f"{len(planned.cells)} cells, {len(left)} to run, "
        f"{sum(c['train_flops'] for c in left):.3g} training FLOPs{hours}."
    )
    if planned.cluster and known:
        console.print(
            "Memory and hours: {gpus:g} GPUs of {tflops:g} TFLOP/s and {memory_gb:g} GB, at {mfu:.0%} of that peak"
            " (--set finetune.cluster.gpus=4, and tflops, memory_gb, mfu).".format(**planned.cluster)
        )


def show_sweep(result: Any) -> None:
    """What a sweep did and where its table lies."""
    console = console_of()
    console.print(
        f"{len(result.done)} cells done now, {len(result.skipped)} before, {len(result.failed)} failed, "
        f"in {result.seconds:.0f} s."
    )
    console.print(f"The table is {result.table}", highlight=False, soft_wrap=True)


def table_of(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    """A table without borders: names to the left, numbers to the right."""
    table = Table(
        *header, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=any(header)
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    return table


def console_of() -> Console:
    """The console to print on; where there is no terminal to ask, of a fixed width."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPED_WIDTH)


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
