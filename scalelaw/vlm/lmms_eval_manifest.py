"""The entry point of lmms-eval's models: `lmms_eval --model scalelaw --model_args pretrained=DIR`."""

from __future__ import annotations

from typing import Any


def manifest() -> Any:
    """What lmms-eval (0.7 or newer) needs to find the model; its classes are imported only when it asks."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(
        model_id="scalelaw", chat_class_path="scalelaw.vlm.lmms_eval_model.CompressedVisionLanguageModel"
    )
