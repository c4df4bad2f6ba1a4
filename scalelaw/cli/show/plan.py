"""Plans, costs and calibrations as terminal output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from scalelaw.cli.show.printer import Printer
from scalelaw.cli.show.sparklines import bar
from scalelaw.report.text import format as fmt

if TYPE_CHECKING:
    from scalelaw.plan import Bill, Calibration, Optimum

_ROWS = 20
_SERVED = ("model", "visual_tokens", "dtype", "batch")


def show_optimum(optimum: Optimum) -> None:
    """The best configuration and the runners-up with their costs, how each is served, and the continuous optimum."""
    out = Printer()
    units = fmt.units_of({"searched": optimum.searched})
    budget = ", ".join(
        f"{kind} <= {fmt.cost(kind, amount, units)}" for kind, amount in optimum.budget.items()
    )
    tower = optimum.searched.get("tower", "none")
    counted = "no vision encoder counted" if tower == "none" else f"vision encoder {tower}"
    if gives := optimum.searched.get("compressor_gives"):
        compressor = fmt.plain_name(optimum.searched["compressor"])
        counted += f"; {compressor} gives {', '.join(f'{n:g}' for n in gives)} tokens only"
    choices = [optimum.best, *optimum.runners_up[:4]]
    served = [f"{choice['dtype']} x {choice['batch']:g}" for choice in choices]
    alike = len(set(served)) == 1
    out.line(
        bold=_question(optimum, budget),
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
            *(fmt.cost(kind, choice["costs"][kind], units) for kind in kinds),
            *([] if alike else [served[place]]),
            "-" if choice.get("p_best") is None else fmt.share(choice["p_best"]),
        )
        for place, choice in enumerate(choices)
    )
    ways = () if alike else ("served",)
    out.table(("", *_header(optimum), *kinds, *ways, "p(best)"), rows, keys=2)
    if "settings" in optimum.best:
        _show_setting(optimum, out)
    if marked := [choice for choice in choices if choice.get("counted_as")]:
        counts = "; ".join(f"{choice['model']}: {choice['counted_as']}" for choice in marked)
        out.line(f"* mixture of experts; n_params is {counts}.")
    sure = fmt.of_model(optimum.best)
    if sure is not None and sure - optimum.best["p_best"] >= 0.01:
        out.line(
            f"p(best) is for this number of visual tokens; with any number, {optimum.best['model']} is best in "
            f"{fmt.percent(sure)} of refits."
        )
    if binding := optimum.best.get("binding"):
        out.line(f"Binding constraint: {'FLOPs' if binding == 'flops' else binding}.")
    cheap = optimum.near_ties[0] if optimum.near_ties else {}
    if len(optimum.near_ties) > 1 and all(cheap[key] == optimum.best[key] for key in _SERVED):
        out.line(f"{len(optimum.near_ties)} models are nearly tied; the best is the cheapest of them.")
    elif len(optimum.near_ties) > 1:
        spent = ", ".join(fmt.cost(kind, cheap["costs"][kind], units) for kind in kinds)
        out.line(
            f"{len(optimum.near_ties)} models are nearly tied; the cheapest of them is {cheap['model']} with "
            f"{cheap['visual_tokens']:g} visual tokens ({_target(optimum)} {fmt.error(cheap['error'])}, {spent}, "
            f"{cheap['dtype']} x {cheap['batch']:g})."
        )
        if (sure or 0.0) >= 0.9:
            out.line("p(best) ranks them; the difference in error is small.")
    if optimum.continuous:
        free = optimum.continuous
        sizes = optimum.searched.get("sizes_allowed")
        out.line(
            f"With continuous sizes{f' ({sizes})' if sizes else ''}: {fmt.parameters(free['n_params'])} parameters, "
            f"{fmt.cell(free['visual_tokens'], 3)} visual tokens, {_target(optimum)} {fmt.error(free['error'])}.",
        )


def show_engine(optimum: Optimum) -> None:
    """How the best configuration is served: the command, the request fields, what fits the memory."""
    engine, out = optimum.best["engine"], Printer()
    out.line(
        bold=f"Serving with {engine['name']} {engine['version']}", after=f" (checked {engine['checked']})"
    )
    out.raw(engine["command"])
    if engine["request"]:
        out.line("Request fields:")
        out.raw(json.dumps(engine["request"]))
    for name, content in engine["files"].items():
        out.line(f"{name}:")
        for row in content.splitlines():
            out.raw(f"  {row}")
    settings = ", ".join(f"{name} = {value}" for name, value in engine["settings"].items())
    if settings:
        out.line(
            f"Setting of {engine['family']}: {settings}, which gives {engine['visual_tokens']} visual tokens."
        )
    if memory := engine["memory"]:
        out.line(
            f"KV cache: {memory['kv_tokens']:,} tokens, which are {memory['concurrency']:.2f} requests of full length."
        )


def _question(optimum: Optimum, budget: str) -> str:
    """The limits and, where it is not the least error, the objective."""
    rule = optimum.searched.get("rule") or {}
    parts = [f"Within {budget}"] if budget else []
    if (target := rule.get("target_error")) is not None:
        parts.append(f"the least {rule['minimise']} that reaches an error of {target:g}")
    elif rule.get("within"):
        parts.append(f"the least {rule['minimise']} within {rule['within']:g} of the least error")
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def show_contrast(contrast: dict[str, Any]) -> None:
    """The best configuration under each kind of budget of the same size, and the visual tokens at no extra latency."""
    out = Printer()
    out.line(bold="The same budget in other units")
    rows = (
        (row["kind"], fmt.cost(row["kind"], row["limit"]), *_choice(row["best"])[:4])
        for row in contrast["rows"]
    )
    out.table(("budget", "limit", "model", "n_params", "visual tokens", "error"), rows)
    if free := contrast["free_tokens"]:
        out.line(
            f"{free['tokens']} of {free['of']} visual tokens cost no latency for {free['model']} "
            f"at batch {free['batch']:g} on {free['hardware']} (less than {100 * free['tolerance']:g}% more)."
        )


def show_inverse(inverse: dict[str, Any]) -> None:
    """The budgets at which the best model changes, visual tokens by text length, and the gain of larger budgets."""
    out = Printer()
    out.line(bold="Smallest budget for each model")
    switches, every = _readable(inverse["switch_points"]), len(inverse["switch_points"])
    rows: list[tuple[str, ...]] = [
        (row["model"], fmt.cell(row["budget"]), f"{row['visual_tokens']:g}", fmt.error(row["error"]))
        for row in switches
    ]
    out.table(("model", "budget", "visual tokens", "error"), rows)
    if len(switches) < every:
        out.line(
            f"{len(switches)} of {every} switches: the first to each model, at most {_ROWS}. --json contains all."
        )
    out.line(bold="Visual tokens by text length")
    rows = [
        (
            f"{row['text_tokens']:g}",
            row["model"] or "nothing fits",
            *(("-", "-") if row["model"] is None else (f"{row['visual_tokens']:g}", fmt.error(row["error"]))),
        )
        for row in inverse["tokens_against_text"]
    ]
    out.table(("text tokens", "model", "visual tokens", "error"), rows)
    out.line(bold="Gain of a larger budget")
    rows = [
        (
            f"{row['kind']} x {row['factor']:g}",
            row["model"],
            f"{row['visual_tokens']:g}",
            fmt.error(row["error"]),
            fmt.error(row["gained"]),
        )
        for row in inverse["relaxation"]
    ]
    out.table(("budget", "model", "visual tokens", "error", "error reduction"), rows)


def _readable(switches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most `_ROWS` switches: all, or the first to each model, evenly thinned."""
    if len(switches) <= _ROWS:
        return switches
    first: dict[str, dict[str, Any]] = {}
    for row in switches:
        first.setdefault(row["model"], row)
    rows = list(first.values())
    if len(rows) <= _ROWS:
        return rows
    return [rows[round(i * (len(rows) - 1) / (_ROWS - 1))] for i in range(_ROWS)]


LOWERED = {
    "resolution": "The knob lowers the resolution: the encoder's patches follow",
    "tokens": "The knob lowers the tokens after the encoder: its patches stay",
}


def _show_setting(optimum: Optimum, out: Printer) -> None:
    """The knobs of the best configuration, in a plan from images."""
    settings = optimum.best["settings"]
    changed = ", ".join(f"{name}={value}" for name, value in settings.items())
    out.line(f"Setting: {changed or 'unchanged'}.")
    if lowered := LOWERED.get(optimum.searched.get("lowers", "")):
        out.line(f"{lowered} ({optimum.best['patches']:,g}).")
    if "costs_p95" in optimum.best:
        out.line("Costs are means over the images; the budget limits what 95% of them cost.")


def show_bill(bill: Bill) -> None:
    """The cost of one query by part, and in every kind of cost that is known."""
    out = Printer()
    out.line(
        bold=bill.model,
        after=f"   {bill.n_params_exact:,} parameters; {bill.visual_tokens:g} visual and "
        f"{bill.text_tokens:g} text tokens, {bill.generate:g} generated; vision encoder {bill.tower or 'none'}",
    )
    for image in bill.images:
        out.line(
            f"{image['width']} x {image['height']} pixels become {image['resized_width']} x "
            f"{image['resized_height']}: {image['patches']:,} patches, {image['visual_tokens']:,} visual tokens."
        )
    rows = [
        (row["part"].replace("_", " "), f"{row['flops']:.6g}", fmt.fraction(row["share"]), bar(row["share"]))
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
    if others and bill.costs_p95:
        most = [(*row, f"{bill.costs_p95[row[0]]:.6g}") for row in others]
        out.table(("cost", f"mean, batch {bill.batch:g}, {bill.dtype}", "95% of images"), most)
    elif others:
        out.table(("cost", f"batch {bill.batch:g}, {bill.dtype}"), others)
    if bill.largest_batch is not None:
        out.line(
            f"The largest batch that fits in memory is {bill.largest_batch:g}."
            if bill.largest_batch
            else "One query does not fit in memory."
        )


def show_explained(value: str, explained: list[dict[str, Any]]) -> None:
    """Conventions and lengths that give a published number."""
    out = Printer()
    out.line(bold=f"{value} FLOPs", after=" corresponds to")
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


def show_calibration(calibration: Calibration) -> None:
    """Fitted constants, the residuals, and the rows that were left out."""
    out = Printer()
    out.line(bold=str(calibration.hardware), after=f"   {calibration.n} measurements")
    if calibration.constants:
        rows = [
            (
                _constant(name),
                fmt.cell(one["value"]),
                "measured" if one["is_seen"] else "the card's own",
            )
            for name, one in calibration.constants.items()
        ]
        out.table(("constant", "value", "from"), rows)
        out.line(
            after=f"mfu {calibration.mfu:g} and mbu {calibration.mbu:g} are not used: operators have their own."
        )
    else:
        rows = [
            ("mfu (share of peak FLOP/s)", fmt.cell(calibration.mfu), ""),
            ("mbu (share of bandwidth)", fmt.cell(calibration.mbu), ""),
            ("overhead, ms per pass (prefill, each decode step)", fmt.cell(calibration.overhead_ms), ""),
        ]
        out.table(("constant", "value", ""), rows)
    errors = [
        ("residual, median", fmt.fraction(calibration.median_error)),
        ("residual, root mean square", fmt.fraction(calibration.rms)),
        ("residual, worst", fmt.fraction(calibration.worst)),
    ]
    out.table(("", "value"), errors)
    if calibration.outliers:
        outlying = [
            (f"{one['row']}", one["kind"], f"{one['measured']:.4g}", f"{one['predicted']:.4g}")
            for one in calibration.outliers
        ]
        out.table(("left out: data row", "time", "measured", "predicted"), outlying)


def show_columns(columns: dict[str, str]) -> None:
    """The columns of a csv of times."""
    Printer().table(("column", "what it holds"), list(columns.items()))


def _constant(name: str) -> str:
    """A constant of a calibration in words."""
    if name == "host":
        return "host, ms of a request"
    if name.startswith("type:"):
        return f"products in {name.removeprefix('type:')}, x"
    return f"{name.replace('_', '-')}, x the card's own"


def _choice(choice: dict[str, Any]) -> tuple[str, ...]:
    return (
        f"{fmt.plain_name(choice['model'])}{'*' if choice.get('counted_as') else ''}",
        fmt.parameters(choice["n_params"]),
        f"{choice['visual_tokens']:g}",
        fmt.error(choice["error"]),
        fmt.span(choice.get("error_interval"), fmt.error) or "-",
    )


def _target(optimum: Optimum) -> str:
    return fmt.target_of_plan({"searched": optimum.searched})


def _header(optimum: Optimum) -> tuple[str, ...]:
    return ("model", "n_params", "visual tokens", _target(optimum), "interval")
