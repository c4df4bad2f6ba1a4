"""Text as token ids: the dataset's own small vocabulary, or a pretrained model's tokenizer, used alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

from scalelaw.datasets._example import Example

CHUNK = 64
"""Batches of text made at a time."""

SPECIAL = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "<eos>"}


def word_tokenizer(words: Sequence[str]) -> Any:
    """A tokenizer with one token a word, split at blanks; the special tokens come first."""
    vocabulary = {word: index for index, word in enumerate([*SPECIAL.values(), *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=SPECIAL["unk_token"]))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def ids_of(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The token ids of each text, without special tokens."""
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return ids


def padded(sequences: Sequence[Sequence[int]], pad: int) -> np.ndarray:
    """Sequences as one int64 array [n, longest], padded on the right."""
    array = np.full((len(sequences), max(map(len, sequences), default=0)), pad, np.int64)
    for row, sequence in enumerate(sequences):
        array[row, : len(sequence)] = sequence
    return array


@dataclass(frozen=True)
class Encoded:
    """Prompts and answers: ids [n, longest] = prompt, answer, end, padding; prompt and total lengths [n]."""

    ids: np.ndarray
    prompt: np.ndarray
    total: np.ndarray

    def batch(self, rows: np.ndarray, device: torch.device) -> Batch:
        """The batch of these rows, cut to its longest."""
        ids = self.ids[rows, : self.total[rows].max()]
        return Batch(*(torch.from_numpy(a).to(device) for a in (ids, self.prompt[rows], self.total[rows])))


@dataclass(frozen=True)
class Batch:
    """ids: Int[Tensor, "batch length"]; prompt, total: Int[Tensor, "batch"], lengths."""

    ids: torch.Tensor
    prompt: torch.Tensor
    total: torch.Tensor

    @property
    def prompts(self) -> torch.Tensor:
        """The prompts alone [batch, longest prompt]; what follows a shorter prompt stays, a causal model ignores it."""
        return self.ids[:, : int(self.prompt.max())]

    @property
    def answers(self) -> torch.Tensor:
        """Bool[Tensor, "batch length"]: the tokens to learn and to score, the answer and its end."""
        place = torch.arange(self.ids.shape[1], device=self.ids.device)
        return (place >= self.prompt[:, None]) & (place < self.total[:, None])


def encode(tokenizer: Any, examples: Sequence[Example], captions: bool = False) -> Encoded:
    """Examples as prompt (the question; with `captions` the caption before it, in the image's place) and answer."""
    prompts = [f"{e.caption} {e.question}" if captions else e.question for e in examples]
    head, tail = ids_of(tokenizer, prompts), ids_of(tokenizer, [f" {e.answer}" for e in examples])
    whole = [h + t + [tokenizer.eos_token_id] for h, t in zip(head, tail, strict=True)]
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return Encoded(padded(whole, pad), np.array([len(h) for h in head]), np.array([len(w) for w in whole]))


class TextStream:
    """Batches of text (captions in the images' place), a function of the step: the dataset's split `text` from index
    `first` on.
    """

    def __init__(self, dataset: Any, tokenizer: Any, batch: int, first: int, device: torch.device) -> None:
        self.dataset, self.tokenizer, self.batch, self.device = dataset, tokenizer, batch, device
        self.first, self.chunk = first, -1

    def of(self, step: int, part: int = 0, splits: int = 1) -> Batch:
        """The batch of that step, or one of the parts that it is split into; the last chunk is kept."""
        chunk, place = divmod(step, CHUNK)
        if chunk != self.chunk:
            indices = self.first + np.arange(chunk * CHUNK * self.batch, (chunk + 1) * CHUNK * self.batch)
            self.encoded = encode(self.tokenizer, self.dataset.examples("text", indices), captions=True)
            self.chunk = chunk
        rows = np.arange(place * self.batch, (place + 1) * self.batch)
        return self.encoded.batch(np.array_split(rows, splits)[part], self.device)
