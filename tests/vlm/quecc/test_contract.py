"""What transformers expects of a model: each promise on a tiny one, with a tied and with an untied LLM."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from scalelaw.errors import InputError
from scalelaw.vlm.quecc import QueccConfig, QueccForConditionalGeneration

from .conftest import LLM, build, llm_config, picture, processor_of, tower_config

TURNS = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "noise"}]
EVIL = """
from pathlib import Path
Path({marker!r}).write_text("ran")
from scalelaw.compressors.average_pool import Compressor, allowed_tokens
"""


def made(tied: bool) -> tuple[Any, Any]:
    """(model, processor); the LLM's head is its embedding, or a table of its own."""
    model, processor = build()
    text = AutoConfig.for_model("qwen2", **LLM, tie_word_embeddings=tied)
    torch.manual_seed(0)
    token = model.config.image_token_index
    config = QueccConfig(tower_config(), text, visual_tokens=4, image_token_index=token)
    return QueccForConditionalGeneration(config).eval(), processor


def tied_in(model: Any) -> bool:
    same: bool = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    return same


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("rows", [317, 270])
def test_both_embeddings_are_resized_saved_and_loaded(tied: bool, rows: int, tmp_path: Path) -> None:
    model, processor = made(tied)
    inputs = processor.collate([TURNS[:1]], [[picture()]], add_generation_prompt=True)
    before = model(**inputs).logits
    model.resize_token_embeddings(rows, mean_resizing=False)
    assert model.get_input_embeddings().weight.shape[0] == rows
    assert model.get_output_embeddings().weight.shape[0] == rows
    assert tied_in(model) == tied
    sizes = (
        model.config.vocab_size,
        model.config.text_config.vocab_size,
        model.language_model.config.vocab_size,
    )
    assert sizes == (rows, rows, rows)
    after = model(**inputs).logits
    kept = min(rows, LLM["vocab_size"])
    torch.testing.assert_close(after[..., :kept], before[..., :kept])
    generated = model.generate(**inputs, max_new_tokens=3, do_sample=False)
    model.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert tied_in(again) == tied
    assert again.config.vocab_size == rows
    torch.testing.assert_close(again(**inputs).logits, after)
    assert torch.equal(again.generate(**inputs, max_new_tokens=3, do_sample=False), generated)


@pytest.mark.parametrize("tied", [True, False])
def test_embeddings_can_be_replaced_and_tied_again(tied: bool) -> None:
    model, _ = made(tied)
    table, head = torch.nn.Embedding(300, 24), torch.nn.Linear(24, 300, bias=False)
    model.set_input_embeddings(table)
    model.set_output_embeddings(head)
    assert model.language_model.get_input_embeddings() is table
    assert model.language_model.get_output_embeddings() is head
    model.tie_weights()
    assert tied_in(model) == tied


@pytest.mark.parametrize("stage", [1, 2])
def test_gradient_checkpointing_gives_the_same_gradients(stage: int) -> None:
    model, processor = made(tied=True)
    model.train_stage(stage)
    model.train()
    batch = processor.collate([TURNS], [[picture()]])

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        model(**batch).loss.backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    plain = gradients()
    model.gradient_checkpointing_enable()
    assert model.is_gradient_checkpointing
    for one, other in zip(plain, gradients(), strict=True):
        torch.testing.assert_close(one, other)
    model.gradient_checkpointing_disable()
    assert not model.is_gradient_checkpointing


def test_generation_from_embeddings_is_that_from_tokens() -> None:
    model, processor = made(tied=True)
    text = processor.collate([[{"from": "human", "value": "Hi"}]], add_generation_prompt=True)
    ids = text["input_ids"]
    wanted = model.generate(
        input_ids=ids, attention_mask=text["attention_mask"], max_new_tokens=4, do_sample=False
    )
    embeds = model.get_input_embeddings()(ids)
    mask = text["attention_mask"]
    generated = model.generate(inputs_embeds=embeds, attention_mask=mask, max_new_tokens=4, do_sample=False)
    assert torch.equal(generated, wanted[:, ids.shape[1] :])


def test_images_are_never_dropped_and_inputs_never_ambiguous() -> None:
    model, processor = made(tied=True)
    batch = processor.collate([TURNS[:1]], [[picture()]], add_generation_prompt=True)
    embeds = torch.zeros(1, 3, LLM["hidden_size"])
    for inputs in (
        {},
        {"inputs_embeds": embeds, "input_ids": batch["input_ids"]},
        {"inputs_embeds": embeds, "pixel_values": batch["pixel_values"]},
    ):
        with pytest.raises(InputError) as caught:
            model(**inputs)
        assert caught.value.code == "bad_input"
    for ids, lengths in (
        (batch["question_ids"], None),
        (None, batch["question_lengths"]),
        (batch["question_ids"], torch.tensor([99])),
        (batch["question_ids"].repeat(2, 1), batch["question_lengths"].repeat(2)),
    ):
        with pytest.raises(InputError) as caught:
            model(input_ids=batch["input_ids"], pixel_values=batch["pixel_values"], question_ids=ids,
                  question_lengths=lengths)  # fmt: skip
        assert caught.value.code == "questions_do_not_match"


def test_images_are_read_once_while_it_generates() -> None:
    model, processor = made(tied=True)
    batch = processor.collate([TURNS[:1]], [[picture()]], add_generation_prompt=True)
    first = model.prepare_inputs_for_generation(**batch, is_first_iteration=True, use_cache=True)
    later = model.prepare_inputs_for_generation(**batch, is_first_iteration=False, use_cache=True)
    assert "pixel_values" in first
    assert not {"pixel_values", "question_ids", "question_lengths"} & later.keys()


@pytest.mark.parametrize("kind", ["sdpa", "eager"])
def test_what_it_says_it_supports_works(kind: str) -> None:
    model, processor = made(tied=True)
    batch = processor.collate([TURNS], [[picture()]])
    wanted = model(**batch).logits
    model.set_attn_implementation(kind)
    assert model.language_model.config._attn_implementation == kind
    torch.testing.assert_close(model(**batch).logits, wanted, atol=1e-5, rtol=1e-5)


def test_layers_that_a_device_map_must_not_split_are_those_of_the_parts() -> None:
    model, _ = made(tied=True)
    assert {"Qwen2DecoderLayer", "CLIPEncoderLayer"} <= set(model._no_split_modules)


# ---------------------------------------------------------------------------- images belong to their conversation


def pictures(count: int) -> list[Any]:
    return [picture(seed) for seed in range(count)]


@pytest.mark.parametrize(
    ("counts", "place"),
    [([1, 2], "0"), ([3, 0], "0"), ([2, 0], "1"), ([2, 2], "1"), ([2], "lists"), (None, "0")],
)
def test_images_belong_to_their_own_conversation(counts: list[int] | None, place: str) -> None:
    _, processor = made(tied=True)
    two = [{"from": "human", "value": "<image>\n<image>\nCompare."}]
    one = [{"from": "human", "value": "<image>\nColour?"}]
    images = None if counts is None else [pictures(count) for count in counts]
    with pytest.raises(InputError) as caught:
        processor.collate([two, one], images)
    assert caught.value.code == "images_do_not_match"
    assert place in caught.value.message
    assert len(processor.collate([two, one], [pictures(2), pictures(1)])["pixel_values"]) == 3
    texts = ["<image><image> a", "<image> b"]
    if counts is not None:
        with pytest.raises(InputError) as caught:
            processor([pictures(count) for count in counts], texts)
        assert caught.value.code == "images_do_not_match"
    with pytest.raises(InputError) as caught:
        processor(pictures(2), texts)
    assert caught.value.code == "images_do_not_match"
    with pytest.raises(InputError) as caught:
        processor(pictures(3), texts, questions=["only one"])
    assert caught.value.code == "questions_do_not_match"
    assert len(processor(pictures(3), texts)["pixel_values"]) == 3


def test_a_template_that_puts_turns_in_another_order_is_refused() -> None:
    """The number of texts is right, and what is said too: but an answer would be learned as a question."""
    model, _ = made(tied=True)
    backwards = "{% for m in messages|reverse %}{{ m['content'] }}{{ eos_token }}{% endfor %}"
    with pytest.raises(InputError) as caught:
        processor_of(model.config, backwards).conversation(TURNS)
    assert caught.value.code == "bad_template"


# ---------------------------------------------------------------------------- no code out of a config.json


@pytest.mark.parametrize("name", ["{}", "{}:", "{}:2", "{}/", "./../{}", "Average.PY"])
def test_a_compressor_that_a_config_names_by_path_is_not_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor = build(compressor="average_pool")
    model.save_pretrained(tmp_path / "model")
    own, marker = tmp_path / "evil.py", tmp_path / "ran"
    own.write_text(EVIL.format(marker=str(marker)))
    file = tmp_path / "model" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "compressor": name.format(own)}))
    for load in (
        lambda: AutoModelForImageTextToText.from_pretrained(tmp_path / "model", trust_remote_code=False),
        lambda: AutoModelForImageTextToText.from_pretrained(tmp_path / "model", trust_remote_code=True),
        lambda: QueccForConditionalGeneration.from_pretrained(tmp_path / "model"),
        lambda: AutoConfig.from_pretrained(tmp_path / "model"),
        lambda: QueccConfig.from_pretrained(tmp_path / "model"),
        lambda: QueccConfig.from_json_file(str(file)),
    ):
        with pytest.raises(InputError) as caught:
            load()
        assert caught.value.code == "compressor_file"
        assert not marker.exists()
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "model", compressor=str(own))
    assert marker.read_text() == "ran"
    batch = processor.collate([TURNS], [[picture()]])
    torch.testing.assert_close(again(**batch).logits, model(**batch).logits)


def test_a_configuration_within_another_runs_nothing(tmp_path: Path) -> None:
    own, marker = tmp_path / "evil.py", tmp_path / "ran"
    own.write_text(EVIL.format(marker=str(marker)))
    vision, text = tower_config().to_dict(), llm_config().to_dict()
    inner = {"model_type": "quecc", "compressor": str(own), "vision_config": vision, "text_config": text}
    for part in ("vision_config", "text_config"):
        outer = {"vision_config": vision, "text_config": text, "visual_tokens": 4, part: inner}
        with pytest.raises(InputError):
            QueccConfig.from_dict({"model_type": "quecc", **outer})
    assert not marker.exists()


def test_no_other_key_of_a_config_names_the_compressor(tmp_path: Path) -> None:
    model, _ = build(compressor="average_pool")
    model.save_pretrained(tmp_path)
    own, marker = tmp_path / "evil.py", tmp_path / "ran"
    own.write_text(EVIL.format(marker=str(marker)))
    file = tmp_path / "config.json"
    redirect = {"attribute_map": {"zz": "compressor"}, "zz": str(own)}
    file.write_text(json.dumps({**json.loads(file.read_text()), **redirect}))
    assert AutoConfig.from_pretrained(tmp_path).compressor == "average_pool"
    AutoModelForImageTextToText.from_pretrained(tmp_path, trust_remote_code=False)
    assert not marker.exists()


def test_a_configuration_built_from_the_keys_of_a_file_names_no_path(tmp_path: Path) -> None:
    keys = {
        "vision_config": tower_config().to_dict(),
        "text_config": llm_config().to_dict(),
        "visual_tokens": 4,
    }
    with pytest.raises(InputError) as caught:
        QueccConfig(model_type="quecc", compressor=str(tmp_path / "evil.py"), **keys)
    assert caught.value.code == "compressor_file"


@pytest.mark.parametrize(("name", "tokens"), [("average_pool", 5), ("matryoshka_query", 99), ("none", 4)])
def test_a_number_of_tokens_that_a_compressor_cannot_give_is_refused_alike(name: str, tokens: int) -> None:
    with pytest.raises(InputError) as caught:
        build(compressor=name, visual_tokens=tokens)
    assert caught.value.code == "tokens_not_allowed"
