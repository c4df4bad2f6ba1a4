"""Measurements and their plans as terminal output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalelaw.cli.show.printer import Printer

if TYPE_CHECKING:
    from scalelaw.results.measurement import Measurement


def show_measurement(measurement: Measurement, output: Path | None) -> None:
    """The cells with their times, what they leave unseen, and the next cells; or the plan of the requests."""
    out = Printer()
    if not measurement.rows:
        _show_plan(out, measurement)
        return
    out.line(
        bold=measurement.model, after=f"   {measurement.settings.get('requests_sent', '-')} requests sent"
    )
    header = ("prompt", "load", "visual tokens", "prompt tokens", "generated", "ttft_ms", "image_ms", "ms_per_token",
              "latency_ms", "tokens/s", "spread")  # fmt: skip
    out.table(header, [_row(row) for row in measurement.rows])
    for gap in measurement.unseen:
        out.line(after=f"Not determined: {gap['constant']}. {gap['reason']}")
    for cell in measurement.next:
        out.line(after=f"Measure next: {_cell(cell)}: {cell['reason']}.")
    if output is not None:
        out.line(after=f"Next: scalelaw calibrate {output} --hardware CARD -o card.yaml")


def _show_plan(out: Printer, measurement: Measurement) -> None:
    settings = measurement.settings
    least = sum(line["least_requests"] for line in measurement.plan)
    out.line(
        bold=f"{least} requests or more to {settings.get('host', measurement.target)}",
        after=f", at most {settings['most_requests']} requests and {settings['most_seconds']:g} s; none is sent now",
    )
    rows = [
        (
            line["phase"],
            line["prompt"],
            f"{line['concurrency']} at once" if line["concurrency"] else f"{line['arrival_rate']:g} a second",
            f"{line['generate']}",
            f"{line['least_requests']} to {line['most_requests']}",
        )
        for line in measurement.plan
    ]
    out.table(("phase", "prompt", "load", "generated tokens", "requests"), rows)


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    prompt = row["image_size"] or (f"text for {row['twin_of']}" if row.get("twin_of") else "text")
    load = (
        f"{row['concurrency']} at once"
        if row.get("concurrency")
        else f"{row.get('arrival_rate') or 0:g} a second"
    )
    if row["status"] not in ("ok", "one_chunk"):
        return prompt, load, _number(row.get("visual_tokens")), "", "", row["status"], "", "", "", "", ""
    return (
        prompt,
        load,
        _number(row.get("visual_tokens")),
        _number(row.get("prompt_tokens")),
        _number(row.get("generate")),
        *(
            _number(row.get(name))
            for name in ("ttft_ms", "image_ms", "ms_per_token", "latency_ms", "tokens_per_s")
        ),
        f"{100 * row['spread']:.1f}%",
    )


def _cell(cell: dict[str, Any]) -> str:
    prompt = f"--image {cell['image_size']}" if cell["image_size"] else "--image none"
    devices = f" --devices {cell['devices']}" if cell["devices"] > 1 else ""
    return f"{prompt} --concurrency {cell['concurrency']} --generate {cell['generate']}{devices}"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) and value % 1 else f"{value:g}"
