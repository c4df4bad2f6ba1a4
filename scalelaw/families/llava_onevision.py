"""LLaVA-OneVision: the whole image at 384 x 384 pixels, and tiles of a padded canvas near its aspect ratio.

    tokens = 729 + rows of features x (columns of features + 1), without the padding's, at most about 9 x 729
    several images in one prompt: 730 each; a video: 196 frames + 1

Source: arXiv 2408.03326, section 3; defaults of llava-hf/llava-onevision-qwen2-7b-ov-hf.
Counts: the image tokens with the learned breaks among them.
Leaves out: the sampling of a video's frames; the chat template.
"""

from __future__ import annotations

import math

from scalelaw.families._any_resolution import best_canvas, unpadded
from scalelaw.families._contract import Counted, Setting, Settings, fixed
from scalelaw.families._vision import Fields, any_resolution_shape
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("llava_onevision",)
TOGETHER = True
CANVASES = tuple((384 * rows, 384 * columns) for rows in range(1, 7) for columns in range(1, 7))
SETTINGS = (
    Setting(
        "vision_aspect_ratio",
        "most tiles whose features are kept; above, they are interpolated",
        "anyres_max_9",
        ("config.vision_aspect_ratio", "processor.vision_aspect_ratio"),
        allowed=tuple(f"anyres_max_{n}" for n in range(1, 37)),
    ),
    fixed(
        "image_grid_pinpoints",
        "canvases as height, width",
        CANVASES,
        "config.image_grid_pinpoints",
        "image.image_grid_pinpoints",
    ),
    fixed("image_size", "side of a tile", 384, "config.vision_config.image_size", "image.size.height"),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size"),
)


def count_image(width: int, height: int, settings: Settings, n_images: int = 1) -> Counted:
    """Only an image that is alone in its prompt is cut into tiles."""
    tile, side = settings["image_size"], settings["image_size"] // settings["patch_size"]
    if n_images > 1:
        return Counted(tile, tile, side**2, side**2 + 1)
    canvas_high, canvas_wide = best_canvas(height, width, settings["image_grid_pinpoints"])
    rows, columns = canvas_high // tile, canvas_wide // tile
    seen_rows, seen_columns = unpadded(height, width, rows * side, columns * side)
    most = int(settings["vision_aspect_ratio"].rpartition("_")[2])
    ratio = math.sqrt(seen_rows * seen_columns / (most * side**2))
    if ratio > 1.1:
        seen_rows, seen_columns = int(seen_rows // ratio), int(seen_columns // ratio)
    tiles = rows * columns + 1
    tokens = side**2 + seen_rows * seen_columns + seen_rows
    return Counted(canvas_wide, canvas_high, tiles * side**2, tokens, 0, tiles, columns, rows)


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """Features of a frame are pooled 2 x 2; one break ends the video."""
    tile, side = settings["image_size"], settings["image_size"] // settings["patch_size"]
    return Counted(tile, tile, frames * side**2, frames * math.ceil(side / 2) ** 2 + 1, tiles=frames)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Each tile as LLaVA-1.5 sees an image; the features of padding are dropped after the projector."""
    return any_resolution_shape(vision, {"vision_feature_layer": -1, **top}, text_width)
