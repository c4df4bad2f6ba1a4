"""What the builders of processors share: transformers itself, a tokenizer with every special token, and small helpers.

transformers is imported here, after the stand-in for torchvision is in place. With `--pil` on the command line there is
no stand-in: image processors are then those that use pillow, and video processors are left out.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import torchvision_stub

PIL = "--pil" in sys.argv
if not PIL:
    torchvision_stub.install()

import numpy as np  # noqa: E402
import transformers as tf  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402
from transformers import processing_utils  # noqa: E402

tf.logging.set_verbosity_error()
for _name in ("image_processing_utils", "video_processing_utils"):
    _module = importlib.import_module(f"transformers.{_name}")
    if hasattr(_module, "validate_typed_dict"):
        _module.validate_typed_dict = lambda *_: None  # checks types of arguments, for half of the time
for _name in ("llava", "llava_next_video", "perception_lm", "video_llava"):
    _module = importlib.import_module(f"transformers.models.{_name}.processing_{_name}")
    if not PIL:  # of a meta tensor only the shape is used
        _module.to_numpy_array = lambda image: np.broadcast_to(np.float32(0), tuple(image.shape))
processing_utils.ProcessorMixin.check_argument_for_proper_class = lambda *_: None


class NoVideo:
    """In place of a video processor that needs torchvision."""

    def __init__(self, **settings: Any) -> None:
        vars(self).update(settings)


class _Classes:
    """The classes of transformers by name; with pillow, its image processors for pillow."""

    def __getattr__(self, name: str) -> Any:
        if not PIL:
            return getattr(tf, name)
        if name.endswith("VideoProcessor") and name != "LlavaNextVideoProcessor":
            return NoVideo
        return getattr(tf, f"{name}Pil", None) or getattr(tf, name)


classes = _Classes()
Settings = dict[str, Any]
TOKENS = {
    "image_token": "<image>",
    "video_token": "<video>",
    "audio_token": "<audio>",
    "boi_token": "<boi>",
    "eoi_token": "<eoi>",
    "boa_token": "<boa>",
    "eoa_token": "<eoa>",
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<context>",
    "image_start_token": "<image_start>",
    "image_end_token": "<image_end>",
    "video_start_token": "<video_start>",
    "video_end_token": "<video_end>",
    "slice_start_token": "<slice>",
    "slice_end_token": "</slice>",
    "image_id_start_token": "<image_id>",
    "image_id_end_token": "</image_id>",
    "img_line_break_token": "<line>",
    "image_break_token": "<break>",
    "image_wrapper_token": "<wrapper>",
    "eof_token": "<eof>",
    "fake_image_token": "<fake>",
    "image_boundary_token": "<fake>",
    "global_image_token": "<global-img>",
}


def tokenizer() -> Any:
    """A tokenizer with every special token that a processor asks for."""
    words = ["[UNK]", "<s>", "</s>", "<pad>", "|SPEAKER|", "|NEWLINE|", "|ENDOFTEXT|", *TOKENS.values()]
    core = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(dict.fromkeys(words))}, unk_token="[UNK]")
    )
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="[UNK]",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=dict(TOKENS),
    )


Made = tuple[Any, Settings, Settings]
"""A processor, and what its image and its video processor are called with."""


def squares(settings: Settings, name: str = "image_size") -> dict[str, int]:
    return {"height": settings[name], "width": settings[name]}


def picked(settings: Settings, *names: str, prefix: str = "") -> Settings:
    return {name: settings[prefix + name] for name in names}


def edges(settings: Settings, prefix: str = "") -> dict[str, int]:
    return {"shortest_edge": settings[f"{prefix}min_pixels"], "longest_edge": settings[f"{prefix}max_pixels"]}


def pinpoints(s: Settings, name: str = "image_grid_pinpoints") -> list[list[int]]:
    return [list(canvas) for canvas in s[name]]


def bare(kind: Any, image: Any, video: Any = None) -> Any:
    """A processor without the parts for sound, which its constructor asks for."""
    made = object.__new__(kind)
    made.image_processor, made.tokenizer = image, tokenizer()
    made.image_token, made.video_token = "<image>", "<video>"
    if video is not None:
        made.video_processor = video
    return made
