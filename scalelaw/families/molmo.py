"""Molmo: the whole image at 336 x 336 pixels, and up to 12 overlapping crops of that size; features are pooled 2 x 2.

    tokens = 144 + rows x columns of pooled features of the crops without their overlap

Crops overlap by 4 patches of 14 x 14 pixels on each side.
Source: arXiv 2409.17146, section 2, and the processor beside the weights of allenai/Molmo-7B-D-0924.
Counts: the pooled features; markers: begin and end of both parts, and a break after each row.
Leaves out: the chat template.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Setting, Settings, fixed
from scalelaw.families._vision import LAYER_NORM, Fields, blocks, linear, patching, vectors
from scalelaw.families.molmo2 import crops
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import PROJECTOR, Part, VisionShape

MODEL_TYPES = ("molmo",)
POOLED = 2
"""Patches along a side that become one token."""
SETTINGS = (
    Setting(
        "max_crops", "most crops of an image, without the whole one", 12, ("image.max_crops",), "crops", 1, 64
    ),
    fixed("image_size", "side of a crop", 336),
    fixed("patch_size", "side of a patch", 14, "image.image_patch_size"),
    fixed(
        "overlap_margins", "overlap of crops, left and right", (4, 4), "image.overlap_margins", unit="patches"
    ),
)


def _seen(number: int, settings: Settings) -> int:
    """Tokens along one side of `number` crops, each with its part of the overlap, pooled for itself."""
    left, right = settings["overlap_margins"]
    side = settings["image_size"] // settings["patch_size"]
    window = side - left - right
    lengths = [side] if number == 1 else [window + left, *[window] * (number - 2), window + right]
    return sum(-(-length // POOLED) for length in lengths)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """The whole image comes first."""
    size, patch, margins = settings["image_size"], settings["patch_size"], sum(settings["overlap_margins"])
    side = size // patch
    margin, window = margins * patch, (side - margins) * patch
    rows, columns = crops(height - margin, width - margin, window, settings["max_crops"])
    seen_rows, seen_columns, whole_side = _seen(rows, settings), _seen(columns, settings), -(-side // POOLED)
    images = rows * columns + 1
    return Counted(
        columns * window + margin,
        rows * window + margin,
        images * side**2,
        whole_side**2 + seen_rows * seen_columns,
        4 + whole_side + seen_rows,
        images,
        columns,
        rows,
    )


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """CLIP's first 23 layers on each crop, which every released size has; the average of 2 x 2 patches attends to them,
    then a gated feed-forward as wide as the LLM's."""
    width, layers, sources = 1024, 23, 2
    wide = whole(top, "intermediate_size") // 2
    parts = (
        patching(width, 14, vectors=(1 + 577 + LAYER_NORM) * width),
        blocks(layers, width, 4096),
        linear(sources * width, width, "merged"),
        linear(sources * width, width, "patch", times=2),
        Part(PROJECTOR, "patch", 0, 0, 2 * width, "fixed"),
        linear(width, width, "merged"),
        linear(width, wide, "merged", bias=False, times=2),
        linear(wide, text_width, "merged", bias=False),
        vectors(2 * sources * width, PROJECTOR),
    )
    return VisionShape("clip-vit-large-patch14-336", parts, width, 14, POOLED, extra_tokens=1)
