"""Text as ids, in digits."""

from __future__ import annotations

import numpy as np
import torch

from scalelaw.datasets._example import Example
from scalelaw.vlm.tokens import encode, ids_of, padded, word_tokenizer

EXAMPLES = [Example("b", "a red", "what ?", "red"), Example("b", "1 2", "what is ?", "1 2")]


def test_words_and_special_tokens() -> None:
    tokenizer = word_tokenizer(["a", "b"])
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    assert ids_of(tokenizer, ["a b", " b", "c"]) == [[3, 4], [4], [1]]
    assert len(tokenizer) == 5


def test_padding_is_on_the_right() -> None:
    assert padded([[5], [6, 7]], 0).tolist() == [[5, 0], [6, 7]]


def test_question_answer_and_end() -> None:
    tokenizer = word_tokenizer(["1", "2", "?", "a", "is", "red", "what"])
    encoded = encode(tokenizer, EXAMPLES)
    assert encoded.ids.tolist() == [[9, 5, 8, 2, 0, 0], [9, 7, 5, 3, 4, 2]]
    assert encoded.prompt.tolist() == [2, 3]
    assert encoded.total.tolist() == [4, 6]
    batch = encoded.batch(np.array([0, 1]), torch.device("cpu"))
    assert batch.answers.int().tolist() == [[0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1]]
    assert batch.prompts.tolist() == [[9, 5, 8], [9, 7, 5]]
    assert encoded.batch(np.array([0]), torch.device("cpu")).ids.tolist() == [[9, 5, 8, 2]]


def test_the_caption_stands_in_the_images_place() -> None:
    tokenizer = word_tokenizer(["1", "2", "?", "a", "is", "red", "what"])
    assert encode(tokenizer, EXAMPLES[:1], captions=True).ids.tolist() == [[6, 8, 9, 5, 8, 2]]
