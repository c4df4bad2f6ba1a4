"""Inputs that get past the first check: valid ones, changed where it hurts. Every choice is made by a
`random.Random`, so
that a seed, hypothesis or a coverage-guided fuzzer can make it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import Any

NUMBERS = (
    "0", "-0", "1", "-1", "2", "0.5", "1e-300", "5e-324", "1e9", "7e9", "1e15", "1e18", "1.0e18", "1e30", "1e308",
    "1e309",
    "1e999999999", "-1e308", "nan", "NaN", "inf", "-inf", "Infinity", "9007199254740993", "9223372036854775808",
    "9" * 40,
    "9" * 400, "9" * 5000, "0x10", "1_000", "0o7", "1,5", "٣", "½", "1e", ".", "-", "+", "1e-", "--1", "1.5.2", "true",
)  # fmt: skip
WORDS = (
    "", " ", "\x00", "\n", "\r", "\t", "é", "你好", "🦙", "\ud800", "\u202e", "\ufeff", "a" * 300, "../../x",
    "/etc/passwd", "~",
    "C:\\x", "$(x)", "`x`", "; rm x", "${HOME}", "%s", "{0.__class__}", "{:>999999999}", "__class__", "<b>",
    "[red]", "=1+1",
    "null", "~", "yes", "off", "2020-99-99", "1:2", "N/A", "\x1b[31m", "none", "all", "*", "?", "[z-a]", "[!",
    "**", "|", "\\",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**53 + 1, 2**63, 10**400, 0.5, 1e308, -1e308, 5e-324, float("nan"),
    float("inf"),    "",
    [], {}, [[]], [None], {"": None}, {"a": {"a": {"a": 1}}}, [1, "a", None],
)  # fmt: skip


def number(chance: random.Random) -> str:
    """A number as somebody may write it: odd ones, and plain ones of every size."""
    if chance.random() < 0.5:
        return chance.choice(NUMBERS)
    plain = chance.choice((1, 1, 1, -1)) * chance.random() * 10.0 ** chance.randrange(-12, 20)
    return f"{plain:.{chance.randrange(1, 8)}g}"


def word(chance: random.Random, known: Sequence[str] = ()) -> str:
    """A word: one that is known, an odd one, or a number."""
    kind = chance.random()
    if known and kind < 0.6:
        return chance.choice(known)
    return chance.choice(WORDS) if kind < 0.85 else number(chance)


def value(chance: random.Random, known: Sequence[str] = ()) -> Any:
    """A value as JSON or YAML may hold it."""
    kind = chance.random()
    if kind < 0.5:
        return copy.deepcopy(chance.choice(VALUES))
    if kind < 0.7:
        return word(chance, known)
    return chance.choice((int, float))(chance.randrange(-10, 1 << chance.randrange(1, 60)))


def tree(chance: random.Random, valid: Any, known: Sequence[str] = (), changes: int = 3) -> Any:
    """A nested value with a few of its places changed: another value, another key, one left out, doubled or nested."""
    made = copy.deepcopy(valid)
    for _ in range(chance.randrange(changes + 1)):
        made = _changed(chance, made, known)
    return made


def _changed(chance: random.Random, whole: Any, known: Sequence[str]) -> Any:
    node, place = _somewhere(chance, whole)
    if node is None:
        return value(chance, known) if chance.random() < 0.3 else {word(chance, known): whole}
    kind = chance.randrange(7)
    if kind <= 2:
        node[place] = value(chance, known)
    elif kind == 3:
        del node[place]
    elif kind == 4:
        inner = node[place]
        for _ in range(chance.choice((1, 2, 30, 70))):
            inner = [inner] if chance.random() < 0.5 else {word(chance, known): inner}
        node[place] = inner
    elif isinstance(node, list):
        node[place:place] = [copy.deepcopy(node[place])] * chance.choice((1, 2, 100))
    else:
        moved = node.pop(place) if kind == 5 else copy.deepcopy(node[place])
        node[word(chance, known)] = moved
    return whole


def _somewhere(chance: random.Random, whole: Any) -> tuple[Any, Any]:
    """A container in the tree and a place in it; (None, None) for the tree itself."""
    node, place = None, None
    here = whole
    while isinstance(here, dict | list) and here:
        if node is not None and chance.random() < 0.15:
            break
        node = here
        place = chance.choice(list(here)) if isinstance(here, dict) else chance.randrange(len(here))
        here = here[place]
    return node, place


def text(chance: random.Random, valid: str, tokens: Sequence[str] = ()) -> str:
    """A text with tokens put in, taken out, doubled or moved."""
    for _ in range(chance.randrange(1, 4)):
        at, to = sorted((chance.randrange(len(valid) + 1), chance.randrange(len(valid) + 1)))
        kind = chance.randrange(6)
        to = min(to, at + 24)
        if kind <= 1:
            valid = valid[:at] + word(chance, tokens) + valid[at:]
        elif kind == 2:
            valid = valid[:at] + word(chance, tokens) + valid[to:]
        elif kind == 3:
            valid = valid[:at] + valid[to:]
        elif kind == 4:
            valid = valid[:at] + valid[at:to] * chance.choice((2, 3, 50)) + valid[to:]
        else:
            valid = (
                valid[:at]
                + chr(chance.choice((0, 9, 10, 34, 35, 39, 44, 58, 91, 123, 0x661, 0x2028, 0xFFFF)))
                + valid[at:]
            )
    return valid


def csv(chance: random.Random, valid: str, known: Sequence[str] = ()) -> str:
    """A csv with cells, names or lines changed, and now and then a byte of it."""
    lines = [line.split(",") for line in valid.strip().splitlines()]
    for _ in range(chance.randrange(1, 4)):
        line = chance.choice(lines)
        if not line:
            continue
        at, kind = chance.randrange(len(line)), chance.randrange(8)
        if kind <= 2:
            line[at] = word(chance, known) if line is lines[0] else number(chance)
        elif kind == 3:
            line[at] = word(chance, known)
        elif kind == 4:
            del line[at]
        elif kind == 5:
            line.insert(at, word(chance, known))
        elif kind == 6:
            lines.append(list(line))
        else:
            lines.pop(lines.index(line)) if len(lines) > 1 else None
    made = chance.choice(("\n", "\n", "\n", "\r\n", "\r")).join(",".join(line) for line in lines)
    return text(chance, made, known) if chance.random() < 0.2 else made


SIZES = (
    b"\x00",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\x80\x80\x80\x80\x01",
)


def binary(chance: random.Random, valid: bytes, near_the_end: bool = False) -> bytes:
    """Bytes of a file, some flipped, cut, moved or made large; the end holds what most formats read first."""
    made = bytearray(valid)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if not made:
            break
        low = max(0, len(made) - 4096) if near_the_end and chance.random() < 0.7 else 0
        at, kind = chance.randrange(low, len(made)), chance.randrange(7)
        if kind <= 2:
            made[at] ^= 1 << chance.randrange(8)
        elif kind == 3:
            made[at] = chance.randrange(256)
        elif kind == 4:
            put = chance.choice(SIZES)
            made[at : at + len(put)] = put
        elif kind == 5:
            start, length = chance.randrange(len(made)), chance.randrange(1, 64)
            made[at : at + length] = made[start : start + length]
        elif chance.random() < 0.5:
            del made[at : at + chance.choice((1, 4, 64))]
        else:
            del made[at:]
    return bytes(made)
