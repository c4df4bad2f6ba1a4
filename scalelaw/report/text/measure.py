"""The width of text in the report's face, and text wrapped or cut to a width in inches."""

from __future__ import annotations

from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from scalelaw.report.text.glyphs import FACE, drawable

LEADING = 1.38
"""Distance of two lines in type sizes."""


@lru_cache(maxsize=20_000)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """The width of one line of text in inches, in the report's face at `size` points."""
    font = FontProperties(family=FACE, size=size, weight=weight)
    widths = (
        text_to_path.get_text_width_height_descent(line, font, ismath=False)[0]
        for line in drawable(text).split("\n")
    )
    return float(max(widths)) / 72


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
