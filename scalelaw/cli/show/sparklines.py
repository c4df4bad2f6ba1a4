"""Small plots made of letters, for a terminal: measured errors along one input, shares as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scalelaw.report.text import format as fmt

if TYPE_CHECKING:
    from scalelaw.fit import FittedLaw

_STEPS = "▁▂▃▄▅▆▇█"
_MOST = 12


def spark(values: Sequence[float], low: float, high: float) -> str:
    """One letter a value, the higher the larger, between low and high."""
    span = high - low or 1.0
    return "".join(_STEPS[min(7, max(0, int(8 * (value - low) / span)))] for value in values)


def bar(share: float, width: int = 24) -> str:
    """A bar as long as the share (0 to 1) of `width` letters."""
    return "█" * round(width * share)


def front(pareto: Sequence[dict[str, Any]], kind: str, rows: int = 8) -> list[tuple[str, str, str, str]]:
    """Of the least errors at each cost, at most `rows` from the cheapest to the dearest: the cost, the configuration,
    the error, and a bar as long as the error. Nothing for fewer than two."""
    held = sorted(pareto, key=lambda choice: float(choice["costs"][kind]))
    if len(held) < 2:
        return []
    count = min(rows, len(held))
    picked = [held[round(i * (len(held) - 1) / (count - 1))] for i in range(count)]
    most = max(float(choice["error"]) for choice in picked) or 1.0
    return [
        (
            f"{choice['costs'][kind]:.4g}",
            f"{choice['model']}, {choice['visual_tokens']:g}",
            f"{choice['error']:.4f}",
            bar(max(0.0, float(choice["error"])) / most),
        )
        for choice in picked
    ]


def slope_axes(fitted: FittedLaw) -> tuple[str, ...]:
    """The input along which `slopes` runs and the one that tells its rows apart; none where not just two vary."""
    held = fitted.points["inputs"]
    names = [name for name in fitted.inputs if len(set(held[name])) > 1]
    along = "visual_tokens" if "visual_tokens" in names else names[-1] if names else ""
    return (along, *(name for name in names if name != along)) if len(names) == 2 else ()


def slopes(fitted: FittedLaw) -> list[tuple[str, str, str]]:
    """Of a law of two inputs, a row for each value of the second: its label, the mean measured errors along the first
    as a small plot, and its ends. Nothing for other laws, and where there are too many values for rows."""
    held = fitted.points["inputs"]
    if not (names := slope_axes(fitted)):
        return []
    along, by = names
    levels = sorted(set(held[by]))
    if len(levels) > _MOST:
        return []
    means = []
    for level in levels:
        cells: dict[float, list[float]] = {}
        for x, group, error in zip(held[along], held[by], fitted.points["target"], strict=True):
            if group == level:
                cells.setdefault(float(x), []).append(float(error))
        means.append([sum(cells[x]) / len(cells[x]) for x in sorted(cells)])
    every = [value for row in means for value in row]
    return [
        (fmt.level(by, float(level)), spark(row, min(every), max(every)), f"{row[0]:.4g} to {row[-1]:.4g}")
        for level, row in zip(levels, means, strict=True)
    ]
