"""The answer of `scalelaw tokens` for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalelaw.cli.show.printer import Printer
from scalelaw.tokens import TokenCount, find_vision_model
from scalelaw.tokens.effects import knobs_for
from scalelaw.tokens.settings import range_of

BAR = 40
"""Characters of the histogram's longest bar."""


def show_tokens(result: TokenCount) -> None:
    """Images, then what each knob would change, then the cheapest setting that does not reduce them."""
    out = Printer()
    out.line(bold=f"{_number(result.visual_tokens)} visual tokens", after=_besides(result))
    if result.distribution:
        _show_distribution(out, result.distribution)
    else:
        _show_entries(out, result.videos or result.images)
    _show_settings(out, result)
    _show_knobs(out, result)
    if result.images:
        _show_cheapest(out, result)


def _besides(result: TokenCount) -> str:
    mean = " an image, on average" if result.distribution else ""
    return (
        f"{mean} ({_number(result.prompt_tokens)} places in the prompt, {_number(result.patches)} patches); "
        f"family {result.family}"
    )


def _show_entries(out: Printer, entries: list[dict[str, Any]]) -> None:
    header = ["image", "resized", "tiles", "patches", "visual tokens", "in the prompt"]
    rows = [
        [
            f"{entry['width']}x{entry['height']}",
            f"{entry['resized_width']}x{entry['resized_height']}",
            _tiles(entry),
            f"{entry['patches']:,}",
            f"{entry['visual_tokens']:,}",
            f"{entry['prompt_tokens']:,}",
        ]
        for entry in entries
    ]
    if entries and "frames" in entries[0]:
        header = ["video", *header[1:2], "frames", *header[3:]]
        rows = [[row[0], row[1], _frames(entry), *row[3:]] for row, entry in zip(rows, entries, strict=True)]
    out.table(header, rows)


def _tiles(entry: Mapping[str, Any]) -> str:
    if entry["tiles"] == 1:
        return "1"
    grid = entry["columns"] * entry["rows"]
    return f"{entry['columns']}x{entry['rows']}" + (" + 1" if entry["tiles"] == grid + 1 else "")


def _frames(entry: Mapping[str, Any]) -> str:
    return f"{entry['frames']:,}" + (f" ({entry['seconds']:.3g} s)" if "seconds" in entry else "")


def _show_distribution(out: Printer, spread: Mapping[str, Any]) -> None:
    out.line(
        f"{spread['n']:,} images: mean {_number(spread['mean'])}, p50 {_number(spread['p50'])}, "
        f"p95 {_number(spread['p95'])}, from {_number(spread['min'])} to {_number(spread['max'])}"
    )
    most = max(bin_["images"] for bin_ in spread["histogram"])
    rows = [
        [
            f"{_number(bin_['from'])} to {_number(bin_['to'])}",
            f"{bin_['images']:,}",
            "#" * round(BAR * bin_["images"] / most),
        ]
        for bin_ in spread["histogram"]
    ]
    out.table(["visual tokens", "images", ""], rows, left=(0, 2))


def _show_settings(out: Printer, result: TokenCount) -> None:
    knobs = list(knobs_for(find_vision_model(result.model), video=bool(result.videos)))
    if not knobs:
        out.line("This family has no knobs here.")
        return
    out.line(bold="Knobs")
    rows = [
        [setting.name, _value(result.settings[setting.name]), range_of(setting), setting.meaning]
        for setting in knobs
    ]
    out.table(["knob", "value", "allowed", ""], rows, left=(0, 2, 3))


def _show_knobs(out: Printer, result: TokenCount) -> None:
    if not result.knobs:
        return
    out.line(bold="What a knob would change")
    rows = []
    for row in result.knobs:
        change = row["visual_tokens"] / result.visual_tokens - 1 if result.visual_tokens else 0.0
        rows.append(
            [
                row["knob"],
                _value(row["value"]),
                _number(row["visual_tokens"]),
                f"{change:+.0%}" if abs(change) >= 0.005 else "same",
                _number(row["patches"]),
            ]
        )
    out.table(["knob", "value", "visual tokens", "", "patches"], rows)


def _show_cheapest(out: Printer, result: TokenCount) -> None:
    cheapest = result.cheapest
    if cheapest is None:
        out.line("No single knob keeps the whole image: it is reduced under every setting.")
        return
    changed = ", ".join(f"{name}={_value(value)}" for name, value in cheapest["settings"].items())
    out.line(
        f"Cheapest setting that does not reduce the image: {changed or 'the present one'} "
        f"({cheapest['visual_tokens']:,} visual tokens)."
    )


def _value(value: Any) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
