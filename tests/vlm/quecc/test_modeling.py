"""The transformers model: parts as they are defined, saved and loaded strictly, generating as it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
)

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.vlm.quecc import QueccConfig, QueccForConditionalGeneration, QueccProcessor

from .conftest import build, llm_config, picture, tower_config

ASK = [{"from": "human", "value": "<image>\nWhat is this?"}, {"from": "gpt", "value": "Noise."}]
TWO = [{"from": "human", "value": "<image>\n<image>\nSame?"}, {"from": "gpt", "value": "No."},
       {"from": "human", "value": "Sure?"}, {"from": "gpt", "value": "Yes, quite."}]  # fmt: skip
NO_IMAGE = [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Hello!"}]
NO_QUESTION = [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "A picture."}]
ALL = [ASK, TWO, NO_IMAGE, NO_QUESTION]
IMAGES = [[picture(0)], [picture(1), picture(2, (20, 60))], [], [picture(3)]]


def batch(processor: QueccProcessor, rows: Any = slice(None), **more: Any) -> dict[str, Any]:
    return dict(processor.collate(ALL[rows], IMAGES[rows], **more))


@pytest.mark.parametrize("llm", ["qwen2", "llama", "gpt_neox"])
@pytest.mark.parametrize("kind", ["clip", "siglip", "dinov2"])
def test_any_tower_and_any_llm(kind: str, llm: str) -> None:
    """A batch of unequal conversations gives each what it gives alone; every part but the tower learns."""
    model, processor = build(kind, llm)
    out = model(**batch(processor))
    assert out.image_hidden_states.shape == (4, 4, 24)
    out.loss.backward()
    assert not any(p.grad is not None for p in model.vision_tower.parameters())
    for part in (model.compressor, model.projector, model.language_model):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
    for row in range(4):
        inputs = batch(processor, slice(row, row + 1))
        alone = model(**inputs).logits[0]
        torch.testing.assert_close(out.logits[row, : len(alone)], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", plugins.names("compressors"))
def test_any_compressor(name: str) -> None:
    model, processor = build(compressor=name, visual_tokens=16 if name == "none" else 4)
    assert torch.isfinite(model(**batch(processor)).loss)


def test_the_tokens_are_those_of_the_definition() -> None:
    """X, X_multi and t straight from the parts."""
    model, processor = build()
    inputs = batch(processor, slice(0, 1))
    states = model.vision_tower(inputs["pixel_values"], output_hidden_states=True).hidden_states
    assert model.config.vision_layers == [2, 3, 4, 4]
    multi = torch.cat([states[layer][:, 1:] for layer in (2, 3, 4, 4)], dim=-1)
    ids = torch.tensor([processor.tokenizer("What is this?")["input_ids"]])
    t = model.language_model.base_model(input_ids=ids).last_hidden_state[:, -1]
    tokens = model.projector(model.compressor(states[-2][:, 1:], multi, t))
    out = model(**inputs)
    torch.testing.assert_close(out.image_hidden_states, tokens, rtol=1e-5, atol=1e-6)
    place = inputs["input_ids"] == model.config.image_token_index
    assert int(place.sum()) == 4
    embedded = model.get_input_embeddings()(inputs["input_ids"].masked_fill(place, 0))
    embedded[place] = tokens[0]
    logits = model.language_model(inputs_embeds=embedded).logits
    logits[..., model.config.image_token_index] = torch.finfo(logits.dtype).min
    torch.testing.assert_close(out.logits, logits, rtol=1e-5, atol=1e-5)
    wanted = inputs["labels"][0, 1:]
    loss = torch.nn.functional.cross_entropy(logits[0, :-1][wanted != -100], wanted[wanted != -100])
    torch.testing.assert_close(out.loss, loss)


def test_the_question_changes_the_tokens_and_none_is_a_question_of_its_own() -> None:
    model, processor = build()
    pixels = batch(processor, slice(0, 1))["pixel_values"]
    prompt = {"images": picture(0), "text": "<image> x"}
    tokens = [model(**processor(**prompt, questions=q)).image_hidden_states for q in ("red?", "blue?", "")]
    assert (tokens[0] - tokens[1]).abs().max() > 1e-4
    nothing = model.get_image_features(pixels, torch.zeros(1, 24))
    torch.testing.assert_close(tokens[2], nothing, rtol=1e-5, atol=1e-6)


def test_a_rectangular_grid_and_one_that_the_window_does_not_divide() -> None:
    model, processor = build(image_size=(24, 40), visual_tokens=None, compressor_options={"side": 2})
    assert model.config.grid == (3, 5)
    assert model.config.visual_tokens == 6
    processor.pad_square = False
    out = model(**processor(images=picture(0, (50, 30)), text="<image> What?"))
    assert out.image_hidden_states.shape == (1, 6, 24)
    for kind in ("siglip", "dinov2"):
        wide, _ = build(kind, image_size=(24, 40), visual_tokens=15)
        assert wide.get_image_features(torch.randn(2, 3, 24, 40), torch.zeros(2, 24)).shape == (2, 15, 24)


def test_one_matryoshka_model_takes_any_number_of_tokens() -> None:
    model, processor = build(compressor="matryoshka_query", visual_tokens=4)
    for tokens in (1, 7, 16):
        processor.visual_tokens = tokens
        assert model(**batch(processor)).image_hidden_states.shape == (4, tokens, 24)


# ---------------------------------------------------------------------------- saved and loaded


def test_saved_and_loaded_by_the_auto_classes(tmp_path: Path) -> None:
    model, processor = build()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, QueccConfig)
    assert (config.visual_tokens, config.vision_layers, config.grid) == (4, [2, 3, 4, 4], (4, 4))
    again = AutoModelForImageTextToText.from_pretrained(tmp_path).eval()
    assert isinstance(again, QueccForConditionalGeneration)
    words = AutoProcessor.from_pretrained(tmp_path)
    assert isinstance(words, QueccProcessor)
    assert (words.visual_tokens, words.image_token_id) == (4, processor.image_token_id)
    assert torch.equal(again(**batch(words)).logits, model(**batch(processor)).logits)


@pytest.mark.parametrize("wrong", ["missing", "unexpected", "mismatched"])
def test_a_weight_too_few_or_too_many_is_an_error(tmp_path: Path, wrong: str) -> None:
    model, _ = build()
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    name = "compressor.pool.weight"
    if wrong == "missing":
        del weights[name]
    elif wrong == "unexpected":
        weights["compressor.more"] = torch.zeros(1)
    else:
        weights[name] = torch.zeros(1, 1)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    options = {"ignore_mismatched_sizes": True} if wrong == "mismatched" else {}
    with pytest.raises(InputError) as caught:
        AutoModelForImageTextToText.from_pretrained(tmp_path, **options)
    assert caught.value.code == "weights_do_not_match"


def test_made_of_pretrained_parts(tmp_path: Path) -> None:
    """A tower and an LLM from their folders; an image token beyond the LLM's vocabulary extends the vocabulary."""
    torch.manual_seed(0)
    tower = AutoModel.from_config(tower_config())
    llm = AutoModelForCausalLM.from_config(llm_config("llama"))
    tower.save_pretrained(tmp_path / "tower")
    llm.save_pretrained(tmp_path / "llm")
    model = QueccForConditionalGeneration.from_parts(
        tmp_path / "tower", tmp_path / "llm", visual_tokens=4, image_token_index=300
    )
    assert model.config.text_config.vocab_size == 301
    for name, value in tower.state_dict().items():
        assert torch.equal(model.vision_tower.state_dict()[name], value)
    assert torch.equal(model.get_input_embeddings().weight[:300], llm.get_input_embeddings().weight)
    model.train_stage(1)
    assert {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad} == {
        "compressor",
        "projector",
    }
    model.train_stage(2)
    assert not any(p.requires_grad for p in model.vision_tower.parameters())
    assert all(p.requires_grad for p in model.language_model.parameters())


# ---------------------------------------------------------------------------- generating


def test_generation_is_greedy_decoding_step_by_step() -> None:
    model, processor = build()
    inputs = batch(processor, slice(0, 1), add_generation_prompt=True)
    written = model.generate(**inputs, max_new_tokens=6, do_sample=False, eos_token_id=None)
    ids = inputs["input_ids"]
    for _ in range(6):
        step = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
        ids = torch.cat([ids, model(**step).logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(written, ids)


def test_the_images_token_is_never_written() -> None:
    """Also where the LLM would find it most likely; it has no part in the loss either."""
    model, processor = build(tie_word_embeddings=False)
    token = model.config.image_token_index
    inputs = batch(processor, slice(0, 1))
    before = model(**inputs).loss
    head = torch.nn.Linear(24, 300)
    with torch.no_grad():
        head.weight.copy_(model.get_output_embeddings().weight)
        head.bias.zero_()
        head.bias[token] = 100.0
    model.set_output_embeddings(head)
    out = model(**inputs)
    assert torch.equal(out.loss, before)
    out.loss.backward()
    assert not head.weight.grad[token].any()
    prompt = batch(processor, slice(0, 1), add_generation_prompt=True)
    length = prompt["input_ids"].shape[1]
    for options in ({"do_sample": False}, {"do_sample": True, "temperature": 9.0}, {"num_beams": 2}):
        written = model.generate(**prompt, max_new_tokens=6, eos_token_id=None, **options)
        assert token not in written[:, length:]


@pytest.mark.parametrize("beams", [1, 3])
def test_a_batch_generates_what_each_row_does_alone(beams: int) -> None:
    """Unequal lengths, none to two images a row, left padding, beams."""
    model, processor = build()
    options = {"max_new_tokens": 5, "do_sample": False, "num_beams": beams, "eos_token_id": None}
    inputs = batch(processor, add_generation_prompt=True)
    length = inputs["input_ids"].shape[1]
    together = model.generate(**inputs, **options)[:, length:]
    for row in range(4):
        one = batch(processor, slice(row, row + 1), add_generation_prompt=True)
        alone = model.generate(**one, **options)[:, one["input_ids"].shape[1] :]
        assert torch.equal(together[row : row + 1], alone)


# ---------------------------------------------------------------------------- what is refused


def test_what_does_not_fit_is_a_sentence() -> None:
    model, processor = build()
    inputs = batch(processor, slice(0, 1))
    for change, code in (
        ({"pixel_values": None}, "images_do_not_match"),
        ({"pixel_values": inputs["pixel_values"].repeat(2, 1, 1, 1)}, "images_do_not_match"),
        ({"pixel_values": torch.zeros(1, 3, 16, 16)}, "bad_image_size"),
    ):
        with pytest.raises(InputError) as caught:
            model(**{**inputs, **change})
        assert caught.value.code == code
    with pytest.raises(InputError) as caught:
        QueccConfig(tower_config(), llm_config())
    assert caught.value.code == "missing_visual_tokens"
    with pytest.raises(InputError) as caught:
        QueccForConditionalGeneration(QueccConfig(tower_config(), llm_config(), visual_tokens=5))
    assert "16, 4, 1" in caught.value.hint
    for wrong in ({"question_turns": "second"}, {"image_size": 4}):
        with pytest.raises(InputError):
            QueccConfig(tower_config(), llm_config(), visual_tokens=4, **wrong)
    with pytest.raises(InputError):
        QueccConfig()


def test_the_loss_of_several_batches_is_that_of_one() -> None:
    """Gradient accumulation: each loss divided by the tokens of all."""
    model, processor = build()
    whole = batch(processor)
    items = int((whole["labels"][:, 1:] != -100).sum())
    parts = [model(**batch(processor, slice(r, r + 1)), num_items_in_batch=items).loss for r in range(4)]
    torch.testing.assert_close(torch.stack(parts).sum(), model(**whole).loss)
