"""The model in transformers' own terms; importing it registers it with the Auto classes.

import scalelaw.vlm.quecc
model = AutoModelForImageTextToText.from_pretrained(folder)
processor = AutoProcessor.from_pretrained(folder)
"""

from scalelaw.vlm.quecc.configuration import QueccConfig
from scalelaw.vlm.quecc.modeling import QueccForConditionalGeneration, QueccOutput
from scalelaw.vlm.quecc.processing import QueccProcessor

__all__ = ["QueccConfig", "QueccForConditionalGeneration", "QueccOutput", "QueccProcessor"]
