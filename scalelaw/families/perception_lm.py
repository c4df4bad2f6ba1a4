"""Perception LM: up to 36 tiles of 448 x 448 pixels and a thumbnail.

    tokens = 256 (tiles + 1); a tile is 32 x 32 patches, pooled 2 x 2; a frame of a video is one tile

The canvas is the one that holds the image enlarged the most, so a small image takes many tiles; where none holds it,
the one nearest to its aspect ratio.
Source: arXiv 2504.13180, section 2; defaults of facebook/Perception-LM-1B.
Counts: the image tokens. An image of one tile has a thumbnail, too.
Leaves out: the sampling of a video's frames; the chat template.
"""

from __future__ import annotations

import math
from functools import lru_cache

from scalelaw.errors import InputError
from scalelaw.families._contract import Counted, Setting, Settings, fixed
from scalelaw.families._vision import LAYER_NORM, Fields, blocks, inner_fields, linear, patching, square_side
from scalelaw.model_shapes.reading import flag, number_of, whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("perception_lm",)
SETTINGS = (
    Setting(
        "max_num_tiles",
        "most tiles of an image, without the thumbnail",
        36,
        ("image.max_num_tiles",),
        "tiles",
        1,
        64,
    ),
    Setting(
        "vision_input_type",
        "tiles and a thumbnail, or one image",
        "thumb+tile",
        ("image.vision_input_type",),
        allowed=("thumb+tile", "vanilla"),
    ),
    fixed("tile_size", "side of a tile", 448, "image.tile_size"),
    fixed("patch_size", "side of a patch", 14, "processor.patch_size"),
    fixed(
        "pooling_ratio",
        "patches along a side that become one token",
        2,
        "config.projector_pooling_ratio",
        "processor.pooling_ratio",
        unit="patches",
    ),
)


@lru_cache(maxsize=64)
def _by_ratio(most: int) -> dict[float, list[tuple[int, int]]]:
    """(columns, rows) of up to `most` tiles, by their ratio."""
    groups: dict[float, list[tuple[int, int]]] = {}
    for tiles in range(most, 0, -1):
        for columns in (n for n in range(1, tiles + 1) if tiles % n == 0):
            groups.setdefault(columns / (tiles // columns), []).append((columns, tiles // columns))
    return groups


def _inner(width: int, height: int, wide: int, high: int) -> tuple[float, float]:
    ratio, factor = width / height, min(wide / width, high / height)
    if ratio > 1.0:
        return factor * width, math.floor(factor * width / ratio)
    return math.floor(factor * height * ratio), factor * height


def _holding(width: int, height: int, tile: int, most: int) -> tuple[int, int] | None:
    best, ratio = None, width / height
    seen: tuple[float, float] = (0.0, 0.0)
    for columns, rows in (grid for same in _by_ratio(most).values() for grid in same):
        wide, high = columns * tile, rows * tile
        if wide < width or high < height:
            continue
        inner = _inner(width, height, wide, high)
        if best is None or (ratio < 1.0 and inner[0] >= seen[0]) or (ratio >= 1.0 and inner[1] >= seen[1]):
            best, seen = (columns, rows), inner
    return best


def _nearest(width: int, height: int, most: int) -> tuple[int, int] | None:
    ratio, groups = width / height, _by_ratio(most)
    if ratio >= 1:
        near = min((k for k in groups if k <= ratio), key=lambda k: abs(k - ratio))
        return max(groups[near], key=lambda grid: grid[0])
    above = [k for k in groups if k > ratio]
    near = min(above, key=lambda k: abs(1 / k - 1 / ratio))
    return max(groups[near], key=lambda grid: grid[1])


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """The thumbnail comes first."""
    tile, most = settings["tile_size"], settings["max_num_tiles"]
    columns = rows = 1
    tiled = settings["vision_input_type"] == "thumb+tile"
    if tiled and most > 1:
        columns, rows = _holding(width, height, tile, most) or _nearest(width, height, most) or (1, 1)
    images = columns * rows + (1 if tiled else 0)
    return _count(images, columns, rows, settings)


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """Each frame is one tile."""
    return _count(frames, 1, 1, settings)


def _count(images: int, columns: int, rows: int, settings: Settings) -> Counted:
    tile, side = settings["tile_size"], settings["tile_size"] // settings["patch_size"]
    tokens = (side // settings["pooling_ratio"]) ** 2
    return Counted(columns * tile, rows * tile, images * side**2, images * tokens, 0, images, columns, rows)


PE = {"vit_pe_core_large": (1024, 23, 4.0, True), "vit_pe_core_gigantic": (1536, 47, 8960 / 1536, False)}
"""Width, layers, ratio of the feed-forward, and whether it has a class token, of timm's encoders by their names."""


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Perception Encoder: layers with scales, no last norm; two matrices at each patch, pooled behind them."""
    named, own = str(vision.get("architecture") or ""), inner_fields(vision, "model_args")
    known = next(
        (values for name, values in PE.items() if named.startswith((name, name.replace("core", "lang")))),
        None,
    )
    if known is None:
        raise InputError(
            f"No closed form is known for the encoder '{named[:60]}'.",
            code="unknown_encoder",
            hint=f"Known: {', '.join(PE)}.",
        )
    width, layers = whole(own, "embed_dim", known[0]), whole(own, "depth", known[1])
    patch = whole(own, "patch_size", 14)
    side = square_side({"img_size": 448, **own}, "img_size") // patch
    feed_forward = int(width * number_of("mlp_ratio", own.get("mlp_ratio", known[2])))
    class_token = 1 if flag(own, "class_token", known[3]) else 0
    norms = LAYER_NORM * (1 + flag(own, "use_post_transformer_norm", True))
    parts = (
        patching(width, patch, vectors=(norms + side**2 + 2 * class_token) * width),
        blocks(layers, width, feed_forward, extra_vectors=0 if own.get("init_values") is None else 2 * width),
        linear(width, text_width, "patch"),
        linear(text_width, text_width, "patch"),
    )
    return VisionShape(named or "perception encoder", parts, width, patch, extra_tokens=class_token)
