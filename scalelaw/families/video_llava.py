"""Video-LLaVA: every image and every frame becomes 224 x 224 pixels; a frame keeps its class token.

    tokens of an image = (224 / 14)^2 = 256; of a video = 257 frames

Source: arXiv 2311.10122, section 3; defaults of LanguageBind/Video-LLaVA-7B-hf.
Counts: one token for each patch, and for the class of each frame.
Leaves out: the sampling of a video's frames; the chat template.
"""

from __future__ import annotations

from dataclasses import replace

from scalelaw.families._contract import Counted, Settings
from scalelaw.families._fixed_size import one_token_a_patch, square_settings
from scalelaw.families._vision import Fields, llava_shape
from scalelaw.model_shapes.vision import TOWER, Part, VisionShape

MODEL_TYPES = ("video_llava",)
SETTINGS = square_settings(224, 14, image="image.crop_size.height")
count_image = one_token_a_patch


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """The class token of each frame is kept."""
    one = count_image(width, height, settings)
    side = one.resized_width
    return Counted(side, side, frames * one.patches, frames * (one.visual_tokens + 1), tiles=frames)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Two towers, one for images and one for videos, of which a query runs one; two matrices at each patch."""
    image = llava_shape(vision, top, text_width)
    other = sum(part.weights + part.vectors for part in image.parts if part.name == TOWER)
    return replace(image, parts=(*image.parts, Part(TOWER, "image", 0, other)))
