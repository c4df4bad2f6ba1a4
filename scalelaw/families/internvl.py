"""InternVL 2.5, 3 and 3.5: tiles of 448 x 448 pixels in the grid nearest to the aspect ratio, and a thumbnail.

    tokens = 256 (tiles + 1), or 256 for one tile; a tile is 32 x 32 patches, of which 2 x 2 become one (pixel shuffle)

Source: arXiv 2412.05271, section 3.1; defaults of OpenGVLab/InternVL3-8B-hf (at most 12 tiles).
Counts: the image tokens; markers: the begin and the end. A frame of a video is one tile.
Leaves out: the names of a video's frames, which are text; the sampling of its frames.
"""

from __future__ import annotations

from dataclasses import replace

from scalelaw.families._contract import Counted, Setting, Settings, fixed, switch
from scalelaw.families._tiles import closest_grid, grids, tiled
from scalelaw.families._vision import LAYER_NORM, Fields, blocks, linear, patching, square_side
from scalelaw.model_shapes.reading import flag, number_of, whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("internvl", "internvl_chat", "qianfan_ocr")
SETTINGS = (
    Setting(
        "min_patches",
        "fewest tiles of an image",
        1,
        ("image.min_patches", "config.min_dynamic_patch"),
        "tiles",
        1,
        64,
    ),
    Setting(
        "max_patches",
        "most tiles, without the thumbnail",
        12,
        ("image.max_patches", "config.max_dynamic_patch"),
        "tiles",
        1,
        64,
    ),
    switch("crop_to_patches", "cut the image into tiles", True, "config.dynamic_image_size"),
    fixed(
        "image_size",
        "side of a tile",
        448,
        "config.force_image_size",
        "config.vision_config.image_size",
        "image.size.height",
    ),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size"),
    fixed("downsample_ratio", "side of the pixel shuffle, inverse", 0.5, "config.downsample_ratio", unit="1"),
)


def _tokens_per_tile(settings: Settings) -> int:
    return int((settings["image_size"] // settings["patch_size"]) ** 2 * settings["downsample_ratio"] ** 2)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """One tile where tiles are off, or where the grid is 1 x 1."""
    tile, grid = settings["image_size"], (1, 1)
    if settings["crop_to_patches"]:
        candidates = grids(settings["min_patches"], settings["max_patches"])
        grid = closest_grid(width, height, (tile, tile), candidates)
    return replace(tiled(grid, tile, settings, _tokens_per_tile(settings)), markers=2)


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """Each frame is one tile with its own begin and end."""
    tile = settings["image_size"]
    one = tiled((1, 1), tile, settings, _tokens_per_tile(settings))
    return Counted(tile, tile, frames * one.patches, frames * one.visual_tokens, frames * 2, frames)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """A tile: all its patches and a class token; pixel shuffle, a norm and two matrices at each square of patches."""
    width, layers = whole(vision, "hidden_size"), whole(vision, "num_hidden_layers")
    patch, image = (square_side(vision, name) for name in ("patch_size", "image_size"))
    patches = (image // patch) ** 2
    merge = round(1 / number_of("downsample_ratio", top.get("downsample_ratio", 0.5)))
    norm = LAYER_NORM if vision.get("norm_type", "layer_norm") == "layer_norm" else 1
    biased = flag(vision, "qkv_bias", flag(vision, "attention_bias"))
    qk_norms = 2 * width * flag(vision, "qk_normalization", flag(vision, "use_qk_norm"))
    single = width * (1 + flag(vision, "use_mask_token"))
    positions = (patches + 1) * width * flag(vision, "use_absolute_position_embeddings", True)
    last = 0 if flag(vision, "use_mean_pooling", True) else norm * width
    wide = merge**2 * width
    parts = (
        patching(width, patch, vectors=width + single + positions + last),
        blocks(
            layers, width, whole(vision, "intermediate_size"), norms=2 * norm,
            attention_biases=1 + 3 * biased, extra_vectors=2 * width + qk_norms,
        ),
        linear(wide, text_width, "merged", vectors=2 * wide),
        linear(text_width, text_width, "merged"),
    )  # fmt: skip
    return VisionShape("internvl_vision", parts, width, patch, merge, extra_tokens=1)
