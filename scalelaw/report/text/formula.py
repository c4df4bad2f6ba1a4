"""A law's formula set as mathematics: error = A · N^-alpha becomes a line with true exponents and Greek letters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from matplotlib.mathtext import MathTextParser

from scalelaw.report.text import format as fmt

_GREEK = (
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "rho",
    "sigma",
    "theta",
)
_TOKEN = re.compile(r"\s*([A-Za-z_]\w*|[α-ω]|[0-9.]+(?:e[+-]?\d+)?|\*\*|[-+*/^()=,−·])\s*")


class Formula(str):
    """Mathematics as `typeset` sets it ('$...$'); any other text that begins with a dollar sign is text."""

    __slots__ = ()


def typeset(formula: str, params: Mapping[str, float] | None = None, digits: int = 3) -> str:
    """The formula as mathtext (a Formula), with the numbers of `params` in their places where given; the plain
    words of `words.formula` where it is not of a form that can be set."""
    plain = fmt.formula(formula, params, digits)
    if fmt.is_sentence(plain):
        return plain
    terms, end = [], 0
    for match in _TOKEN.finditer(source := fmt.formula(formula)):
        if match.start() != end:
            return plain
        terms.append(match[1])
        end = match.end()
    text = _set(terms, {fmt.greek(name): value for name, value in (params or {}).items()}, digits)
    return Formula(text) if end == len(source) and text and _can_be_set(text) else plain


def _set(terms: list[str], params: Mapping[str, float], digits: int) -> str:
    out, index = "", 0
    while index < len(terms):
        term = terms[index]
        if term in ("^", "**"):
            sign = terms[index + 1] in ("-", "−") if index + 1 < len(terms) else False
            index += 1 + sign
            exponent = _atom(terms[index], params, digits) if index < len(terms) else ""
            if not exponent:
                return ""
            out += "^{" + ("-" if sign else "") + exponent + "}"
        else:
            out += {"*": r"\,", "·": r"\,", "=": " = ", "+": " + ", "-": " - ", "−": " - "}.get(
                term, _atom(term, params, digits)
            )
        index += 1
    out = re.sub(r" [+-] 0(?= [+-] |$)", "", out.replace("+ -", "- "))
    out = re.sub(r"\\,\w+\^\{-0\}", "", out)  # a power of 0 is 1
    return f"${out}$"


def _atom(term: str, params: Mapping[str, float], digits: int) -> str:
    if term in params:
        return fmt.short(params[term], digits).replace("−", "-")
    letters = {fmt.greek(name): name for name in _GREEK if fmt.greek(name) != name}
    if term in letters or term in _GREEK:
        return "\\" + letters.get(term, term) + " "
    if len(term) > 1 and term[0].isalpha():
        head, _, tail = term.partition("_")
        escaped = tail.replace("_", r"\_")
        return rf"\mathrm{{{head}}}" + (rf"_{{\mathrm{{{escaped}}}}}" if tail else "")
    return term


@lru_cache(maxsize=256)
def _can_be_set(text: str) -> bool:
    try:
        MathTextParser("path").parse(text)
    except ValueError:
        return False
    return True
