"""LFM2-VL: an image of ordinary size is resized to 64 to 256 tokens, a large one is cut into tiles of 512 x 512 pixels.

    tokens of a whole image = ceil(height / 32) ceil(width / 32); tiles: 256 each, and the whole image as thumbnail

Source: arXiv 2511.23404 and the classes Lfm2VlImageProcessor and Lfm2VlProcessor of transformers, whose defaults these
are (2 to 10 tiles, 64 to 256 tokens).
Counts: the image tokens; markers: begin, end, the name of each tile and of the thumbnail.
Leaves out: the chat template; the padding of a small image to the patches of a large one, which transformers computes.
"""

from __future__ import annotations

import math
from functools import lru_cache

from scalelaw.families._contract import Counted, Setting, Settings, fixed, switch
from scalelaw.families._tiles import closest_grid, tile_count_settings
from scalelaw.families._vision import Fields, linear, patch_tower, pooled_head
from scalelaw.model_shapes.reading import flag, whole
from scalelaw.model_shapes.vision import Part, VisionShape

MODEL_TYPES = ("lfm2_vl",)
SETTINGS = (
    Setting(
        "min_image_tokens",
        "fewest tokens of a whole image",
        64,
        ("image.min_image_tokens",),
        "tokens",
        1,
        4096,
    ),
    Setting(
        "max_image_tokens",
        "most tokens of a whole image",
        256,
        ("image.max_image_tokens",),
        "tokens",
        1,
        4096,
    ),
    switch("do_image_splitting", "cut a large image into tiles", True, "image.do_image_splitting"),
    *tile_count_settings(2, 10, names=("min_tiles", "max_tiles")),
    switch("use_thumbnail", "add the whole image to its tiles", True, "image.use_thumbnail"),
    Setting(
        "max_pixels_tolerance",
        "an image is large above this multiple of the most tokens",
        2.0,
        ("image.max_pixels_tolerance",),
        "1",
        0.01,
        100,
    ),
    fixed("tile_size", "side of a tile", 512, "image.tile_size"),
    fixed("patch_size", "side of a patch", 16, "config.vision_config.patch_size", "image.encoder_patch_size"),
    fixed(
        "downsample_factor",
        "patches along a side that become one token",
        2,
        "config.downsample_factor",
        "image.downsample_factor",
        unit="patches",
    ),
)


@lru_cache(maxsize=64)
def _grids(fewest: int, most: int) -> tuple[tuple[int, int], ...]:
    candidates = [
        (w, h)
        for n in range(fewest, most + 1)
        for w in range(1, n + 1)
        for h in range(1, n + 1)
        if fewest <= w * h <= most
    ]
    return tuple(sorted(set(candidates), key=lambda grid: grid[0] * grid[1]))


def _whole(height: int, width: int, settings: Settings) -> tuple[int, int]:
    """The resized height and width of the whole image."""
    factor = settings["patch_size"] * settings["downsample_factor"]
    fewest, most = settings["min_image_tokens"] * factor**2, settings["max_image_tokens"] * factor**2
    high, wide = (max(factor, round(side / factor) * factor) for side in (height, width))
    if high * wide > most:
        beta = math.sqrt(height * width / most)
        high, wide = (max(factor, math.floor(side / beta / factor) * factor) for side in (height, width))
    elif high * wide < fewest:
        beta = math.sqrt(fewest / (height * width))
        high, wide = (math.ceil(side * beta / factor) * factor for side in (height, width))
    return high, wide


def _is_large(height: int, width: int, settings: Settings) -> bool:
    patch, factor = settings["patch_size"], settings["patch_size"] * settings["downsample_factor"]
    area = max(patch, round(height / factor) * factor) * max(patch, round(width / factor) * factor)
    return bool(area > settings["max_image_tokens"] * factor**2 * settings["max_pixels_tolerance"])


def STEP(settings: Settings) -> int:
    """The sides of a whole image are multiples of this."""
    return int(settings["patch_size"] * settings["downsample_factor"])


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Tiles with the whole image as thumbnail, or the whole image alone."""
    patch, down, tile = settings["patch_size"], settings["downsample_factor"], settings["tile_size"]
    high, wide = _whole(height, width, settings)
    patches = (high // patch) * (wide // patch)
    tokens = math.ceil(high // patch / down) * math.ceil(wide // patch / down)
    fewest, most = settings["min_tiles"], settings["max_tiles"]
    split = settings["do_image_splitting"] and not fewest == most == 1
    if not (split and _is_large(height, width, settings)):
        return Counted(wide, high, patches, tokens, 2)
    columns, rows = closest_grid(width, height, (tile, tile), _grids(fewest, most))
    tiles = columns * rows
    if tiles == 1:
        return Counted(tile, tile, (tile // patch) ** 2, tokens, 2)
    whole = 1 if settings["use_thumbnail"] else 0
    side = tile // patch
    views = ((side, side, tiles), *(((high // patch, wide // patch, 1),) if whole else ()))
    return Counted(
        columns * tile,
        rows * tile,
        tiles * side**2 + whole * patches,
        tiles * math.ceil(tile // patch / down) ** 2 + whole * tokens,
        2 + tiles + whole,
        tiles + whole,
        columns,
        rows,
        views=views,
    )


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP 2 on each tile; pixel unshuffle, and two matrices at each token."""
    width, merge = whole(vision, "hidden_size"), whole(top, "downsample_factor", 2)
    wide, middle = merge**2 * width, whole(top, "projector_hidden_size", 2560)
    bias = flag(top, "projector_bias", True)
    norm = 2 * wide if flag(top, "projector_use_layernorm", True) else 0
    head: tuple[Part, ...] = ()
    if flag(vision, "vision_use_head", True):
        head = tuple(pooled_head(width, whole(vision, "intermediate_size")))
    parts = (
        *patch_tower(vision, whole(vision, "num_patches", 256)),
        *head,
        linear(wide, middle, "merged", bias=bias, vectors=norm),
        linear(middle, text_width, "merged", bias=bias),
    )
    return VisionShape("siglip2_vision_model", parts, width, whole(vision, "patch_size"), merge)
