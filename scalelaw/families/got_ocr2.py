"""GOT-OCR 2.0: the image becomes 1024 x 1024 pixels, or tiles of that size and a thumbnail.

    tokens = 256 images: the encoder has 64 x 64 patches and is followed by two convolutions of stride 2

Source: arXiv 2409.01704, section 3; defaults of stepfun-ai/GOT-OCR-2.0-hf.
Counts: the image tokens.
Leaves out: the begin and end, which the chat template writes; several pages in one prompt, which count as images.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Settings, fixed, switch
from scalelaw.families._tiles import closest_grid, grids, tile_count_settings, tiled
from scalelaw.families._vision import Fields, patching, square_side
from scalelaw.model_shapes.reading import flag, listed, whole
from scalelaw.model_shapes.vision import PROJECTOR, TOWER, Part, VisionShape

MODEL_TYPES = ("got_ocr2",)
TOKENS = 256
SETTINGS = (
    switch("crop_to_patches", "cut the image into tiles", False),
    *tile_count_settings(1, 12, sources=()),
    fixed("image_size", "side of a tile", 1024, "config.vision_config.image_size", "image.size.height"),
    fixed("patch_size", "side of a patch", 16, "config.vision_config.patch_size"),
)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Tiles only where they are switched on."""
    tile, grid = settings["image_size"], (1, 1)
    if settings["crop_to_patches"]:
        grid = closest_grid(
            width, height, (tile, tile), grids(settings["min_patches"], settings["max_patches"])
        )
    return tiled(grid, tile, settings, TOKENS)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SAM's encoder: windows of 14 x 14 patches, padded, but in the global layers; relative positions in both."""
    width, patch = whole(vision, "hidden_size"), square_side(vision, "patch_size")
    side, window = square_side(vision, "image_size") // patch, whole(vision, "window_size", 14)
    depth, heads = whole(vision, "num_hidden_layers"), whole(vision, "num_attention_heads")
    everywhere = len({place for place in listed(vision, "global_attn_indexes") if place < depth})
    windows = (-(-side // window)) ** 2
    inner, out = whole(vision, "mlp_dim"), whole(vision, "output_channels")
    positions = side**2 * width if flag(vision, "use_abs_pos", True) else 0
    relative = flag(vision, "use_rel_pos", True)

    def attention(layers: int, span: int, copies: int) -> list[Part]:
        """`copies` squares of span x span tokens, each with its own attention."""
        tokens = span**2
        pairs = layers * copies * (2 * width * tokens**2 + relative * 2 * span * tokens * width)
        vectors = width * (1 + 3 * flag(vision, "qkv_bias", True))
        vectors += relative * 2 * (2 * span - 1) * (width // heads)
        return [Part(TOWER, "tile", layers * 4 * width**2, layers * vectors, pairs, "fixed", copies * tokens)]

    parts = (
        patching(width, patch, whole(vision, "num_channels", 3), vectors=width + positions),
        *attention(everywhere, side, 1),
        *attention(depth - everywhere, window, windows),
        Part(TOWER, "patch", depth * 2 * width * inner, depth * (inner + 5 * width)),
        Part(TOWER, "patch", width * out + 9 * out**2, 4 * out),
        Part(PROJECTOR, "tile", 9 * out * 2 * out, times=(side // 2) ** 2),
        Part(PROJECTOR, "tile", 9 * 2 * out * text_width, times=(side // 4) ** 2),
        Part(PROJECTOR, "tile", text_width**2, text_width, times=(side // 4) ** 2),
    )
    return VisionShape("got_ocr2_vision", parts, width, patch)
