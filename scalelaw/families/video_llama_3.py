"""VideoLLaMA 3: sides become multiples of 14 pixels, the area stays within min_pixels and max_pixels.

    tokens = (height / 14) (width / 14), one for each patch

Source: arXiv 2501.13106, section 3.1; defaults of the class VideoLlama3ImageProcessor.
Counts: one token for each patch.
Leaves out: video, whose tokens are pruned by what the frames show; the chat template.
"""

from scalelaw.families._smart_resize import count_area, patch_settings, pixel_settings, step
from scalelaw.families._vision import Fields, blocks, linear, patching
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import VisionShape

MODEL_TYPES = ("video_llama_3",)
SETTINGS = (*pixel_settings(3136, 1003520), *patch_settings(14, 1, "config.merge_size"))
STEP = step
count_image = count_area
__all__ = ["MODEL_TYPES", "SETTINGS", "STEP", "count_image", "vision_shape"]


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """Full attention in every layer, no learned positions; two matrices at each token."""
    width = whole(vision, "hidden_size")
    parts = (
        patching(width, whole(vision, "patch_size"), whole(vision, "num_channels", 3), vectors=3 * width),
        blocks(
            whole(vision, "num_hidden_layers"),
            width,
            whole(vision, "intermediate_size"),
            on="patch",
            within="image",
        ),
        linear(width, text_width, "visual_token"),
        linear(text_width, text_width, "visual_token"),
    )
    return VisionShape("video_llama_3_vision", parts, width, whole(vision, "patch_size"))
