"""The LLM of a cell: a transformers causal LM of a custom shape or loaded from a folder, and its parameter count."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from scalelaw.config import Experiment
from scalelaw.errors import InputError
from scalelaw.model_shapes import LLMShape, custom_shape
from scalelaw.model_shapes.count_shape import shape_of
from scalelaw.vlm.tokens import SPECIAL, word_tokenizer

logging.disable_progress_bar()
LOCAL: Any = {"local_files_only": True, "trust_remote_code": False}
"""Nothing is downloaded, and no code that a folder brings along is run."""


def is_folder(llm: str) -> bool:
    """Whether an LLM is the folder of a pretrained model (otherwise a size, WIDTHxLAYERS)."""
    return os.path.isdir(llm)


def llm_shape(llm: str, words: tuple[str, ...]) -> LLMShape:
    """The shape of an LLM, without building it."""
    return shape_of(llm) if is_folder(llm) else custom_shape(llm, len(words) + len(SPECIAL))


def build_llm(experiment: Experiment, llm: str, words: tuple[str, ...]) -> tuple[Any, Any]:
    """The initial (model, tokenizer): those of a folder, or a new Llama of the given shape, seeded by `text.seed`."""
    if is_folder(llm):
        return load_llm(Path(llm))
    tokenizer = word_tokenizer(words)
    shape = custom_shape(llm, len(tokenizer))
    config = LlamaConfig(
        vocab_size=shape.vocab,
        hidden_size=shape.width,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_size,
        tie_word_embeddings=shape.tied,
        initializer_range=0.4 * shape.width**-0.5,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(experiment.text.seed)
        return LlamaForCausalLM(config), tokenizer


def load_llm(folder: Path) -> tuple[Any, Any]:
    """The (model, tokenizer) in a folder, as save_pretrained wrote them; nothing is downloaded.

    Raises InputError where the folder holds none, or the tokenizer has no end token.
    """
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **LOCAL)
        tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} holds no model that can be loaded: {str(error).splitlines()[0]}",
            code="bad_model_folder",
            hint="It needs config.json, weights and a tokenizer, as save_pretrained writes them.",
        ) from error
    if tokenizer.eos_token_id is None:
        raise InputError(f"The tokenizer in {folder} has no end token.", code="bad_model_folder")
    return model, tokenizer


def n_params(module: torch.nn.Module) -> int:
    """Parameters, each tensor once however often it is used."""
    return sum(p.numel() for p in module.parameters())


def n_params_embedding(model: Any) -> int:
    """Parameters of the input embedding, and of the output head where it is not the same tensor."""
    tables = {id(t.weight): t.weight for t in (model.get_input_embeddings(), model.get_output_embeddings())}
    return sum(t.numel() for t in tables.values())
