"""BLIP-2 and InstructBLIP: every image becomes 224 x 224 pixels and 32 tokens, the queries of a Q-Former.

    tokens = 32

Source: arXiv 2301.12597, section 3.1; defaults of Salesforce/blip2-opt-2.7b.
Counts: the query tokens. Leaves out: the Q-Former's own text.
"""

from __future__ import annotations

from scalelaw.families._fixed_size import fixed_tokens, square_settings, token_setting
from scalelaw.families._vision import LAYER_NORM, Fields, blocks, inner_fields, linear, patching
from scalelaw.model_shapes.reading import flag, whole
from scalelaw.model_shapes.vision import PROJECTOR, Part, VisionShape

MODEL_TYPES = ("blip-2", "instructblip")
SETTINGS = (
    *square_settings(224, 14),
    token_setting("num_query_tokens", 32, "config.num_query_tokens", "processor.num_query_tokens"),
)
count_image = fixed_tokens("num_query_tokens")


QFORMER = {
    "hidden_size": 768, "num_hidden_layers": 12, "intermediate_size": 3072, "cross_attention_frequency": 2,
    "encoder_hidden_size": 1408,
}  # fmt: skip
"""Of the Q-Former, where its configuration leaves them out."""


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """A ViT with a class token; queries that attend to each other, and in every second layer to its tokens."""
    width, patch, layers = (whole(vision, n) for n in ("hidden_size", "patch_size", "num_hidden_layers"))
    positions = (whole(vision, "image_size") // patch) ** 2 + 2
    reader = {**QFORMER, **inner_fields(top, "qformer_config")}
    inner, depth, wide = (whole(reader, n) for n in ("hidden_size", "num_hidden_layers", "intermediate_size"))
    source, queries = whole(reader, "encoder_hidden_size"), whole(top, "num_query_tokens", 32)
    crossing = -(-depth // whole(reader, "cross_attention_frequency"))
    own = depth * (4 * inner**2 + 2 * inner * wide) + crossing * 2 * inner**2
    vectors = depth * (9 * inner + wide) + crossing * 6 * inner
    text_layers = (
        depth * (2 * inner * wide + wide + 3 * inner) if top.get("model_type") == "instructblip" else 0
    )

    def work(rows: int, columns: int) -> int:
        tokens = rows * columns + 1
        attention = 2 * inner * queries * (depth * queries + crossing * tokens)
        return own * queries + crossing * 2 * source * inner * tokens + attention

    shared = (queries + LAYER_NORM) * inner + text_layers
    parts = (
        patching(width, patch, 3, vectors=(1 + LAYER_NORM + positions) * width),
        blocks(
            layers,
            width,
            whole(vision, "intermediate_size"),
            attention_biases=1 + 3 * flag(vision, "qkv_bias", True),
        ),
        Part(PROJECTOR, "nothing", own + crossing * 2 * source * inner, vectors + shared, work=work),
        linear(inner, text_width, "visual_token"),
    )
    return VisionShape("blip_2_vision_model", parts, width, patch, extra_tokens=1)
