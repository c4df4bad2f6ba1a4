"""DeepSeek-OCR: a global view of 1024 x 1024 pixels, and 2 to 6 tiles of 640 x 640 where the image is larger than one.

    tokens = n (n + 1) + 1 + 10 rows (10 columns + 1), n = base_size / 64, with a learned break after each row of tokens

Source: arXiv 2510.18234, section 3, and the processor beside the weights of deepseek-ai/DeepSeek-OCR. Its modes are
    Tiny, Small, Base, Large     base_size = 512, 640, 1024, 1280 with crop_mode = false
    Gundam                       base_size = 1024, image_size = 640, crop_mode = true (the default)
Counts: the image tokens with the row breaks and the separator of the views.
Leaves out: the chat template.
"""

from __future__ import annotations

import math

from scalelaw.families._contract import Counted, Setting, Settings, fixed, refuse, switch
from scalelaw.families._sam import SamShape, halving
from scalelaw.families._tiles import closest_grid, grids, tile_count_settings
from scalelaw.families._vision import Fields, blocks, inner_fields, linear, shrunk
from scalelaw.model_shapes.reading import listed, whole
from scalelaw.model_shapes.vision import TOWER, Part, VisionShape

MODEL_TYPES = ("deepseek_vl_v2/DeepseekOCRForCausalLM",)
SIDES = (512, 640, 768, 1024, 1280)
SETTINGS = (
    switch("crop_mode", "add tiles of an image that is larger than one tile", True),
    Setting("base_size", "side of the global view", 1024, (), "pixels", allowed=SIDES),
    Setting("image_size", "side of a tile", 640, (), "pixels", allowed=SIDES),
    *tile_count_settings(2, 6, sources=()),
    fixed("patch_size", "side of a patch", 16),
    fixed("downsample_ratio", "patches along a side that become one token", 4, unit="patches"),
)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """The global view is padded to a square; an image that is no larger than a tile has no tiles."""
    view, tile, patch = settings["base_size"], settings["image_size"], settings["patch_size"]
    if round(min(width, height) * view / max(width, height)) == 0:
        raise refuse(
            f"An image of {width} x {height} pixels has no pixel left in its short side at {view} pixels."
        )
    columns = rows = 1
    if settings["crop_mode"] and max(width, height) > tile:
        candidates = grids(settings["min_patches"], settings["max_patches"])
        columns, rows = closest_grid(width, height, (tile, tile), candidates)
    side, local = (math.ceil(size // patch / settings["downsample_ratio"]) for size in (view, tile))
    tiles = columns * rows if columns * rows > 1 else 0
    tokens = side * (side + 1) + 1 + (rows * local * (columns * local + 1) if tiles else 0)
    patches = (view // patch) ** 2 + tiles * (tile // patch) ** 2
    wide, high = (columns * tile, rows * tile) if tiles else (view, view)
    sides = ((view // patch,) * 2 + (1,), (tile // patch,) * 2 + (tiles,))
    return Counted(
        wide, high, patches, tokens, 0, tiles + 1, columns, rows, views=sides if tiles else sides[:1]
    )


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SAM's encoder and two convolutions that halve the sides; CLIP's layers at the 16 times fewer tokens, with a class
    token; a matrix at each token, whose features are those of both."""
    both = inner_fields(vision, "width")
    first, second = inner_fields(both, "sam_vit_b"), inner_fields(both, "clip-l-14-224")
    middle, out = listed(first, "downsample_channels") or (512, 1024)
    sam = SamShape.read(
        {
            "hidden_size": whole(first, "width", 768),
            "num_hidden_layers": whole(first, "layers", 12),
            "num_attention_heads": whole(first, "heads", 12),
            "global_attn_indexes": listed(first, "global_attn_indexes") or [2, 5, 8, 11],
        }
    )
    width, layers = whole(second, "width", 1024), whole(second, "layers", 24)
    patch, side = whole(second, "patch_size", 14), whole(second, "image_size", 224)
    unused = 3 * patch**2 * width
    positions = ((side // patch) ** 2 + 1 + 1 + 2) * width
    layers_of_clip = blocks(layers, width, 4 * width)

    def work(rows: int, columns: int) -> int:
        tokens = rows * columns // 16 + 1
        return tokens * layers_of_clip.weights + tokens**2 * layers_of_clip.pair

    parts = (
        *sam.parts(),
        halving(sam.out, int(middle), int(out)),
        Part(
            TOWER, "nothing", layers_of_clip.weights, layers_of_clip.vectors + positions + unused, work=work
        ),
        shrunk(linear(width + int(out), text_width, "patch", vectors=2 * text_width), 16),
    )
    return VisionShape("deeplip_b_l", parts, sam.width, sam.patch)
