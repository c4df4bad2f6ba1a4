"""DeepSeek-VL: every image is padded to a square of 384 x 384 pixels, and takes 576 tokens.

    tokens = (384 / 16)^2; the hybrid encoder also sees the image at 1024 x 1024 pixels, for the same tokens

Source: arXiv 2403.05525, section 3.1; defaults of deepseek-community/deepseek-vl-1.3b-chat.
Counts: the image tokens; patches of the first encoder only.
Leaves out: the chat template.
"""

from __future__ import annotations

from dataclasses import replace

from scalelaw.families._fixed_size import fixed_tokens, square_settings, token_setting
from scalelaw.families._sam import SamShape, halving
from scalelaw.families._vision import Fields, fixed_tower, inner_fields, linear, projected
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import PROJECTOR, Part, VisionShape

MODEL_TYPES = ("deepseek_vl", "deepseek_vl_hybrid")
SETTINGS = (*square_settings(384, 16), token_setting("num_image_tokens", 576, "processor.num_image_tokens"))
count_image = fixed_tokens("num_image_tokens")


SAM = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "global_attn_indexes": [2, 5, 8, 11],
}
"""Of the second encoder, where its configuration leaves them out."""


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP and two matrices at each patch; the hybrid encoder's SAM is run on a second image."""
    tower = {**vision, "model_type": "siglip_vision_model"}
    if not (second := inner_fields(top, "high_res_vision_config")):
        projector = (
            linear(whole(vision, "hidden_size"), text_width, "patch"),
            linear(text_width, text_width, "patch"),
        )
        return projected(tower, projector)
    parts, sizes = fixed_tower(tower)
    sam = SamShape.read({**SAM, **second})
    side, sam_side = whole(vision, "image_size") // whole(vision, "patch_size"), sam.side
    first = linear(sizes["width"], text_width // 2, "patch")
    further = (linear(4 * sam.out, text_width // 2, "patch"), linear(text_width, text_width, "patch"))

    def at_its_size(part: Part) -> Part:
        """A part of the second encoder, which sees sam_side x sam_side patches whatever the first one sees."""

        def work(rows: int, columns: int) -> float:
            inner = part.work(sam_side, sam_side) if part.work else 0.0
            return inner + (part.weights * sam_side**2 if part.on == "patch" else 0.0)

        return replace(part, on="nothing", work=work)

    def halved(rows: int, columns: int) -> float:
        halves = halving(sam.out, 2 * sam.out, 4 * sam.out, times=2)
        return halves.work(4 * side, 4 * side) if halves.work else 0.0

    twice = halving(sam.out, 2 * sam.out, 4 * sam.out)
    alpha = Part(PROJECTOR, "image", 0, 1)
    # a neck and two convolutions of its own read one of the global layers, too
    neck = at_its_size(sam.neck())
    second_parts = (*(at_its_size(part) for part in sam.parts()), neck, replace(twice, work=halved), alpha)
    return VisionShape("siglip and sam", (*parts, *second_parts, first, *further), **sizes)
