"""Questions, labels and image tokens found by offsets, under any template; batches of any lengths."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scalelaw.errors import InputError
from scalelaw.vlm.quecc import QueccConfig, QueccProcessor
from scalelaw.vlm.quecc.processing import IGNORED, square
from scalelaw.vlm.quecc.spans import PLAIN, messages_of, render, tokens_in

from .conftest import CHATML, llm_config, picture, processor_of, tokenizer, tower_config

LLAMA = (
    "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] | trim }} [/INST]"
    "{% elif m['role'] == 'assistant' %} {{ m['content'] | trim }}{{ eos_token }}{% endif %}{% endfor %}"
)
TEMPLATES = {"chatml": CHATML, "llama": LLAMA, "plain": PLAIN, "none": None}
TURNS = [
    {"from": "human", "value": "<image>\nIs ASSISTANT: here? USER"},
    {"from": "gpt", "value": "It is."},
    {"from": "human", "value": "Is ASSISTANT: here? USER"},
    {"from": "gpt", "value": "Still."},
]


def processor(template: str | None = CHATML, **more: Any) -> Any:
    config = QueccConfig(tower_config(), llm_config(), visual_tokens=3, compressor="resampler")
    return processor_of(config, template, **more)


def text(values: Any, ids: list[int]) -> str:
    return str(values.tokenizer.decode(ids))


@pytest.mark.parametrize("template", TEMPLATES)
def test_question_and_answers_under_any_template(template: str) -> None:
    """The same words as question twice, the template's own words among them: searching would find the wrong ones."""
    own = processor(TEMPLATES[template])
    row = own.conversation(TURNS)
    assert text(own, row["question_ids"]) == "Is ASSISTANT: here? USER" * 2
    learned = [i for i in row["labels"] if i != IGNORED]
    assert text(own, learned) == "It is.<|im_end|>Still.<|im_end|>"
    assert row["input_ids"].count(own.image_token_id) == 3
    own.question_turns = "last"
    last = own.conversation(TURNS)
    assert text(own, last["question_ids"]) == "Is ASSISTANT: here? USER"
    assert last["input_ids"] == row["input_ids"]


def test_chats_in_parts_are_conversations_too() -> None:
    own = processor()
    chat = [
        {"role": "system", "content": "Be kind."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "A"}, {"type": "image"}, {"type": "text", "text": "B"}],
        },
        {"role": "assistant", "content": "C"},
    ]
    row = own.conversation(chat)
    assert text(own, row["question_ids"]) == "AB"
    shown = text(own, row["input_ids"])
    assert shown.startswith(
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nA\n<image><image><image>\nB"
    )


def test_without_question_and_without_image() -> None:
    own = processor()
    batch = own.collate([TURNS[:2], [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "A"}],
                          [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "B"}]],
                         [[picture(0)], [picture(1)], []])  # fmt: skip
    assert batch["question_lengths"].tolist() == [24, 0, 2]
    assert batch["pixel_values"].shape == (2, 3, 32, 32)
    assert batch["labels"].shape == batch["input_ids"].shape == batch["attention_mask"].shape
    assert "pixel_values" not in own.collate([TURNS[2:]], [[]])


def test_sides_of_padding() -> None:
    own = processor()
    train = own.collate([TURNS[:2], TURNS], [[picture()], [picture()]])
    assert train["attention_mask"][0].tolist() == sorted(train["attention_mask"][0].tolist(), reverse=True)
    assert (train["labels"][0][train["attention_mask"][0] == 0] == IGNORED).all()
    batch = own.collate([TURNS[:1], TURNS[:3]], [[picture()], [picture()]], add_generation_prompt=True)
    assert batch["attention_mask"][0].tolist() == sorted(batch["attention_mask"][0].tolist())
    assert "labels" not in batch
    assert text(own, batch["input_ids"][1].tolist()).endswith("<|im_start|>assistant\n")


def test_too_long_is_cut_behind_the_images_only() -> None:
    own = processor()
    whole = own.conversation(TURNS)
    cut = own.conversation(TURNS, max_length=60)
    assert cut["input_ids"] == whole["input_ids"][:60]
    assert cut["labels"] == whole["labels"][:60]
    with pytest.raises(InputError) as caught:
        own.conversation(TURNS, max_length=8)
    assert caught.value.code == "too_long"


def test_prompts_as_they_are() -> None:
    made_processor = processor()
    batch = made_processor(images=[picture(), picture(1)], text=["<image> What?", "Hm <image>"])
    assert text(made_processor, batch["question_ids"][0, : batch["question_lengths"][0]].tolist()) == "What?"
    assert (batch["input_ids"] == made_processor.image_token_id).sum(dim=1).tolist() == [3, 3]
    own = made_processor(images=picture(), text="<image> What?", questions="Else?")
    assert text(made_processor, own["question_ids"][0].tolist()) == "Else?"


def test_images_are_padded_square_with_the_mean_colour() -> None:
    own = processor()
    wide = Image.new("RGB", (40, 20), (255, 0, 0))
    padded = square(wide, own.image_processor)
    assert padded.size == (40, 40)
    assert padded.getpixel((0, 0)) == tuple(int(255 * c) for c in own.image_processor.image_mean)
    assert padded.getpixel((20, 20)) == (255, 0, 0)
    assert torch.equal(own(images=wide, text="<image>")["pixel_values"],
                       own(images=padded, text="<image>")["pixel_values"])  # fmt: skip


@given(st.lists(st.text(alphabet="ab \n<|im_start>ö漢", min_size=1, max_size=12), min_size=1, max_size=4))
def test_spans_hold_exactly_what_was_said(texts: list[str]) -> None:
    """Whatever the words are, the template's own included, the spans cut them out of the rendered text."""
    turns = [{"role": ("user", "assistant")[i % 2], "content": words} for i, words in enumerate(texts)]
    messages = messages_of(turns)
    shown = render(tokenizer(), messages, "<image>")
    parts = [part for message in messages for part in message["parts"]]
    assert [shown.text[a:b] for _, a, b in shown.spans] == parts == [t.strip() for t in texts if t.strip()]


def test_a_token_belongs_where_it_shares_a_character() -> None:
    assert tokens_in([(0, 2), (2, 4), (3, 5), (5, 5), (6, 9)], [(1, 3), (8, 9)]) == [
        True,
        True,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("turns", "template", "code"),
    [
        ([{"from": "robot", "value": "Hi"}], CHATML, "bad_conversation"),
        ([{"from": "human"}], CHATML, "bad_conversation"),
        (
            [{"role": "user", "content": [{"type": "text", "text": "an <image> in words"}]}],
            CHATML,
            "bad_conversation",
        ),
        ([{"role": "user", "content": "a \ue000 mark"}], CHATML, "bad_conversation"),
        (TURNS, "{{ messages[0]['content'] }}", "bad_template"),
        (TURNS, "{% for m in messages %}{{ m['content'][:9] }}{% endfor %}", "bad_template"),
    ],
)
def test_what_it_refuses(turns: list[dict[str, Any]], template: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        processor(template).conversation(turns)
    assert caught.value.code == code


def test_a_slow_tokenizer_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        QueccProcessor(None, object())
    assert caught.value.code == "bad_tokenizer"
