"""Answers as words and tables for a terminal (rich; plain when piped or NO_COLOR is set). It computes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

_PIPED_WIDTH = 120  # columns where there is no terminal to ask

if TYPE_CHECKING:
    from scalelaw.fit import FittedLaw
    from scalelaw.plan import Optimum


def show_fit(fitted: FittedLaw) -> None:
    """The law, its parameters with intervals, how well it fits, and what of it may be believed."""
    console = _console()
    console.print(f"[bold]{fitted.law}[/]   {fitted.formula}")
    units = ", ".join(f"{name} in {unit:g}" for name, unit in fitted.units.items() if unit != 1)
    facts = [f"{fitted.n_points} points", *([units] if units else []), f"source: {fitted.source}"]
    console.print("; ".join(facts), style="dim")
    level = f"{100 * fitted.interval.get('level', 0.95):g} % interval"
    rows = [(name, value, fitted.intervals.get(name)) for name, value in fitted.params.items()]
    rows += [(name, held["value"], held.get("interval")) for name, held in fitted.derived.items()]
    console.print(
        _table(
            ("", "value", level), ((name, _short(value), _span(interval)) for name, value, interval in rows)
        )
    )
    loss = fitted.loss["kind"] + (f" (delta {fitted.loss['delta']:g})" if fitted.loss.get("delta") else "")
    console.print(
        f"objective {fitted.objective:.6g} ({loss}, {fitted.loss['residual']} residuals)   RMSE {fitted.rmse:.4g}   "
        f"R2 {_short(fitted.r2)}   AICc {_short(fitted.aicc)}"
    )
    gap = fitted.certificate.get("gap")
    console.print(
        f"status [bold]{fitted.status}[/]   {fitted.certificate.get('agreeing')} of {fitted.certificate.get('starts')} "
        f"starts agree; a further polish could lower the objective by {_short(gap)}"
    )


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


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _span(interval: Any) -> str:
    ends = [_short(end) for end in interval or ()]
    return " .. ".join(ends) if ends and "-" not in ends else "-"
