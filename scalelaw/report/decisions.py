"""Plans, bills and calibrations as words and tables for a terminal. It computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scalelaw.report import words
from scalelaw.report.sparks import bar
from scalelaw.report.terminal import console_of, percent, short, table_of

if TYPE_CHECKING:
    from scalelaw.plan import Bill, Calibration, Optimum

_CHOICE = ("model", "n_params", "visual tokens", "error", "interval")
_ROWS = 20
_SERVED = ("model", "visual_tokens", "dtype", "batch")


def show_optimum(optimum: Optimum) -> None:
    """The pick, those behind it with what the budget holds of them, how each is served, and the continuous optimum."""
    console = console_of()
    budget = ", ".join(f"{kind} <= {amount:g}" for kind, amount in optimum.budget.items())
    tower = optimum.searched.get("tower", "none")
    counted = "no vision tower counted" if tower == "none" else f"with {tower}"
    if gives := optimum.searched.get("compressor_gives"):
        counted += (
            f"; {optimum.searched['compressor']} gives {', '.join(f'{n:g}' for n in gives)} tokens only"
        )
    choices = [optimum.best, *optimum.runners_up[:4]]
    served = [f"{choice['dtype']} x {choice['batch']:g}" for choice in choices]
    alike = len(set(served)) == 1
    console.print(
        f"[bold]{_asked(optimum, budget)}[/] at {optimum.text_tokens:g} "
        f"text and {optimum.generate:g} generated tokens ({optimum.cost}, {counted}"
        f"{f'; served {served[0]}' if alike else ''}):",
        highlight=False,
    )
    kinds = list(optimum.budget)
    if (spent := (optimum.searched.get("rule") or {}).get("minimise")) and spent not in kinds:
        kinds.append(spent)
    rows = (
        (
            "best" if place == 0 else str(place + 1),
            *_choice(choice),
            *(f"{choice['costs'][kind]:.4g}" for kind in kinds),
            *([] if alike else [served[place]]),
            "-" if choice.get("p_best") is None else words.share(choice["p_best"]),
        )
        for place, choice in enumerate(choices)
    )
    ways = () if alike else ("served",)
    table = table_of(("", *_CHOICE, *kinds, *ways, "p(best)"), rows)
    for column in table.columns[1:]:
        column.no_wrap = column.header not in ("model", "visual tokens")
    console.print(table)
    if marked := [choice for choice in choices if choice.get("counted_as")]:
        told = "; ".join(f"{choice['model']}: {choice['counted_as']}" for choice in marked)
        console.print(f"* a mixture of experts; n_params is {told}.")
    sure = words.of_model(optimum.best)
    if sure is not None and sure - optimum.best["p_best"] >= 0.01:
        console.print(
            f"p(best) is of just this number of visual tokens; with any number {optimum.best['model']} is best in "
            f"{words.percent(sure)} of the refits."
        )
    if binding := optimum.best.get("binding"):
        console.print(f"What keeps a better one out: {binding}.")
    cheap = optimum.near_ties[0] if optimum.near_ties else {}
    if len(optimum.near_ties) > 1 and all(cheap[key] == optimum.best[key] for key in _SERVED):
        console.print(f"{len(optimum.near_ties)} models tie nearly; the pick is the cheapest of them.")
    elif len(optimum.near_ties) > 1:
        spent = ", ".join(f"{kind} {cheap['costs'][kind]:.4g}" for kind in kinds)
        console.print(
            f"{len(optimum.near_ties)} models tie nearly; the cheapest of them is {cheap['model']} with "
            f"{cheap['visual_tokens']:g} visual tokens (error {cheap['error']:.4f}, {spent}, "
            f"{cheap['dtype']} x {cheap['batch']:g})."
        )
        if (sure or 0.0) >= 0.9:
            console.print("p(best) tells which of them has less error, not that the difference matters.")
    if optimum.continuous:
        held = optimum.continuous
        allowed = optimum.searched.get("sizes_allowed") or "any size"
        console.print(
            f"With {allowed}: n_params {held['n_params']:.3g}, visual tokens {held['visual_tokens']:.3g}, "
            f"error {held['error']:.4g}.",
        )


def _asked(optimum: Optimum, budget: str) -> str:
    """What was asked for: the limits, and where it is not the least error, which error will do and what is least."""
    rule = optimum.searched.get("rule") or {}
    told = [f"Within {budget}"] if budget else []
    if (target := rule.get("target_error")) is not None:
        told.append(f"the least {rule['minimise']} that reaches an error of {target:g}")
    elif rule.get("within"):
        told.append(f"the least {rule['minimise']} within {rule['within']:g} of the least error")
    text = ", ".join(told)
    return text[:1].upper() + text[1:]


def show_contrast(contrast: dict[str, Any]) -> None:
    """The pick under each kind of budget of the same size, and the visual tokens that are free."""
    console = console_of()
    console.print("[bold]The same size of budget, of another kind[/]")
    rows = ((row["kind"], f"{row['limit']:.4g}", *_choice(row["best"])[:4]) for row in contrast["rows"])
    console.print(table_of(("budget", "limit", "model", "n_params", "visual tokens", "error"), rows))
    if free := contrast["free_tokens"]:
        console.print(
            f"{free['tokens']} of {free['of']} visual tokens are free for {free['model']} at batch {free['batch']:g} "
            f"on {free['hardware']}: the latency rises by less than {100 * free['tolerance']:g} %."
        )


def show_inverse(inverse: dict[str, Any]) -> None:
    """Where the next model pays, how visual tokens follow the text, and what a larger budget buys."""
    console = console_of()
    console.print("[bold]From this budget on, this model[/]")
    switches, every = _readable(inverse["switch_points"]), len(inverse["switch_points"])
    rows: list[tuple[str, ...]] = [
        (row["model"], f"{row['budget']:.4g}", f"{row['visual_tokens']:g}", f"{row['error']:.4f}")
        for row in switches
    ]
    console.print(table_of(("model", "budget", "visual tokens", "error"), rows))
    if len(switches) < every:
        console.print(
            f"{len(switches)} of {every} switches: those to a model for the first time, evenly thinned where they are "
            f"more than {_ROWS}; all are in --json."
        )
    console.print("[bold]Visual tokens against the text's length[/]")
    rows = [
        (
            f"{row['text_tokens']:g}",
            row["model"] or "nothing fits",
            *(("-", "-") if row["model"] is None else (f"{row['visual_tokens']:g}", f"{row['error']:.4f}")),
        )
        for row in inverse["tokens_against_text"]
    ]
    console.print(table_of(("text tokens", "model", "visual tokens", "error"), rows))
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
    console.print(table_of(("budget", "model", "visual tokens", "error", "error saved"), rows))


def _readable(switches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The switches of a table that can be read: all of a few, else each model's first, evenly thinned."""
    if len(switches) <= _ROWS:
        return switches
    first: dict[str, dict[str, Any]] = {}
    for row in switches:
        first.setdefault(row["model"], row)
    held = list(first.values())
    if len(held) <= _ROWS:
        return held
    return [held[round(i * (len(held) - 1) / (_ROWS - 1))] for i in range(_ROWS)]


def show_bill(bill: Bill) -> None:
    """What one query costs, part by part, and in every kind of cost that can be reckoned."""
    console = console_of()
    console.print(
        f"[bold]{bill.model}[/]   {bill.n_params_exact:,} parameters; {bill.visual_tokens:g} visual and "
        f"{bill.text_tokens:g} text tokens, {bill.generate:g} generated; tower {bill.tower or 'none'}"
    )
    rows = [
        (row["part"].replace("_", " "), f"{row['flops']:.6g}", percent(row["share"]), bar(row["share"]))
        for row in bill.parts
    ]
    table = table_of(("part", "FLOPs", "share", ""), rows)
    table.columns[-1].justify = "left"
    console.print(table)
    console.print(f"{bill.convention}: {bill.flops:.10g} FLOPs ({bill.says})")
    if bill.convention != "exact":
        console.print(f"The parts are those of the exact count, {bill.costs['flops']:.10g} FLOPs.")
    others = [
        (kind, f"{value:.6g}" if bill.generate or kind != "ms_per_token" else "-")
        for kind, value in bill.costs.items()
        if kind != "flops"
    ]
    if others:
        console.print(table_of(("cost", f"batch {bill.batch:g}, {bill.dtype}"), others))
    if bill.largest_batch is not None:
        console.print(
            f"The memory holds a batch of {bill.largest_batch:g} at most."
            if bill.largest_batch
            else "The memory does not hold even one query."
        )


def show_explained(value: str, explained: list[dict[str, Any]]) -> None:
    """Which conventions and lengths give a published number."""
    console = console_of()
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
    table = table_of(("convention", "tokens", "gives", "digits met", "counts"), rows)
    table.columns[-1].justify = "left"
    console.print(table)


def show_calibration(found: Calibration) -> None:
    """Fitted efficiencies, the overhead, and how far the measurements lie from them."""
    console = console_of()
    console.print(f"[bold]{found.hardware}[/]   {found.n} measurements")
    rows = [
        ("mfu (share of peak FLOP/s)", short(found.mfu)),
        ("mbu (share of bandwidth)", short(found.mbu)),
        ("overhead, ms a pass (prefill, each decode step)", short(found.overhead_ms)),
        ("residual, root mean square", percent(found.rms)),
        ("residual, worst", percent(found.worst)),
    ]
    console.print(table_of(("", "value"), rows))


def _choice(choice: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{choice['model']}{'*' if choice.get('counted_as') else ''}",
        f"{choice['n_params']:.3g}",
        f"{choice['visual_tokens']:g}",
        f"{choice['error']:.4f}",
        " .. ".join(f"{end:.4f}" for end in choice.get("error_interval") or ()) or "-",
    )
