"""HunyuanVL and HunyuanOCR: sides become multiples of 32 pixels, the area stays within min_pixels and max_pixels.

    tokens = (height / 32) (width / 32 + 1) + 2: one for each 2 x 2 patches, a learned break after each row, begin
    and end

Source: the classes HunYuanVLImageProcessor and HunYuanVLProcessor of transformers, whose defaults these are.
Counts: all of them: the breaks, begin and end are made by the model and stand among the image's tokens.
Leaves out: the begin and end of an image that the chat template writes besides.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Settings
from scalelaw.families._smart_resize import count_area, patch_settings, pixel_settings, step
from scalelaw.families._vision import LAYER_NORM, Fields, blocks, patching
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import PROJECTOR, Part, VisionShape

MODEL_TYPES = ("hunyuan_vl",)
SETTINGS = (*pixel_settings(262144, 4194304), *patch_settings(16, 2))
STEP = step


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """A break after each row of tokens; begin and end."""
    counted = count_area(width, height, settings)
    rows, columns = counted.resized_height // step(settings), counted.resized_width // step(settings)
    return Counted(counted.resized_width, counted.resized_height, counted.patches, rows * (columns + 1) + 2)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Full attention in every layer; a convolution that merges patches, two matrices, and a break after each row."""
    width, patch = whole(vision, "hidden_size"), whole(vision, "patch_size")
    merge, out = whole(vision, "spatial_merge_size"), whole(vision, "text_hidden_size")
    positions = (whole(vision, "max_image_size") // patch) ** 2 + 1
    convolved = merge**2 * width * 2 * width + 2 * width * 4 * width

    def work(rows: int, columns: int) -> int:
        high, wide = rows // merge, columns // merge
        return convolved * high * wide + 4 * width * out * high * (wide + 1)

    vectors = (1 + 2 + 4 + 4) * width + 5 * out
    parts = (
        patching(width, patch, whole(vision, "num_channels", 3), vectors=(1 + positions) * width),
        blocks(
            whole(vision, "num_hidden_layers"), width, whole(vision, "intermediate_size"),
            norms=2 * LAYER_NORM, on="patch", within="image",
        ),
        Part(PROJECTOR, "nothing", convolved + 4 * width * out, vectors, work=work),
    )  # fmt: skip
    return VisionShape("hunyuan_vl_vision", parts, width, patch, merge)
