"""Text that the report's face can draw: letters that it lacks are transliterated or written as escapes, never boxes.

Kana and Hangul are written by their names (`ka`, `han`), symbols and emoji as `:robot face:`, every other letter that
the face lacks as an escape (`\\u5343`). Web pages and the JSON beside a report hold the text as it is.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter

from scalelaw.files.safe_text import escaped, printable
from scalelaw.report.text.formula import Formula

FACE = "DejaVu Sans"
_SHAPES_ARABIC = matplotlib.__version_info__ >= (3, 11)
"""Older versions join no letters and know no writing from right to left."""
_LEFT_TO_RIGHT = "\u200e"
_READING = re.compile(r"(?:HANGUL SYLLABLE|(?:HALFWIDTH )?(?:HIRAGANA|KATAKANA) LETTER(?: SMALL)?) ([A-Z]+)$")


@lru_cache(maxsize=20_000)
def drawable(text: str) -> str:
    """The text with every character that the face lacks written in letters that it has; a Formula as it is."""
    if isinstance(text, Formula):
        return text
    # marks of an earlier call, which would be written as escapes
    text = text.replace("\t", " ").replace(_LEFT_TO_RIGHT, "")
    if text.isascii():
        return printable(text)
    known = _letters()
    out, run = [], False
    for letter in unicodedata.normalize("NFC", printable(text)):
        turns = unicodedata.bidirectional(letter) in ("R", "AL")
        if _SHAPES_ARABIC and turns != run and (turns or not unicodedata.combining(letter)):
            out.append(_LEFT_TO_RIGHT)  # so that what follows keeps its place in the sentence
            run = turns
        drawn = letter == "\n" or (ord(letter) in known and (_SHAPES_ARABIC or not turns))
        out.append(letter if drawn else _spelled(letter))
    return "".join(out)


def _spelled(letter: str) -> str:
    name = unicodedata.name(letter, "")
    if reading := _READING.match(name):
        return reading[1].lower()
    if unicodedata.category(letter) == "So" and name:
        return f":{name.lower()}:"
    return " " if letter == "\u3000" else escaped(letter)


@cache
def _letters() -> frozenset[int]:
    """The characters that both weights of the face hold."""
    files = (findfont(FontProperties(family=FACE, weight=weight)) for weight in ("normal", "bold"))
    first, second = (frozenset(FT2Font(file).get_charmap()) for file in files)
    return first & second


def make_drawable(figure: Figure) -> None:
    """Make every text of a figure's panels drawable: labels, legends, ticks, annotations."""
    for axes in figure.axes:
        make_drawable_axes(axes)


def make_drawable_axes(axes: Axes) -> None:
    """The same for one panel."""
    for axis in (axes.xaxis, axes.yaxis):
        formatter = axis.get_major_formatter()
        if isinstance(formatter, FixedFormatter):
            axis.set_major_formatter(FixedFormatter([drawable(str(text)) for text in formatter.seq]))
    for text in axes.findobj(Text):
        assert isinstance(text, Text)
        content = str(text.get_text())
        if not text.get_parse_math() and (drawn := drawable(content)) != content:
            text.set_text(drawn)
