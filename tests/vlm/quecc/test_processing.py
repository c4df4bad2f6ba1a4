"""Questions, labels and image tokens found by offsets, under any template; batches of any lengths."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tokenizers import processors

from scalelaw.errors import InputError
from scalelaw.vlm.quecc import QueccConfig, QueccProcessor
from scalelaw.vlm.quecc.processing import IGNORED, square
from scalelaw.vlm.quecc.spans import PLAIN, messages_of, render, tokens_in

from .conftest import CHATML, llm_config, picture, processor_of, tokenizer, tower_config

LLAMA = (
    "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] | trim }} [/INST]"
    "{% elif m['role'] == 'assistant' %} {{ m['content'] | trim }}{{ eos_token }}{% endif %}{% endfor %}"
)
PARTS = (
    "{% for m in messages %}{{ m['role'].upper() }}:{% for c in m['content'] %}{% if c['type'] == 'image' %} <image>"
    "{% else %} {{ c['text'] }}{% endif %}{% endfor %}{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %} "
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
TEMPLATES = {"parts": PARTS, "chatml": CHATML, "llama": LLAMA, "plain": PLAIN, "none": None}
TURNS = [
    {"from": "human", "value": "<image>\nIs ASSISTANT: here? USER"},
    {"from": "gpt", "value": "It is."},
    {"from": "human", "value": "Is ASSISTANT: here? USER"},
    {"from": "gpt", "value": "Still."},
]


def processor(template: str | None = CHATML, separator: str = "\n", **more: Any) -> Any:
    config = QueccConfig(tower_config(), llm_config(), visual_tokens=3, compressor="resampler",
                         question_separator=separator)  # fmt: skip
    return processor_of(config, template, **more)


def text(values: Any, ids: list[int]) -> str:
    return str(values.tokenizer.decode(ids))


@pytest.mark.parametrize("template", TEMPLATES)
def test_question_and_answers_under_any_template(template: str) -> None:
    """The same words as question twice, the template's own words among them: searching would find the wrong ones."""
    own = processor(TEMPLATES[template])
    row = own.conversation(TURNS)
    assert text(own, row["question_ids"]) == "Is ASSISTANT: here? USER\nIs ASSISTANT: here? USER"
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
    assert text(own, row["question_ids"]) == "A\nB"
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
        ([{"role": "user", "content": [{"type": "video", "path": "x"}]}], CHATML, "bad_conversation"),
        ([{"role": "user", "content": [{"type": "text"}]}], CHATML, "bad_conversation"),
        (TURNS, "{{ messages[0]['content'] }}", "bad_template"),
        (TURNS, PARTS.replace("<image>", "<picture>"), "bad_template"),
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


# ---------------------------------------------------------------------------- one question on every path


def begun(own: Any) -> Any:
    """The processor with a tokenizer that puts a token at the beginning of each text, as Llama's does."""
    own.tokenizer.add_special_tokens({"bos_token": "<s>"})
    token = own.tokenizer.bos_token_id
    own.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", token)]
    )
    return own


CHAT = [
    {"role": "user", "content": [{"type": "image", "image": picture()}, {"type": "text", "text": "Which colour?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "None."}]},
    {"role": "user", "content": [{"type": "text", "text": "Why?"}]},
]  # fmt: skip


@pytest.mark.parametrize("turns", ["all", "first", "last"])
@pytest.mark.parametrize("template", [CHATML, PARTS, "{{ bos_token }}" + PARTS])
def test_the_question_is_the_same_in_training_scoring_serving_and_chats(template: str, turns: str) -> None:
    own = begun(processor(template, separator=" / "))
    own.question_turns = turns
    wanted = {"all": "<s>Which colour? / Why?", "first": "<s>Which colour?", "last": "<s>Why?"}[turns]
    turned = [{"from": "human", "value": "<image>\nWhich colour?"}, {"from": "gpt", "value": "None."},
              {"from": "human", "value": "Why?"}]  # fmt: skip
    prompt = own.apply_chat_template(CHAT, add_generation_prompt=True)
    ways = [
        own.conversation([*turned, {"from": "gpt", "value": "So."}])["question_ids"],
        own.collate([turned], [[picture()]], add_generation_prompt=True)["question_ids"][0].tolist(),
        own.apply_chat_template(CHAT, add_generation_prompt=True, tokenize=True, return_dict=True)[
            "question_ids"
        ][0].tolist(),
        own(images=picture(), text=prompt)["question_ids"][0].tolist(),
        own(images=[picture()], text=[pickle.loads(pickle.dumps(prompt))])["question_ids"][0].tolist(),
        own(images=picture(), text="<image>", questions=wanted.removeprefix("<s>"))["question_ids"][
            0
        ].tolist(),
    ]
    assert [text(own, ids) for ids in ways] == [wanted] * 6


@pytest.mark.parametrize("template", [CHATML, PARTS, "{{ bos_token }}" + PARTS])
def test_a_chat_is_what_its_conversation_is(template: str) -> None:
    own = begun(processor(template))
    chat = own.apply_chat_template(
        [CHAT, CHAT[2:]], add_generation_prompt=True, tokenize=True, return_dict=True
    )
    batch = own.collate([CHAT, CHAT[2:]], [[picture()], []], add_generation_prompt=True)
    assert chat.keys() == batch.keys()
    assert all(torch.equal(chat[key], batch[key]) for key in batch)
    # one token begins a prompt, whether the template or the tokenizer writes it
    assert text(own, chat["input_ids"][0].tolist()).count("<s>") == 1
    ids = own.apply_chat_template(CHAT, tokenize=True)
    assert torch.equal(ids, own.apply_chat_template(CHAT, tokenize=True, return_dict=True)["input_ids"])


def test_an_answer_that_has_begun_is_continued() -> None:
    own = processor()
    prompt = own.apply_chat_template(CHAT[:2], continue_final_message=True)
    assert prompt.endswith("<|im_start|>assistant\nNone.")
    assert prompt.question == "Which colour?"


def test_images_of_a_chat_come_from_files_too(tmp_path: Path) -> None:
    own = processor()
    picture().save(tmp_path / "it.png")
    chat = [{"role": "user", "content": [{"type": "image", "path": str(tmp_path / "it.png")}]}]
    made = own.apply_chat_template(chat, tokenize=True, return_dict=True)["pixel_values"]
    assert torch.equal(made, own(images=picture(), text="<image>")["pixel_values"])
    with pytest.raises(InputError) as caught:
        own.apply_chat_template([{"role": "user", "content": [{"type": "image"}]}], tokenize=True)
    assert caught.value.code == "bad_conversation"


# ---------------------------------------------------------------------------- options of a call


def test_options_of_a_call_have_their_effect() -> None:
    own = processor()
    texts = ["<image> What is it?", "<image>"]

    def lengths(**options: Any) -> Any:
        batch = own(images=[picture(), picture()], text=texts, **options)
        return tuple(batch["input_ids"].shape), batch["attention_mask"].sum(1).tolist()

    assert lengths() == ((2, 15), [15, 3])
    assert lengths(padding="max_length", max_length=20) == ((2, 20), [15, 3])
    assert lengths(padding="max_length", max_length=10, truncation=True) == ((2, 10), [10, 3])
    assert lengths(truncation=True, max_length=5) == lengths(max_length=5) == ((2, 5), [5, 3])
    assert lengths(text_kwargs={"truncation": True, "max_length": 5}) == ((2, 5), [5, 3])
    assert lengths(truncation=False, max_length=5) == ((2, 15), [15, 3])
    batch = own(images=[picture(), picture()], text=texts, return_tensors="np", padding_side="right")
    assert isinstance(batch["input_ids"], np.ndarray)
    assert batch["attention_mask"][1].tolist() == [1] * 3 + [0] * 12
    plain = begun(own)(images=picture(), text="<image>", add_special_tokens=False)
    assert own.tokenizer.bos_token_id not in plain["input_ids"]
    small = own(images=picture(), text="<image>", images_kwargs={"size": {"height": 16, "width": 16}})
    assert small["pixel_values"].shape == (1, 3, 16, 16)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"max_lenght": 5}, "unknown_option"), ({"videos": ["x"]}, "unknown_option"),
        ({"return_tensors": "tf"}, "bad_value"), ({"truncation": True}, "bad_value"),
        ({"padding": "max_length"}, "bad_value"), ({"padding": "most"}, "bad_value"),
        ({"padding": False}, "bad_value"), ({"truncation": True, "max_length": 2}, "too_long"),
        ({"text_kwargs": {"stride": 1}}, "unknown_option"),
    ],
)  # fmt: skip
def test_other_options_are_refused(options: dict[str, Any], code: str) -> None:
    with pytest.raises(InputError) as caught:
        processor()(images=[picture(), picture()], text=["<image> What is it?", "<image>"], **options)
    assert caught.value.code == code
    for name in ("tools", "documents", "return_assistant_tokens_mask"):
        with pytest.raises(InputError) as caught:
            processor().apply_chat_template(CHAT, **{name: True})
        assert caught.value.code == "unknown_option"
