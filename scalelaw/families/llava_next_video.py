"""LLaVA-NeXT-Video: images as LLaVA-NeXT, each frame of a video pooled from 576 to 144 tokens.

    tokens of an image = 576 + rows of features x (columns of features + 1); of a video = 144 frames

Source: the LLaVA-NeXT release (llava-vl.github.io/blog/2024-04-30-llava-next-video) and the class
LlavaNextVideoProcessor of transformers; defaults of llava-hf/LLaVA-NeXT-Video-7B-hf.
Counts: the image tokens with the row breaks among them; the pooled features of a video.
Leaves out: the sampling of a video's frames; the chat template.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Settings
from scalelaw.families.llava_next import SETTINGS, count_image, from_files, vision_shape

MODEL_TYPES = ("llava_next_video",)
POOLED = 4
__all__ = ["MODEL_TYPES", "SETTINGS", "count_image", "count_video", "from_files", "vision_shape"]


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """Each frame is one square image."""
    tile, patches = settings["image_size"], (settings["image_size"] // settings["patch_size"]) ** 2
    return Counted(tile, tile, frames * patches, frames * (patches // POOLED), tiles=frames)
