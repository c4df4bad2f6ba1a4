"""SmolVLM and SmolVLM2: the longer side becomes 1536 pixels, the image is cut into tiles of 384 x 384 pixels.

    tokens = 81 (tiles + 1); a tile is 27 x 27 patches, of which 3 x 3 become one (pixel shuffle); a frame of a
    video: 81

Source: arXiv 2504.05299, section 2; defaults of HuggingFaceTB/SmolVLM2-2.2B-Instruct. The 256M and 500M models have
2048, 512, patches of 16 and a shuffle of 4: 64 tokens a tile.
Counts: the image tokens; markers: the token around images, the name of each tile, and the line breaks between rows.
Leaves out: the text that the processor writes around the frames of a video; their sampling; the chat template.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Settings
from scalelaw.families.idefics3 import count_image, split_settings, vision_shape

MODEL_TYPES = ("smolvlm",)
SETTINGS = split_settings(1536, 384, 14, 3)
__all__ = ["MODEL_TYPES", "SETTINGS", "count_image", "count_video", "vision_shape"]


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """Each frame is one tile; markers: the token around it and its name."""
    tile, side = settings["max_image_size"], settings["max_image_size"] // settings["patch_size"]
    tokens = (side // settings["scale_factor"]) ** 2
    return Counted(tile, tile, frames * side**2, frames * tokens, 3 * frames, frames)
