"""BLIP-2 and InstructBLIP: every image becomes 224 x 224 pixels and 32 tokens, the queries of a Q-Former.

    tokens = 32

Source: arXiv 2301.12597, section 3.1; defaults of Salesforce/blip2-opt-2.7b.
Counts: the query tokens. Leaves out: the Q-Former's own text.
"""

from scalelaw.families._fixed_size import fixed_tokens, square_settings, token_setting

MODEL_TYPES = ("blip-2", "instructblip")
SETTINGS = (
    *square_settings(224, 14),
    token_setting("num_query_tokens", 32, "config.num_query_tokens", "processor.num_query_tokens"),
)
count_image = fixed_tokens("num_query_tokens")
