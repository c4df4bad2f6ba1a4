"""Gemma 3: every image becomes 896 x 896 pixels and 256 tokens; with pan and scan, crops of a long one besides.

    tokens = 256 (1 + crops); 64 x 64 patches are pooled 4 x 4

Source: arXiv 2503.19786, section 2.1; defaults of google/gemma-3-4b-it.
Counts: the image tokens; markers: begin, end and the line breaks around each image.
Leaves out: the words that the processor writes around crops; the chat template.
"""

from __future__ import annotations

import math

from scalelaw.families._contract import Counted, Setting, Settings, fixed, switch
from scalelaw.families._vision import Fields, projected
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import PROJECTOR, Part, VisionShape

MODEL_TYPES = ("gemma3", "shieldgemma2")
SETTINGS = (
    switch("do_pan_and_scan", "add crops of a long image", False),
    Setting("pan_and_scan_max_num_crops", "most crops", 4, unit="crops", minimum=2, maximum=64),
    Setting(
        "pan_and_scan_min_crop_size",
        "smallest side of a crop",
        256,
        unit="pixels",
        minimum=1,
        maximum=4096,
    ),
    Setting(
        "pan_and_scan_min_ratio_to_activate",
        "aspect ratio from which an image is cropped",
        1.2,
        unit="1",
        minimum=1,
        maximum=100,
    ),
    fixed(
        "image_size", "side of the resized image", 896, "config.vision_config.image_size", "image.size.height"
    ),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size"),
    fixed(
        "image_seq_length",
        "tokens of an image",
        256,
        "config.mm_tokens_per_image",
        "processor.image_seq_length",
        unit="tokens",
    ),
)


def _crops(longer: int, shorter: int, settings: Settings) -> int:
    smallest = settings["pan_and_scan_min_crop_size"]
    if longer / shorter < settings["pan_and_scan_min_ratio_to_activate"]:
        return 0
    crops = min(math.floor(longer / smallest), math.floor(longer / shorter + 0.5))
    crops = min(settings["pan_and_scan_max_num_crops"], max(2, crops))
    return 0 if min(math.ceil(longer / crops), shorter) < smallest else crops


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """Crops lie side by side along the longer side."""
    side, crops = settings["image_size"], 0
    if settings["do_pan_and_scan"]:
        crops = _crops(max(width, height), min(width, height), settings)
    images, patches = 1 + crops, (side // settings["patch_size"]) ** 2
    columns, rows = (max(crops, 1), 1) if width >= height else (1, max(crops, 1))
    tokens = images * settings["image_seq_length"]
    return Counted(columns * side, rows * side, images * patches, tokens, 4 * images, images, columns, rows)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP; features are averaged to 256, then one matrix at each."""
    tokens = whole(top, "mm_tokens_per_image", 256)
    width = whole(vision, "hidden_size")
    projector = Part(PROJECTOR, "tile", width * text_width, width, times=tokens)
    return projected({"vision_use_head": False, **vision}, (projector,))
