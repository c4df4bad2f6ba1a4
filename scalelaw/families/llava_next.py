"""LLaVA-NeXT (LLaVA-1.6): the whole image at 336 x 336 pixels, and tiles of a padded canvas near its aspect ratio.

    tokens = 576 + rows of features x (columns of features + 1), without the padding's, with a learned break after
    each row

Source: the LLaVA-NeXT release (llava-vl.github.io/blog/2024-01-30-llava-next) and the class LlavaNextProcessor of
transformers; defaults of llava-hf/llava-v1.6-mistral-7b-hf.
Counts: the image tokens with the row breaks among them.
Leaves out: the chat template.
"""

from __future__ import annotations

from scalelaw.families._any_resolution import best_canvas, unpadded
from scalelaw.families._contract import Counted, Settings, fixed
from scalelaw.families.llava import SELECTION, class_tokens, from_files

__all__ = ["MODEL_TYPES", "SETTINGS", "count_image", "from_files", "vision_shape"]
from scalelaw.families._vision import Fields, any_resolution_shape
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("llava_next",)
CANVASES = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))
SETTINGS = (
    fixed(
        "image_grid_pinpoints",
        "canvases as height, width",
        CANVASES,
        "config.image_grid_pinpoints",
        "image.image_grid_pinpoints",
    ),
    fixed(
        "image_size",
        "side of a tile",
        336,
        "config.vision_config.image_size",
        "image.crop_size.height",
        "image.size.shortest_edge",
        "image.size.height",
    ),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size", "processor.patch_size"),
    *SELECTION,
)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """The features of the padding are dropped in whole rows or columns on both sides."""
    tile, side = settings["image_size"], settings["image_size"] // settings["patch_size"]
    canvas_high, canvas_wide = best_canvas(height, width, settings["image_grid_pinpoints"])
    rows, columns = canvas_high // tile, canvas_wide // tile
    seen_rows, seen_columns = unpadded(height, width, rows * side, columns * side)
    tiles = rows * columns + 1
    tokens = side**2 + class_tokens(settings) + seen_rows * seen_columns + seen_rows
    return Counted(canvas_wide, canvas_high, tiles * side**2, tokens, 0, tiles, columns, rows)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Each tile as LLaVA-1.5 sees an image; the features of padding are dropped after the projector."""
    return any_resolution_shape(vision, top, text_width)
