"""Model shapes: the sizes of an LLM or a vision encoder, from its config.json or made for a given size.

A shape holds what costs and parameter counts need and nothing else. No torch here: the counts are closed
forms, tested against real models.
"""

from scalelaw.model_shapes.architectures import FAMILIES, from_config, from_fields
from scalelaw.model_shapes.custom import custom_shape, made_for_size
from scalelaw.model_shapes.parts import Language, encoder_of, language_of
from scalelaw.model_shapes.shapes import LLMShape, TowerShape
from scalelaw.model_shapes.towers import tower_from_config, tower_from_fields

__all__ = [
    "FAMILIES",
    "LLMShape",
    "Language",
    "TowerShape",
    "custom_shape",
    "encoder_of",
    "from_config",
    "from_fields",
    "language_of",
    "made_for_size",
    "tower_from_config",
    "tower_from_fields",
]
