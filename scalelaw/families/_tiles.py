"""Grids of tiles: which grid an image is cut into."""

from __future__ import annotations

from functools import lru_cache

from scalelaw.families._contract import Counted, Setting, Settings


@lru_cache(maxsize=64)
def grids(fewest: int, most: int) -> tuple[tuple[int, int], ...]:
    """(columns, rows) of `fewest` to `most` tiles, by their number; ties in the order of the columns."""
    pairs = [(w, h) for w in range(1, most + 1) for h in range(1, most + 1) if fewest <= w * h <= most]
    return tuple(sorted(pairs, key=lambda grid: grid[0] * grid[1]))


def closest_grid(
    width: int, height: int, tile: tuple[int, int], candidates: tuple[tuple[int, int], ...]
) -> tuple[int, int]:
    """The (columns, rows) whose ratio is nearest to the image's; of equal ones the later one, where the image has more
    than half its area. tile: (height, width)."""
    ratio, area = width / height, width * height
    best, least = (1, 1), float("inf")
    for grid in candidates:
        distance = abs(ratio - grid[0] / grid[1])
        if distance < least:
            best, least = grid, distance
        elif distance == least and area > 0.5 * tile[0] * tile[1] * grid[0] * grid[1]:
            best = grid
    return best


def tile_count_settings(
    fewest: int,
    most: int,
    *,
    names: tuple[str, str] = ("min_patches", "max_patches"),
    sources: tuple[str, ...] = ("image.{}",),
) -> tuple[Setting, Setting]:
    """The knobs for the number of tiles, by the names that the processor has for them; `sources`: where the files give
    them, with {} for the name."""
    least, largest = (tuple(place.format(name) for place in sources) for name in names)
    return (
        Setting(names[0], "fewest tiles of an image", fewest, least, "tiles", 1, 64),
        Setting(names[1], "most tiles, without the thumbnail", most, largest, "tiles", 1, 64),
    )


def tiled(
    grid: tuple[int, int], tile: int, settings: Settings, tokens_per_tile: int, *, thumbnail: bool = True
) -> Counted:
    """The count of an image cut into a grid of square tiles, with a thumbnail where it has more than one tile."""
    columns, rows = grid
    tiles = columns * rows + (1 if thumbnail and columns * rows > 1 else 0)
    patches = tiles * (tile // settings["patch_size"]) ** 2
    return Counted(columns * tile, rows * tile, patches, tiles * tokens_per_tile, 0, tiles, columns, rows)
