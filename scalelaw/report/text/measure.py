"""The width of text in the report's face, and text wrapped or cut to a width in inches."""

from __future__ import annotations

from functools import cache, lru_cache

from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font

from scalelaw.report.text.glyphs import FACE, drawable

LEADING = 1.38
"""Distance of two lines in type sizes."""
_UNITS = 100.0


@lru_cache(maxsize=20_000)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """The width of the longest line of a text in inches, in the report's face at `size` points."""
    advances = _advances(weight)
    lines = drawable(text).split("\n")
    return max(sum(map(advances.__getitem__, line)) for line in lines) * size / 72


class _Advances(dict[str, float]):
    """How far each letter of a face takes the pen, as a share of the type size; kerning is left out."""

    def __init__(self, weight: str) -> None:
        super().__init__()
        self._font = FT2Font(findfont(FontProperties(family=FACE, weight=weight)))
        self._font.set_size(_UNITS, 72)

    def __missing__(self, letter: str) -> float:
        glyph = self._font.load_char(ord(letter))
        self[letter] = glyph.linearHoriAdvance / 65536 / _UNITS
        return self[letter]


@cache
def _advances(weight: str) -> _Advances:
    return _Advances(weight)


def wrap(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """Break text into lines of at most `width` inches; a word that is too long by itself is cut."""
    lines: list[str] = []
    for paragraph in drawable(str(text)).split("\n"):
        line = ""
        for word in paragraph.split():
            while text_width(word, size, weight) > width and len(word) > 1:
                head = _fitting(word if not line else f"{line} {word}", width, size, weight)
                lines.append(head)
                word = (word if not line else f"{line} {word}")[len(head) :].strip()
                line = ""
            trial = f"{line} {word}" if line else word
            if line and text_width(trial, size, weight) > width:
                lines.append(line)
                line = word
            else:
                line = trial
        lines.append(line)
    return lines


def _fitting(text: str, width: float, size: float, weight: str) -> str:
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_width(text[:middle], size, weight) <= width else (low, middle - 1)
    return text[:low]


def clip(text: str, width: float, size: float, weight: str = "normal") -> str:
    """One line of at most `width` inches; what is cut is shown by an ellipsis."""
    text = drawable(" ".join(str(text).split("\n")))
    if text_width(text, size, weight) <= width:
        return text
    if width <= text_width("…", size, weight):
        return "…"
    return _fitting(text, width - text_width("…", size, weight), size, weight).rstrip() + "…"
