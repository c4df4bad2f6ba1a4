"""Small plots of block characters for a terminal: measured errors along one input, shares as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scalelaw.report.text import format as fmt

if TYPE_CHECKING:
    from scalelaw.fit import FittedLaw

_STEPS = "▁▂▃▄▅▆▇█"
_MOST = 12


def spark(values: Sequence[float], low: float, high: float) -> str:
    """One character per value: the larger the value, the higher the block."""
    span = high - low or 1.0
    return "".join(_STEPS[min(7, max(0, int(8 * (value - low) / span)))] for value in values)


def bar(share: float, width: int = 24) -> str:
    """A bar for a share (0 to 1) of `width` characters."""
    return "█" * round(width * share)


def front(
    pareto: Sequence[dict[str, Any]], kind: str, rows: int = 8, units: Mapping[str, str] | None = None
) -> list[tuple[str, str, str, str]]:
    """At most `rows` points of the Pareto front by cost: the cost, the configuration, the error, and a bar for the
    error. Empty for fewer than two points."""
    points = sorted(pareto, key=lambda choice: float(choice["costs"][kind]))
    if len(points) < 2:
        return []
    count = min(rows, len(points))
    picked = [points[round(i * (len(points) - 1) / (count - 1))] for i in range(count)]
    most = max(float(choice["error"]) for choice in picked) or 1.0
    return [
        (
            fmt.cost(kind, float(choice["costs"][kind]), units),
            f"{choice['model']}, {choice['visual_tokens']:g}",
            fmt.error(float(choice["error"])),
            bar(max(0.0, float(choice["error"])) / most),
        )
        for choice in picked
    ]


def slope_axes(fitted: FittedLaw) -> tuple[str, ...]:
    """The input along which `slopes` runs and the input of its rows; empty unless two inputs vary."""
    values = fitted.points["inputs"]
    names = [name for name in fitted.inputs if len(set(values[name])) > 1]
    along = "visual_tokens" if "visual_tokens" in names else names[-1] if names else ""
    return (along, *(name for name in names if name != along)) if len(names) == 2 else ()


def slopes(fitted: FittedLaw) -> list[tuple[str, str, str]]:
    """A row for each value of the second input: its label, the mean measured errors along the first input as a small
    plot, and both ends. Empty unless two inputs vary, and for too many rows."""
    values = fitted.points["inputs"]
    if not (names := slope_axes(fitted)):
        return []
    along, by = names
    levels = sorted(set(values[by]))
    if len(levels) > _MOST:
        return []
    means = []
    for level in levels:
        cells: dict[float, list[float]] = {}
        for x, group, error in zip(values[along], values[by], fitted.points["target"], strict=True):
            if group == level:
                cells.setdefault(float(x), []).append(float(error))
        means.append([sum(cells[x]) / len(cells[x]) for x in sorted(cells)])
    every = [value for row in means for value in row]
    return [
        (
            fmt.level(by, float(level)),
            spark(row, min(every), max(every)),
            f"{fmt.short(row[0])} to {fmt.short(row[-1])}",
        )
        for level, row in zip(levels, means, strict=True)
    ]
