"""Plans, bills and calibrations as words and tables for a terminal. It computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scalelaw.cli.show.fit import percent, short
from scalelaw.cli.show.printer import Printer
from scalelaw.cli.show.sparklines import bar
from scalelaw.report.text import format as fmt

if TYPE_CHECKING:
    from scalelaw.plan import Bill, Calibration, Optimum

_CHOICE = ("model", "n_params", "visual tokens", "error", "interval")
_ROWS = 20
_SERVED = ("model", "visual_tokens", "dtype", "batch")


def show_optimum(optimum: Optimum) -> None:
    """The pick, those behind it with what the budget holds of them, how each is served, and the continuous optimum."""
    out = Printer()
    budget = ", ".join(f"{kind} <= {amount:g}" for kind, amount in optimum.budget.items())
    tower = optimum.searched.get("tower", "none")
    counted = "no vision tower counted" if tower == "none" else f"with {tower}"
    if gives := optimum.searched.get("compressor_gives"):
        compressor = fmt.plain_name(optimum.searched["compressor"])
        counted += f"; {compressor} gives {', '.join(f'{n:g}' for n in gives)} tokens only"
    choices = [optimum.best, *optimum.runners_up[:4]]
    served = [f"{choice['dtype']} x {choice['batch']:g}" for choice in choices]
    alike = len(set(served)) == 1
    out.line(
        bold=_asked(optimum, budget),
        after=f" at {optimum.text_tokens:g} text and {optimum.generate:g} generated tokens "
        f"({fmt.plain_name(optimum.cost)}, {counted}{f'; served {served[0]}' if alike else ''}):",
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
            "-" if choice.get("p_best") is None else fmt.share(choice["p_best"]),
        )
        for place, choice in enumerate(choices)
    )
    ways = () if alike else ("served",)
    out.table(("", *_CHOICE, *kinds, *ways, "p(best)"), rows, keys=2)
    if marked := [choice for choice in choices if choice.get("counted_as")]:
        told = "; ".join(f"{choice['model']}: {choice['counted_as']}" for choice in marked)
        out.line(f"* a mixture of experts; n_params is {told}.")
    sure = fmt.of_model(optimum.best)
    if sure is not None and sure - optimum.best["p_best"] >= 0.01:
        out.line(
            f"p(best) is of just this number of visual tokens; with any number {optimum.best['model']} is best in "
            f"{fmt.percent(sure)} of the refits."
        )
    if binding := optimum.best.get("binding"):
        out.line(f"What keeps a better one out: {binding}.")
    cheap = optimum.near_ties[0] if optimum.near_ties else {}
    if len(optimum.near_ties) > 1 and all(cheap[key] == optimum.best[key] for key in _SERVED):
        out.line(f"{len(optimum.near_ties)} models tie nearly; the pick is the cheapest of them.")
    elif len(optimum.near_ties) > 1:
        spent = ", ".join(f"{kind} {cheap['costs'][kind]:.4g}" for kind in kinds)
        out.line(
            f"{len(optimum.near_ties)} models tie nearly; the cheapest of them is {cheap['model']} with "
            f"{cheap['visual_tokens']:g} visual tokens (error {cheap['error']:.4f}, {spent}, "
            f"{cheap['dtype']} x {cheap['batch']:g})."
        )
        if (sure or 0.0) >= 0.9:
            out.line("p(best) tells which of them has less error, not that the difference matters.")
    if optimum.continuous:
        held = optimum.continuous
        allowed = optimum.searched.get("sizes_allowed") or "any size"
        out.line(
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
    out = Printer()
    out.line(bold="The same size of budget, of another kind")
    rows = ((row["kind"], f"{row['limit']:.4g}", *_choice(row["best"])[:4]) for row in contrast["rows"])
    out.table(("budget", "limit", "model", "n_params", "visual tokens", "error"), rows)
    if free := contrast["free_tokens"]:
        out.line(
            f"{free['tokens']} of {free['of']} visual tokens are free for {free['model']} at batch {free['batch']:g} "
            f"on {free['hardware']}: the latency rises by less than {100 * free['tolerance']:g} %."
        )


def show_inverse(inverse: dict[str, Any]) -> None:
    """Where the next model pays, how visual tokens follow the text, and what a larger budget buys."""
    out = Printer()
    out.line(bold="From this budget on, this model")
    switches, every = _readable(inverse["switch_points"]), len(inverse["switch_points"])
    rows: list[tuple[str, ...]] = [
        (row["model"], f"{row['budget']:.4g}", f"{row['visual_tokens']:g}", f"{row['error']:.4f}")
        for row in switches
    ]
    out.table(("model", "budget", "visual tokens", "error"), rows)
    if len(switches) < every:
        out.line(
            f"{len(switches)} of {every} switches: those to a model for the first time, evenly thinned where they are "
            f"more than {_ROWS}; all are in --json."
        )
    out.line(bold="Visual tokens against the text's length")
    rows = [
        (
            f"{row['text_tokens']:g}",
            row["model"] or "nothing fits",
            *(("-", "-") if row["model"] is None else (f"{row['visual_tokens']:g}", f"{row['error']:.4f}")),
        )
        for row in inverse["tokens_against_text"]
    ]
    out.table(("text tokens", "model", "visual tokens", "error"), rows)
    out.line(bold="What a larger budget buys")
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
    out.table(("budget", "model", "visual tokens", "error", "error saved"), rows)


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
    out = Printer()
    out.line(
        bold=bill.model,
        after=f"   {bill.n_params_exact:,} parameters; {bill.visual_tokens:g} visual and "
        f"{bill.text_tokens:g} text tokens, {bill.generate:g} generated; tower {bill.tower or 'none'}",
    )
    rows = [
        (row["part"].replace("_", " "), f"{row['flops']:.6g}", percent(row["share"]), bar(row["share"]))
        for row in bill.parts
    ]
    out.table(("part", "FLOPs", "share", ""), rows, left=(0, 3))
    out.line(f"{bill.convention}: {bill.flops:.10g} FLOPs ({bill.says})")
    if bill.convention != "exact":
        out.line(f"The parts are those of the exact count, {bill.costs['flops']:.10g} FLOPs.")
    others = [
        (kind, f"{value:.6g}" if bill.generate or kind != "ms_per_token" else "-")
        for kind, value in bill.costs.items()
        if kind != "flops"
    ]
    if others:
        out.table(("cost", f"batch {bill.batch:g}, {bill.dtype}"), others)
    if bill.largest_batch is not None:
        out.line(
            f"The memory holds a batch of {bill.largest_batch:g} at most."
            if bill.largest_batch
            else "The memory does not hold even one query."
        )


def show_explained(value: str, explained: list[dict[str, Any]]) -> None:
    """Which conventions and lengths give a published number."""
    out = Printer()
    out.line(bold=f"{value} FLOPs", after=" would be")
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
    out.table(("convention", "tokens", "gives", "digits met", "counts"), rows, left=(0, 4))


def show_calibration(found: Calibration) -> None:
    """Fitted efficiencies, the overhead, and how far the measurements lie from them."""
    out = Printer()
    out.line(bold=str(found.hardware), after=f"   {found.n} measurements")
    rows = [
        ("mfu (share of peak FLOP/s)", short(found.mfu)),
        ("mbu (share of bandwidth)", short(found.mbu)),
        ("overhead, ms a pass (prefill, each decode step)", short(found.overhead_ms)),
        ("residual, root mean square", percent(found.rms)),
        ("residual, worst", percent(found.worst)),
    ]
    out.table(("", "value"), rows)


def _choice(choice: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{fmt.plain_name(choice['model'])}{'*' if choice.get('counted_as') else ''}",
        f"{choice['n_params']:.3g}",
        f"{choice['visual_tokens']:g}",
        f"{choice['error']:.4f}",
        " .. ".join(f"{end:.4f}" for end in choice.get("error_interval") or ()) or "-",
    )
