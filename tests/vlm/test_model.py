"""The model's parts: sizes counted, padding without effect, gradients where they belong, scores as generation gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scalelaw.compressors.quecc import Compressor
from scalelaw.config import Vision
from scalelaw.errors import InputError
from scalelaw.model_shapes import custom_shape
from scalelaw.vlm.cell import dataset_of
from scalelaw.vlm.llm import build_llm, load_llm, n_params, n_params_embedding
from scalelaw.vlm.model import VisionLanguageModel
from scalelaw.vlm.score import score
from scalelaw.vlm.tokens import encode
from scalelaw.vlm.tower import Tower, load_tower

from .conftest import experiment


def small() -> tuple[VisionLanguageModel, Any, Any]:
    tiny = experiment()
    dataset = dataset_of(tiny)
    llm, tokenizer = build_llm(tiny, "16x1", dataset.words)
    torch.manual_seed(0)
    model = VisionLanguageModel(llm, Compressor((8, 8), 16, 48, 4, 16), 16, slice(16, 32))
    return model, tokenizer, dataset


@pytest.mark.parametrize("size", ["8x1", "24x2", "128x2"])
def test_a_model_has_the_parameters_of_its_shape(size: str) -> None:
    tiny = experiment()
    words = dataset_of(tiny).words
    model, tokenizer = build_llm(tiny, size, words)
    shape = custom_shape(size, len(tokenizer))
    assert n_params(model) == shape.n_params
    assert n_params_embedding(model) == shape.embedding_params == len(tokenizer) * shape.width


def test_padding_changes_no_loss() -> None:
    model, tokenizer, dataset = small()
    examples = dataset.examples("train", np.arange(12))
    encoded = encode(tokenizer, examples)
    features = torch.randn(12, 64, 48)
    together = model(features, encoded.batch(np.arange(12), torch.device("cpu")))
    alone = [model(features[i : i + 1], encoded.batch(np.array([i]), torch.device("cpu"))) for i in range(12)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_the_loss_is_that_of_the_answer_given_image_and_question() -> None:
    """Against the plain way: every logit of the sequence, shifted by one, averaged over the answer's tokens."""
    model, tokenizer, dataset = small()
    encoded = encode(tokenizer, dataset.examples("train", np.arange(1)))
    batch, features = encoded.batch(np.array([0]), torch.device("cpu")), torch.randn(1, 64, 48)
    visual = model.visual_tokens(features, batch)
    embedded = torch.cat([visual, model.llm.get_input_embeddings()(batch.ids)], dim=1)
    logits = model.llm(inputs_embeds=embedded).logits[0].log_softmax(-1)
    first, last = int(batch.prompt), int(batch.total)
    picked = [-logits[visual.shape[1] + place - 1, batch.ids[0, place]] for place in range(first, last)]
    assert model(features, batch).item() == pytest.approx(torch.stack(picked).mean().item(), rel=1e-5)


def test_the_question_state_is_that_of_its_last_token_without_gradient() -> None:
    model, tokenizer, dataset = small()
    encoded = encode(tokenizer, dataset.examples("train", np.arange(6)))
    batch = encoded.batch(np.arange(6), torch.device("cpu"))
    states = model.question_state(batch)
    assert not states.requires_grad
    for row in range(6):
        ids = torch.from_numpy(encoded.ids[row : row + 1, : encoded.prompt[row]])
        alone = model.llm.base_model(input_ids=ids).last_hidden_state[0, -1]
        torch.testing.assert_close(states[row], alone, rtol=1e-4, atol=1e-5)


def test_every_part_learns_and_the_image_matters() -> None:
    model, tokenizer, dataset = small()
    batch = encode(tokenizer, dataset.examples("train", np.arange(4))).batch(
        np.arange(4), torch.device("cpu")
    )
    model(torch.randn(4, 64, 48), batch).mean().backward()
    for part in (model.compressor, model.projector, model.llm):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
    with torch.no_grad():
        one, other = (model(torch.randn(4, 64, 48), batch) for _ in range(2))
    assert (one - other).abs().max() > 0


def test_scores_are_those_of_greedy_generation(
    stages: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One forward pass decides the same as generating token by token, in halves of the batch too."""
    tiny = experiment()
    model, tokenizer, dataset = small()
    model.eval()
    store = np.load(stages["features"] / "test.npy")
    rows = score(tiny, model, tokenizer, dataset, store)
    sizes: list[int] = []
    forward = model.answer_logits
    monkeypatch.setattr(
        model, "answer_logits", lambda inputs, batch: (sizes.append(len(inputs)), forward(inputs, batch))[1]
    )
    assert score(tiny, model, tokenizer, dataset, store, splits=2) == rows
    assert max(sizes) == tiny.evaluation.batch // 2
    monkeypatch.undo()
    count = tiny.evaluation.examples * len(dataset.benchmarks)
    examples = dataset.examples("test", np.arange(count))
    encoded = encode(tokenizer, examples)
    right = dict.fromkeys(dataset.benchmarks, 0)
    with torch.no_grad():
        for i, example in enumerate(examples):
            batch = encoded.batch(np.array([i]), torch.device("cpu"))
            tokens = model.visual_tokens(torch.from_numpy(store[i : i + 1]).float(), batch)
            written = batch.prompts
            for _ in range(int(batch.total) - int(batch.prompt)):
                embedded = torch.cat([tokens, model.llm.get_input_embeddings()(written)], dim=1)
                likely = model.llm(inputs_embeds=embedded).logits[:, -1:].argmax(-1)
                written = torch.cat([written, likely], dim=1)
            right[example.benchmark] += int(torch.equal(written, batch.ids))
    assert {r["benchmark"]: round(r["value"] * r["n_examples"]) for r in rows} == right
    assert all(r["n_examples"] == 20 and r["error"] == 1 - r["value"] for r in rows)


def test_a_tower_sees_fifteen_pixels_before_its_first_block() -> None:
    tower = Tower((32, 32), Vision(width=16, heads=2))
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    tower.stem(image)[0, :, 4, 4].sum().backward()
    assert image.grad is not None
    seen = image.grad.abs().sum(dim=(0, 1)) > 0
    assert (int(seen.any(dim=0).sum()), int(seen.any(dim=1).sum())) == (15, 15)


def test_features_are_the_hidden_states_side_by_side() -> None:
    vision = Vision(width=16, heads=2)
    tower = Tower((32, 32), vision)
    images = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    features = tower.features(images, [0, 1, 2])
    assert features.shape == (2, 64, 48)
    assert features.unflatten(-1, (3, 16)).mean(-1).abs().max() < 1e-4
    torch.testing.assert_close(features[..., 16:32], tower.features(images, [1]))


def test_what_cannot_be_loaded_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError) as no_model:
        load_llm(tmp_path)
    assert no_model.value.code == "bad_model_folder"
    with pytest.raises(InputError) as no_tower:
        load_tower((32, 32), Vision(), tmp_path)
    assert no_tower.value.code == "bad_tower"
    with pytest.raises(InputError):
        Tower((30, 32), Vision())
