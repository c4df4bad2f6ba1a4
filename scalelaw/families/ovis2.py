"""Ovis2: tiles of 448 x 448 pixels in the smallest grid whose tiles cover 90% of the image, and a thumbnail.

    tokens = 256 (tiles + 1), or 256 for one tile; a tile is 32 x 32 patches, of which 2 x 2 become one

Source: arXiv 2405.20797 and the classes Ovis2ImageProcessor and Ovis2Processor of transformers; defaults of
AIDC-AI/Ovis2-8B (at most 9 tiles).
Counts: the image tokens; markers: begin, end, the grid, and the breaks between columns and rows.
Leaves out: the chat template.
"""

from __future__ import annotations

from dataclasses import replace

from scalelaw.families._contract import Counted, Settings, fixed, switch
from scalelaw.families._tiles import closest_grid, grids, tile_count_settings, tiled
from scalelaw.families._vision import Fields, blocks, inner_fields, patching, projected
from scalelaw.model_shapes.reading import flag, whole
from scalelaw.model_shapes.vision import PROJECTOR, Part, VisionShape

MODEL_TYPES = ("ovis2", "ovis")
BACKBONE = "config.visual_tokenizer_config.backbone_config"
"""Where the released layout of Ovis 1.6 and 2 has the encoder."""
COVERED = 0.9
SETTINGS = (
    *tile_count_settings(1, 9),
    switch("crop_to_patches", "cut the image into tiles", True, "image.crop_to_patches"),
    switch(
        "use_covering_area_grid",
        "take the smallest grid that covers the image, not the nearest aspect ratio",
        True,
        "image.use_covering_area_grid",
    ),
    fixed(
        "image_size",
        "side of a tile",
        448,
        "config.vision_config.image_size",
        f"{BACKBONE}.image_size",
        "image.size.height",
    ),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size", f"{BACKBONE}.patch_size"),
    fixed(
        "hidden_stride",
        "patches along a side that become one token",
        2,
        "config.vision_config.hidden_stride",
        "config.visual_tokenizer_config.hidden_stride",
        unit="patches",
    ),
)


def _covered(width: int, height: int, grid: tuple[int, int], side: int) -> float:
    """The share of the image that the grid's tiles keep."""
    step_y, step_x = height // grid[0], width // grid[1]
    kept = 0.0
    for row in range(grid[0]):
        for column in range(grid[1]):
            wide = (width if column == grid[1] - 1 else (column + 1) * step_x) - column * step_x
            high = (height if row == grid[0] - 1 else (row + 1) * step_y) - row * step_y
            longer, shorter = float(max(wide, high)), float(min(wide, high))
            if longer > side:
                longer, shorter = float(side), shorter / longer * side
            kept += longer * shorter
    return kept / (width * height)


def _covering_grid(width: int, height: int, side: int, most: int) -> tuple[int, int]:
    shares = [(grid, _covered(width, height, grid, side)) for grid in grids(1, most)]
    enough = [entry for entry in shares if entry[1] > COVERED]
    if enough:
        return min(enough, key=lambda entry: (entry[0][0] * entry[0][1], -entry[1]))[0]
    return min(shares, key=lambda entry: (-entry[1], entry[0][0] * entry[0][1]))[0]


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """The grid and the breaks between its columns and rows stand in the prompt."""
    tile, most, grid = settings["image_size"], settings["max_patches"], (1, 1)
    if settings["crop_to_patches"] and most > 1:
        if settings["use_covering_area_grid"]:
            grid = _covering_grid(width, height, tile, most)
        else:
            grid = closest_grid(width, height, (tile, tile), grids(settings["min_patches"], most))
    side = -(-(tile // settings["patch_size"]) // settings["hidden_stride"])
    counted = tiled(grid, tile, settings, side**2)
    breaks = counted.rows * (counted.columns - 1) + counted.rows - 1
    return replace(counted, markers=3 + breaks)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """AIMv2 with gated feed-forwards; its tokens are drawn from a visual vocabulary, whose embeddings are averaged."""
    if outer := inner_fields(top, "visual_tokenizer_config"):
        vision = {**outer, **inner_fields(outer, "backbone_config"), "vocab_size": outer.get("vocab_size")}
    width, patch = whole(vision, "hidden_size"), whole(vision, "patch_size")
    side = whole(vision, "image_size") // patch
    stride, vocabulary = whole(vision, "hidden_stride", 1), whole(vision, "vocab_size")
    words = vocabulary - whole(vision, "num_visual_indicator_tokens", 5)
    tokens = (-(-side // stride)) ** 2
    head = (
        Part(PROJECTOR, "tile", stride**2 * width * words, 2 * words, times=tokens),
        Part(PROJECTOR, "tile", vocabulary * text_width, times=tokens),
    )
    if str(vision.get("model_type")).startswith("siglip"):
        return projected({**vision, "model_type": "siglip_vision_model"}, head)
    parts = (
        patching(width, patch, whole(vision, "num_channels", 3), vectors=(side**2 + 3) * width),
        blocks(
            whole(vision, "num_hidden_layers"), width, whole(vision, "intermediate_size"), gated=True, norms=2,
            attention_biases=4 * flag(vision, "qkv_bias"),
            mlp_bias=flag(vision, "mlp_bias", flag(vision, "use_bias")),
        ),
        *head,
    )  # fmt: skip
    return VisionShape("aimv2", parts, width, patch)
