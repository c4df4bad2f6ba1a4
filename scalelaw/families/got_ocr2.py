"""GOT-OCR 2.0: the image becomes 1024 x 1024 pixels, or tiles of that size and a thumbnail.

    tokens = 256 images: the encoder has 64 x 64 patches and is followed by two convolutions of stride 2

Source: arXiv 2409.01704, section 3; defaults of stepfun-ai/GOT-OCR-2.0-hf.
Counts: the image tokens.
Leaves out: the begin and end, which the chat template writes; several pages in one prompt, which count as images.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Settings, fixed, switch
from scalelaw.families._sam import SamShape, halving
from scalelaw.families._tiles import closest_grid, grids, tile_count_settings, tiled
from scalelaw.families._vision import Fields
from scalelaw.model_shapes.vision import PROJECTOR, Part, VisionShape

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
    """SAM's encoder, two convolutions that halve the sides, and a matrix at each token."""
    sam = SamShape.read(vision)
    out = sam.out

    def projected(rows: int, columns: int) -> int:
        return text_width**2 * (-(-rows // 4)) * (-(-columns // 4))

    parts = (
        *sam.parts(),
        halving(out, 2 * out, text_width, PROJECTOR),
        Part(PROJECTOR, "nothing", text_width**2, text_width, work=projected),
    )
    return VisionShape("got_ocr2_vision", parts, sam.width, sam.patch)
