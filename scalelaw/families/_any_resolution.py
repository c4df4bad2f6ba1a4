"""Any resolution (LLaVA-NeXT): the image is padded to the best of a list of canvases, cut into tiles, and the padding's
features are dropped again."""

from __future__ import annotations

from collections.abc import Sequence

from scalelaw.families._contract import Settings

Pinpoints = Sequence[Sequence[int]]


def best_canvas(height: int, width: int, canvases: Pinpoints) -> tuple[int, int]:
    """The (height, width) that keeps the most pixels of the image, and of those wastes the fewest."""
    best, most, least = (0, 0), 0, float("inf")
    for high, wide in canvases:
        scale = min(wide / width, high / height)
        kept = min(int(width * scale) * int(height * scale), width * height)
        if kept > most or (kept == most and high * wide - kept < least):
            best, most, least = (high, wide), kept, high * wide - kept
    return best


def unpadded(height: int, width: int, high: int, wide: int) -> tuple[int, int]:
    """Rows and columns of features that remain of high x wide when the padding's are dropped."""
    if width / height > wide / high:
        inner = int(round(height * (wide / width), 7))
        return high - (high - inner) // 2 * 2, wide
    inner = int(round(width * (high / height), 7))
    return high, wide - (wide - inner) // 2 * 2


def canvas_of(height: int, width: int, settings: Settings) -> tuple[int, int]:
    """(rows, columns) of the tiles, from the setting `image_grid_pinpoints`."""
    high, wide = best_canvas(height, width, settings["image_grid_pinpoints"])
    return high // settings["image_size"], wide // settings["image_size"]
