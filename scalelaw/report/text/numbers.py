"""Numbers as text: rounded, with SI prefixes and nouns, as shares."""

from __future__ import annotations

import math
from collections.abc import Iterable

_SI = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def short(value: float, digits: int = 3) -> str:
    """A plain number with `digits` significant digits and no trailing noise: 0.0709, 13.5, 1,200."""
    if value == 0 or not math.isfinite(value):
        return {0: "0", math.inf: "∞", -math.inf: "−∞"}.get(value, "not known")
    if not 1e-4 <= abs(value) < 1e6:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}".replace(
            "-", "−"
        )
    if abs(value) >= 10**digits:
        return f"{value:,.0f}".replace("-", "−")
    text = f"{value:.{digits}g}"
    if "e" in text:
        text = f"{float(text):.10f}".rstrip("0").rstrip(".")
    return text.replace("-", "−")


def error(value: float) -> str:
    """An error to four decimals: 0.4986; a loss above one to four significant digits."""
    return f"{value:.4f}".replace("-", "−") if abs(value) < 1 else short(value, 4)


def si(value: float, unit: str = "", digits: int = 3) -> str:
    """A number with an SI prefix: 800 GFLOPs, 25k."""
    for scale, prefix in _SI:
        if abs(value) >= scale * 0.9995:
            return f"{short(value / scale, digits)}{' ' if unit else ''}{prefix}{unit}"
    return f"{short(value, digits)} {unit}".strip()


def parameters(value: float) -> str:
    """A number of parameters as the field writes it: 0.5B, 7B, 25k."""
    if 2.5e8 <= value < 1e12:
        return f"{short(value / 1e9)}B"
    return si(value)


def percent(share: float) -> str:
    """A share as a percentage without false precision: 83%, more than 99%, less than 1%."""
    if share > 0.99:
        return "more than 99%"
    return "less than 1%" if share < 0.01 else f"{100 * share:.0f}%"


def fraction(value: float | None) -> str:
    """A part of a whole in percent: 83%, 0.4%, 0%; a dash where it is not known."""
    if value is None or math.isnan(value):
        return "-"
    return f"{short(100 * value, 2) if 0 < abs(value) < 0.01 else round(100 * value)}%"


def share(value: float) -> str:
    """A share as a short percentage: 83%, > 99%, < 1%."""
    return percent(value).replace("more than", ">").replace("less than", "<")


def count(value: float, noun: str) -> str:
    """A count with its noun: 1 point, 28 points, 13.5 visual tokens."""
    number = f"{value:,.0f}" if float(value).is_integer() else short(value)
    return f"{number} {noun}" + ("" if value == 1 else "s")


def listed(names: Iterable[str]) -> str:
    """Names in a row: 'a', 'a and b', 'a, b and c'."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def tokens(value: float) -> str:
    """Visual tokens with their noun."""
    return count(value, "visual token")
