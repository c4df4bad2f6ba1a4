"""Qwen2.5-VL: sides become multiples of 28 pixels, the area stays within min_pixels and max_pixels.

    tokens = (height / 28) (width / 28), one for each 2 x 2 patches of 14 x 14 pixels; a video: times ceil(frames / 2)

Source: arXiv 2502.13923, section 2.1; defaults of Qwen/Qwen2.5-VL-7B-Instruct (preprocessor_config.json).
Counts: one token for each 2 x 2 patches; two frames of a video share their tokens.
Leaves out: the begin and end of an image, which the chat template writes; the sampling of a video's frames.
"""

from scalelaw.families.qwen2_vl import SETTINGS, STEP, count_image, count_video

MODEL_TYPES = ("qwen2_5_vl", "qwen2_5_omni", "qwen2_5_omni_thinker")
__all__ = ["MODEL_TYPES", "SETTINGS", "STEP", "count_image", "count_video"]
