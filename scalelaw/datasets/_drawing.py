"""Drawing for the scenes: coloured shapes and digits on a noisy ground, many images at once."""

from __future__ import annotations

import numpy as np

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.9, 0.1, 0.1),
    "green": (0.1, 0.8, 0.1),
    "blue": (0.15, 0.25, 1.0),
    "yellow": (0.9, 0.9, 0.1),
    "magenta": (0.9, 0.1, 0.9),
    "cyan": (0.1, 0.9, 0.9),
    "white": (1.0, 1.0, 1.0),
    "orange": (1.0, 0.5, 0.0),
}
SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring", "bar", "hourglass")
INK = np.array(list(COLOURS.values()))

_GLYPHS = """
.###. ..#.. .###. ##### ...#. ##### ..##. ##### .###. .###.
#...# .##.. #...# ...#. ..##. #.... .#... ....# #...# #...#
#..## ..#.. ....# ..#.. .#.#. ####. #.... ...#. #...# #...#
#.#.# ..#.. ...#. ...#. #..#. ....# ####. ..#.. .###. .####
##..# ..#.. ..#.. ....# ##### ....# #...# .#... #...# ....#
#...# ..#.. .#... #...# ...#. #...# #...# .#... #...# ...#.
.###. .###. ##### .###. ...#. .###. .###. .#... .###. .##..
"""
_ROWS = [line.split() for line in _GLYPHS.strip().splitlines()]
FONT = np.array([[[c == "#" for c in row[digit]] for row in _ROWS] for digit in range(10)])  # [digit, 7, 5]


def ground(noise: np.ndarray, level: np.ndarray) -> np.ndarray:
    """A grey ground: noise [n, height, width] in [0, 1), level [n] -> float [n, height, width, 3]."""
    grey = level[:, None, None] * 0.2 + (noise - 0.5) * 0.1
    return np.repeat(grey[..., None], 3, axis=-1)


def draw_shapes(
    images: np.ndarray, shape: np.ndarray, ink: np.ndarray, centre: np.ndarray, radius: np.ndarray
) -> None:
    """Draw one shape on each image, in place.

    shape [n] in SHAPES; ink [n, 3]; centre [n, 2] (y, x) and radius [n] in pixels.
    """
    height, width = images.shape[1:3]
    y = (np.arange(height)[None, :, None] - centre[:, 0, None, None]) / radius[:, None, None]
    x = (np.arange(width)[None, None, :] - centre[:, 1, None, None]) / radius[:, None, None]
    mask = np.zeros(images.shape[:3], bool)
    for kind in range(len(SHAPES)):
        if (selected := shape == kind).any():
            mask[selected] = _inside(kind, y[selected], x[selected])
    np.copyto(images, ink[:, None, None, :], where=mask[..., None])


def _inside(kind: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    across, up = np.abs(x), np.abs(y)
    far, near = np.maximum(across, up), np.minimum(across, up)
    round_ = x * x + y * y
    inside: np.ndarray = [
        lambda: round_ < 1,
        lambda: far < 0.85,
        lambda: (up < 0.9) & (across < (y + 0.9) / 1.8),
        lambda: across + up < 1,
        lambda: (near < 0.28) & (far < 1),
        lambda: (round_ < 1) & (round_ > 0.35),
        lambda: (up < 0.35) & (across < 1),
        lambda: (up < 0.9) & (across < up),
    ][kind]()
    return inside


def draw_digits(
    images: np.ndarray, digits: np.ndarray, shown: np.ndarray, ink: np.ndarray, corner: np.ndarray
) -> None:
    """Draw a row of digits on each image, in place.

    digits [n, k]; shown [n, k] bool, which of them to draw; ink [n, 3]; corner [n, k, 2] (y, x) in whole pixels.
    """
    height, width = images.shape[1:3]
    rows = np.arange(images.shape[0])[:, None, None]
    for place in range(digits.shape[1]):
        y = corner[:, place, 0, None, None] + np.arange(7)[None, :, None]
        x = corner[:, place, 1, None, None] + np.arange(5)[None, None, :]
        inside = (
            FONT[digits[:, place]]
            & shown[:, place, None, None]
            & (y >= 0)
            & (y < height)
            & (x >= 0)
            & (x < width)
        )
        n, i, j = np.nonzero(inside)
        images[rows[n, 0, 0], y[n, i, 0], x[n, 0, j]] = ink[n]
