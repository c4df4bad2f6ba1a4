"""Answers as words and tables for a terminal (rich; plain when piped or NO_COLOR is set). It computes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

_PIPED_WIDTH = 120  # columns where there is no terminal to ask

if TYPE_CHECKING:
    from scalelaw.coverage import Coverage
    from scalelaw.fit import Comparison, FittedLaw, GroupedFit
    from scalelaw.plan import Bill, Calibration, Optimum


def show_fit(fitted: FittedLaw) -> None:
    """The law, its parameters with intervals, how well it fits, and what of it may be believed."""
    console = _console()
    name = "average of laws" if fitted.law.startswith("average:") else fitted.law
    console.print(f"[bold]{name}[/]   {fitted.formula}")
    units = ", ".join(f"{name} in {unit:g}" for name, unit in fitted.units.items() if unit != 1)
    facts = [f"{fitted.n_points} points", *([units] if units else []), f"source: {fitted.source}"]
    console.print("; ".join(facts), style="dim")
    level = f"{100 * fitted.interval.get('level', 0.95):g} % interval"
    rows = [(name, value, fitted.intervals.get(name)) for name, value in fitted.params.items()]
    if averaged := fitted.law.startswith("average:"):  # its members' parameters are many, and no finding
        members = ((row["law"], _short(row["aicc"]), _percent(row["weight"])) for row in fitted.selection)
        console.print(_table(("law", "AICc", "weight"), members))
        rows = []
    rows += [(name, held["value"], held.get("interval")) for name, held in fitted.derived.items()]
    if rows:
        shown = ((label, _short(value), _span(interval)) for label, value, interval in rows)
        console.print(_table(("", "value", level), shown))
    loss = fitted.loss["kind"] + (f" (delta {fitted.loss['delta']:g})" if fitted.loss.get("delta") else "")
    console.print(
        f"objective {fitted.objective:.6g} ({loss}, {fitted.loss['residual']} residuals)   RMSE {fitted.rmse:.4g}   "
        f"R2 {_short(fitted.r2)}   AICc {_short(fitted.aicc)}"
    )
    if held := fitted.holdout:
        console.print(
            f"without the largest ({held['left_out']}), predicted: largest error {_short(held['max_abs_error'])}, "
            f"root mean square {_short(held['rmse'])}"
        )
    if averaged:
        console.print(f"status [bold]{fitted.status}[/]   an average of laws: predictions, no parameters")
        return
    held = fitted.certificate
    console.print(
        f"status [bold]{fitted.status}[/]   {held.get('starts')} starts searched, the best {held.get('agreeing')} agree"
        f"; a further polish could lower the objective by {_short(held.get('gap'))}"
    )


def show_changes(data: dict[str, Any]) -> None:
    """What moves under other choices, and the points that move most, where they were asked for."""
    console = _console()
    if rows := data.get("ablation"):
        console.print("[bold]Under other choices[/]")
        names = list(rows[0]["params"])
        shown = (
            (
                r["change"],
                str(r["n_points"]),
                *(_short(r["params"].get(n)) for n in names),
                ", ".join(r["moved"] or []) or "-",
            )
            for r in rows
        )
        console.print(_table(("change", "points", *names, "leaves its interval"), shown))
    if rows := data.get("influence"):
        console.print("[bold]Without one point[/] (the ten that move most)")
        shown = (
            (str(r["row"]), ", ".join(f"{n} {_label(v)}" for n, v in r["inputs"].items()), _short(r["residual"]),
             f"{r['leverage']:.2f}", _percent(r["pull"]))
            for r in rows[:10]
        )  # fmt: skip
        console.print(_table(("row", "point", "residual", "leverage", "moves the conclusion by"), shown))


def show_groups(grouped: GroupedFit) -> None:
    """One law a group, side by side, and whether they may share parameters."""
    console = _console()
    console.print(f"[bold]one law for each {grouped.by}[/]")
    fits = grouped.groups
    first = next(iter(fits.values()))
    rows: list[tuple[str, ...]] = [("points", *(str(f.n_points) for f in fits.values()))]
    rows += [
        (name, *(f"{_short(f.params[name])} ({_span(f.intervals.get(name))})" for f in fits.values()))
        for name in first.params
    ]
    rows += [
        (
            name,
            *(
                f"{_short(f.derived[name]['value'])} ({_span(f.derived[name]['interval'])})"
                for f in fits.values()
            ),
        )
        for name in first.derived
    ]
    rows += [
        ("RMSE", *(_short(f.rmse) for f in fits.values())),
        ("status", *(f.status for f in fits.values())),
    ]
    console.print(_table(("", *fits), rows))
    if shared := grouped.sharing:
        console.print(shared["words"])
        console.print(
            f"F {_short(shared['f'])}, p {_short(shared['p_value'])}; AICc shared {_short(shared['aicc_shared'])}, "
            f"apart {_short(shared['aicc_apart'])}"
        )


def show_comparison(found: Comparison) -> None:
    """Laws, the best first, by how they extrapolate; the weight each has in their average."""
    console = _console()
    console.print(
        f"{found.n_points} points; {found.residual} residuals; errors are root mean squares", style="dim"
    )
    rows = (
        (
            row["law"],
            str(row["n_parameters"]),
            _short(row["aicc"]),
            _short(row["leave_one_out"]),
            *(_short((row["leave_largest_out"].get(name) or {}).get("score")) for name in found.inputs),
            _percent(row["weight"]),
        )
        for row in found.laws
    )
    largest = [f"largest {name} left out" for name in found.inputs]
    console.print(_table(("law", "parameters", "AICc", "one left out", *largest, "weight"), rows))
    winner = f"{found.winner} wins." if found.winner else "No law wins clearly: --law auto averages them."
    console.print(winner)


def show_optimum(optimum: Optimum) -> None:
    """The pick, those behind it, the least error at lower cost, and the continuous optimum."""
    console = _console()
    budget = ", ".join(f"{kind} <= {amount:g}" for kind, amount in optimum.budget.items())
    console.print(
        f"[bold]Within {budget}[/] at {optimum.text_tokens:g} text tokens ({optimum.cost}):", highlight=False
    )
    choices = [optimum.best, *optimum.runners_up[:4]]
    rows = (
        ("best" if place == 0 else str(place + 1), *_choice(choice), _percent(choice.get("p_best")))
        for place, choice in enumerate(choices)
    )
    header = ("", "model", "n_params", "visual tokens", "error", "interval", "FLOPs", "p(best)")
    console.print(_table(header, rows))
    if optimum.continuous:
        held = optimum.continuous
        console.print(
            f"With any size allowed: n_params {held['n_params']:.3g}, visual tokens {held['visual_tokens']:.3g}, "
            f"error {held['error']:.4g}.",
        )


def show_contrast(contrast: dict[str, Any]) -> None:
    """The pick under each kind of budget of the same size, and the visual tokens that are free."""
    console = _console()
    console.print("[bold]The same size of budget, of another kind[/]")
    rows = ((row["kind"], f"{row['limit']:.4g}", *_choice(row["best"])[:4]) for row in contrast["rows"])
    console.print(_table(("budget", "limit", "model", "n_params", "visual tokens", "error"), rows))
    if free := contrast["free_tokens"]:
        console.print(
            f"{free['tokens']} of {free['of']} visual tokens are free for {free['model']} at batch {free['batch']:g} "
            f"on {free['hardware']}: the latency rises by less than {100 * free['tolerance']:g} %."
        )


def show_inverse(inverse: dict[str, Any]) -> None:
    """Where the next model pays, how visual tokens follow the text, and what a larger budget buys."""
    console = _console()
    console.print("[bold]From this budget on, this model[/]")
    rows: list[tuple[str, ...]] = [
        (row["model"], f"{row['budget']:.4g}", f"{row['visual_tokens']:g}", f"{row['error']:.4f}")
        for row in inverse["switch_points"]
    ]
    console.print(_table(("model", "budget", "visual tokens", "error"), rows))
    console.print("[bold]Visual tokens against the text's length[/]")
    rows = [
        (
            f"{row['text_tokens']:g}",
            row["model"] or "nothing fits",
            *(("-", "-") if row["model"] is None else (f"{row['visual_tokens']:g}", f"{row['error']:.4f}")),
        )
        for row in inverse["tokens_against_text"]
    ]
    console.print(_table(("text tokens", "model", "visual tokens", "error"), rows))
    console.print("[bold]What a larger budget buys[/]")
    rows = [
        (
            f"{row['kind']} x {row['factor']:g}",
            row["model"],
            f"{row['visual_tokens']:g}",
            f"{row['error']:.4f}",
            f"{row['gained']:.4f}",
        )
        for row in inverse["relaxation"]
    ]
    console.print(_table(("budget", "model", "visual tokens", "error", "error saved"), rows))


def show_bill(bill: Bill) -> None:
    """What one query costs, part by part, and in every kind of cost that can be reckoned."""
    console = _console()
    console.print(
        f"[bold]{bill.model}[/]   {bill.n_params_exact:,} parameters; {bill.visual_tokens:g} visual and "
        f"{bill.text_tokens:g} text tokens, {bill.generate:g} generated; tower {bill.tower or 'none'}"
    )
    rows = [
        (row["part"].replace("_", " "), f"{row['flops']:.6g}", _percent(row["share"])) for row in bill.parts
    ]
    console.print(_table(("part", "FLOPs", "share"), rows))
    console.print(f"{bill.convention}: {bill.flops:.10g} FLOPs ({bill.says})")
    others = [(kind, f"{value:.6g}") for kind, value in bill.costs.items() if kind != "flops"]
    if others:
        console.print(_table(("cost", f"batch {bill.batch:g}, {bill.dtype}"), others))
    if bill.largest_batch is not None:
        console.print(f"The memory holds a batch of {bill.largest_batch:g} at most.")


def show_explained(value: str, explained: list[dict[str, Any]]) -> None:
    """Which conventions and lengths give a published number."""
    console = _console()
    console.print(f"[bold]{value} FLOPs[/] would be")
    rows = [
        (
            row["convention"],
            f"{row['tokens']:g}",
            f"{row['value']:.6g}",
            "yes" if row["digits_met"] else "no",
            row["says"],
        )
        for row in explained
    ]
    table = _table(("convention", "tokens", "gives", "digits met", "counts"), rows)
    table.columns[-1].justify = "left"
    console.print(table)


def show_calibration(found: Calibration) -> None:
    """Fitted efficiencies, the overhead, and how far the measurements lie from them."""
    console = _console()
    console.print(f"[bold]{found.hardware}[/]   {found.n} measurements")
    rows = [
        ("mfu (share of peak FLOP/s)", _short(found.mfu)),
        ("mbu (share of bandwidth)", _short(found.mbu)),
        ("overhead, ms a query", _short(found.overhead_ms)),
        ("residual, root mean square", _percent(found.rms)),
        ("residual, worst", _percent(found.worst)),
    ]
    console.print(_table(("", "value"), rows))


def show_coverage(found: Coverage) -> None:
    """How many rows stand in each cell of a table's grid, what is missing, and where it comes from."""
    console = _console()
    console.print(f"[bold]{found.table or 'table'}[/]   {found.title}".rstrip())
    console.print(f"{found.n_rows} rows; {found.standard_errors} with a standard error", style="dim")
    rows = [
        (_label(value), *(str(count or "-") for count in counts))
        for value, counts in zip(found.row_values, found.counts, strict=True)
    ]
    console.print(_table((f"{found.rows} by {found.along}", *map(_label, found.along_values)), rows))
    missing = ", ".join(f"{_label(row)} at {_label(column)}" for row, column in found.missing[:12])
    more = f" and {len(found.missing) - 12} more" if len(found.missing) > 12 else ""
    console.print(f"missing: {missing + more or 'nothing'}")
    for name, text in (("source", found.citation or "; ".join(found.sources)), ("licence", found.licence)):
        if text:
            console.print(f"{name}: {text}")
    for doubt in found.doubts:
        console.print(f"doubt: {doubt}")


def show_pairs(found: Any, by: str, baseline: str) -> None:
    """A paired comparison (`fit.pairs.paired`): errors, differences to the baseline, intervals, adjusted p."""
    console = _console()
    within = list(found.columns[: found.columns.get_loc(by)])
    console.print(
        f"[bold]{by}[/]: error, and its difference to {baseline} pair by pair (below 0 is better); 95 % t intervals; "
        "p of a paired t test, adjusted within each group (Holm)"
    )
    rows = []
    for row in found.to_dict("records"):
        note = f" ({row['plateaus']} stuck)" if row["plateaus"] else ""
        rows.append((
            ", ".join(_label(row[key]) for key in within), f"{row[by]}{note}", str(row["n"]), _short(row["error"]),
            _span([row["error_lo"], row["error_hi"]]), _short(row["difference"]),
            _span([row["difference_lo"], row["difference_hi"]]), _short(row["p_holm"]),
        ))  # fmt: skip
    console.print(_table((" ".join(within), by, "pairs", "error", "", "difference", "", "p"), rows))


def show_cells(planned: Any) -> None:
    """The cells of an experiment with their predicted training FLOPs."""
    console = _console()
    rows = (
        (
            c["cell"],
            c["llm"],
            c["compressor"],
            str(c["visual_tokens"]),
            str(c["seed"]),
            f"{c['train_flops']:.3g}",
            "done" if c["done"] else "to run",
        )
        for c in planned.cells
    )
    console.print(_table(("cell", "llm", "compressor", "visual tokens", "seed", "train FLOPs", ""), rows))
    left = [c for c in planned.cells if not c["done"]]
    console.print(
        f"{len(planned.cells)} cells, {len(left)} to run, {sum(c['train_flops'] for c in left):.3g} training FLOPs."
    )


def show_sweep(result: Any) -> None:
    """What a sweep did and where its table lies."""
    console = _console()
    console.print(
        f"{len(result.done)} cells done now, {len(result.skipped)} before, {len(result.failed)} failed, "
        f"in {result.seconds:.0f} s."
    )
    console.print(f"The table is {result.table}", highlight=False, soft_wrap=True)


def _choice(choice: dict[str, Any]) -> tuple[str, ...]:
    flops = choice["costs"].get("flops")
    return (
        str(choice["model"]),
        f"{choice['n_params']:.3g}",
        f"{choice['visual_tokens']:g}",
        f"{choice['error']:.4f}",
        " .. ".join(f"{end:.4f}" for end in choice.get("error_interval") or ()) or "-",
        "" if flops is None else f"{flops:.3g}",
    )


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(*header, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    return table


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPED_WIDTH)


def _short(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.5g}"


def _label(value: Any) -> str:
    """A grid's value: sizes and counts short, names as they are."""
    return f"{value:.4g}" if isinstance(value, float | int) else str(value)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _span(interval: Any) -> str:
    ends = [_short(end) for end in interval or ()]
    return " .. ".join(ends) if ends and "-" not in ends else "-"
