"""Tiny towers, LLMs and a tokenizer, made here: nothing is downloaded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import CLIPImageProcessorPil, PreTrainedTokenizerFast

from scalelaw.vlm.quecc import QueccConfig, QueccForConditionalGeneration, QueccProcessor

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 2}
LLM = {
    "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "vocab_size": 300, "max_position_embeddings": 512, "bos_token_id": None,
    "eos_token_id": 257, "pad_token_id": 258,
}  # fmt: skip


def tokenizer(template: str | None = CHATML) -> Any:
    """One token a byte, and three special ones; the end of a turn is also the end of the text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token="<pad>",
                                   additional_special_tokens=["<|im_start|>"])  # fmt: skip
    fast.chat_template = template
    return fast


def tower_config(kind: str = "clip", size: int = 32) -> Any:
    name = {"clip": "CLIPVisionConfig", "siglip": "SiglipVisionConfig", "dinov2": "Dinov2Config"}[kind]
    return getattr(transformers, name)(**TOWER, image_size=size, patch_size=8)


def llm_config(kind: str = "qwen2") -> Any:
    return transformers.AutoConfig.for_model(kind, **LLM)


def processor_of(config: QueccConfig, template: str | None = CHATML, **more: Any) -> QueccProcessor:
    height, width = config.image_size
    images = CLIPImageProcessorPil(size={"height": height, "width": width}, do_center_crop=False)
    return QueccProcessor.of_model(config, images, tokenizer(template), **more)


def build(kind: str = "clip", llm: str = "qwen2", seed: int = 0, **choices: Any) -> Any:
    """(model, processor)"""
    words = tokenizer()
    words.add_tokens(["<image>"], special_tokens=True)
    choices = {"visual_tokens": 4, "image_token_index": words.convert_tokens_to_ids("<image>"), **choices}
    torch.manual_seed(seed)
    config = QueccConfig(tower_config(kind), llm_config(llm), **choices)
    return QueccForConditionalGeneration(config).eval(), processor_of(config)


def picture(seed: int = 0, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """A picture of noise, (width, height) in pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
