"""From pixels and frames to visual tokens, for a model that people serve: `count_tokens`.

The rules of each family of models lie in `scalelaw.families`; here a model's files are read, its settings checked and
images counted. Nothing here loads torch.
"""

from scalelaw.tokens.count import TokenCount, count_tokens
from scalelaw.tokens.images import Size, read_image_size, read_image_sizes
from scalelaw.tokens.models import VisionModel, find_vision_model

__all__ = [
    "Size",
    "TokenCount",
    "VisionModel",
    "count_tokens",
    "find_vision_model",
    "read_image_size",
    "read_image_sizes",
]
