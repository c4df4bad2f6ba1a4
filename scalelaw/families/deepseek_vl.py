"""DeepSeek-VL: every image is padded to a square of 384 x 384 pixels, and takes 576 tokens.

    tokens = (384 / 16)^2; the hybrid encoder also sees the image at 1024 x 1024 pixels, for the same tokens

Source: arXiv 2403.05525, section 3.1; defaults of deepseek-community/deepseek-vl-1.3b-chat.
Counts: the image tokens; patches of the first encoder only.
Leaves out: the second encoder of the 7B model; the chat template.
"""

from scalelaw.families._fixed_size import fixed_tokens, square_settings, token_setting

MODEL_TYPES = ("deepseek_vl", "deepseek_vl_hybrid")
SETTINGS = (*square_settings(384, 16), token_setting("num_image_tokens", 576, "processor.num_image_tokens"))
count_image = fixed_tokens("num_image_tokens")
