"""Qwen3.5, dense and mixture of experts: sides become multiples of 32 pixels, the area stays within limits.

    tokens = (height / 32) (width / 32), one for each 2 x 2 patches of 16 x 16 pixels; a video: times ceil(frames / 2)

Source: the classes that transformers maps the model type `qwen3_5` to (those of Qwen3-VL); defaults as for Qwen3-VL.
Counts: one token for each 2 x 2 patches; two frames of a video share their tokens.
Leaves out: the begin and end of an image, which the chat template writes; the time stamps that the processor writes
before the frames of a video; the sampling of its frames.
"""

from scalelaw.families.qwen3_vl import SETTINGS, STEP, count_image, count_video, vision_shape

MODEL_TYPES = ("qwen3_5", "qwen3_5_moe")
__all__ = ["MODEL_TYPES", "SETTINGS", "STEP", "count_image", "count_video", "vision_shape"]
