"""The stages and a cell, small: what they write, that they repeat to the bit, and how they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scalelaw import plugins
from scalelaw.errors import InputError, ScalelawError
from scalelaw.table import read
from scalelaw.vlm import cell as cell_module
from scalelaw.vlm.cell import dataset_of
from scalelaw.vlm.features import features_of
from scalelaw.vlm.llm import load_llm, n_params
from scalelaw.vlm.score import plateaus
from scalelaw.vlm.stages import (
    allowed_tokens,
    cell_flops,
    make_features,
    pretrain_llm,
    pretrain_tower,
    run_cell,
)
from scalelaw.vlm.tokens import Encoded

from .conftest import experiment, repeatable, silent


def cell(stages: dict[str, Path], **changes: Any) -> list[dict[str, Any]]:
    arguments: dict[str, Any] = {"llm": "8x1", "compressor": "quecc", "visual_tokens": 4, "seed": 0}
    inputs = {**arguments, **{k: v for k, v in changes.items() if k in arguments}}
    tiny = experiment(**{k: v for k, v in changes.items() if k not in arguments})
    return run_cell(tiny, **inputs, tower=stages["tower"], features=stages["features"],
                    llm_folder=stages[inputs["llm"]], log=silent)  # fmt: skip


def test_facts_and_files_of_the_stages(stages: dict[str, Path]) -> None:
    tower, features, llm = (
        json.loads((stages[s] / "facts.json").read_text()) for s in ("tower", "features", "8x1")
    )
    assert 0 <= tower["recall"] <= 1
    assert tower["n_params"] == features["n_params_vision"]
    assert features["grid"] == [8, 8]
    assert np.load(stages["features"] / "train.npy").shape == (64, 64, 48)
    assert np.load(stages["features"] / "test.npy").dtype == np.float16
    assert llm["n_params"] == n_params(load_llm(stages["8x1"])[0])
    assert llm["train_tokens"] > 6 * 16 * 8


def test_rows_are_those_of_the_table(stages: dict[str, Path]) -> None:
    rows = cell(stages)
    assert {r["task_family"] for r in rows} == {"reasoning", "ocr", "perception"}
    promised = """model n_params n_params_total n_params_embedding n_params_vision compressor visual_tokens text_tokens
        train_samples train_tokens train_flops tokens_per_s mfu energy_j
        benchmark task_family metric value error error_se n_examples seed status device"""
    for row in rows:
        assert set(promised.split()) <= set(row) <= set(read.COLUMNS)
        assert row["n_params_total"] > row["n_params"] + row["n_params_vision"]
        assert row["train_samples"] == 6 * (16 + 8)
        assert row["tokens_per_s"] > 0
        assert 0 < row["mfu"] < 1.5  # of what was measured beside, on a machine that others use too
        assert row["error_se"] == pytest.approx((row["value"] * row["error"] / 20) ** 0.5)
        assert row["status"] in ("ok", "plateau")
        assert row["text_tokens"] == {"ocr": 5, "reasoning": 7, "perception": 7}[row["task_family"]]
    total = rows[0]["n_params_total"] - rows[0]["n_params_vision"] - rows[0]["n_params"]
    compressor = 8 * 16 + 16 + 32 + 2 * (16 * 16 + 16) + 32 + 2 * (48 * 16 + 16 + 16 * 16 + 16 + 32)
    compressor += 16 * 16 + 16 + 4 * (16 * 16 + 16)
    assert total == compressor + 16 * 8 + 8 + 8 * 8 + 8


def test_the_same_cell_twice_gives_the_same_bits_and_another_seed_others(stages: dict[str, Path]) -> None:
    torch.set_num_threads(1)
    heard: list[dict[str, Any]] = []

    def losses(seed: int) -> list[float]:
        heard.clear()
        run_cell(experiment(), llm="8x1", compressor="quecc", visual_tokens=4, seed=seed, tower=stages["tower"],
                 features=stages["features"], llm_folder=stages["8x1"], log=heard.append)  # fmt: skip
        return [h["loss"] for h in heard]

    first = losses(0)
    assert len(first) == 6
    assert first == losses(0)
    assert first != losses(1)
    assert repeatable(cell(stages)) == repeatable(cell(stages))


def test_stages_repeat_to_the_bit(stages: dict[str, Path], tmp_path: Path) -> None:
    torch.set_num_threads(1)
    pretrain_tower(experiment(), tmp_path / "tower", silent)
    pretrain_llm(experiment(), "8x1", tmp_path / "llm", silent)
    for ours, theirs in (("tower", "tower"), ("llm", "8x1")):
        again = (tmp_path / ours / "model.safetensors").read_bytes()
        assert again == (stages[theirs] / "model.safetensors").read_bytes()


def test_a_folder_of_a_pretrained_model_is_a_size_too(stages: dict[str, Path], tmp_path: Path) -> None:
    folder = str(stages["16x1"])
    pretrain_llm(experiment(text={"steps": 0}), folder, tmp_path / "llm", silent)
    loaded, taken = (load_llm(f)[0].state_dict() for f in (stages["16x1"], tmp_path / "llm"))
    assert all(torch.equal(loaded[k], taken[k]) for k in loaded)
    rows = run_cell(experiment(), llm=folder, compressor="average_pool", visual_tokens=1, seed=0,
                    tower=stages["tower"], features=stages["features"], llm_folder=tmp_path / "llm",
                    log=silent)  # fmt: skip
    assert rows[0]["model"] == "16x1"
    assert rows[0]["train_flops"] == pytest.approx(
        cell_flops(experiment(), "16x1", "average_pool", 1), rel=1e-12
    )


def test_a_loss_that_is_not_finite_is_an_error(stages: dict[str, Path]) -> None:
    with pytest.raises(ScalelawError) as caught:
        cell(stages, recipe={"learning_rate": 1e30, "llm_learning_rate": 1e30, "clip": 1e30})
    assert caught.value.code == "loss_not_finite"


def test_token_counts_that_can_be_had() -> None:
    assert allowed_tokens(experiment(), "quecc") == [64, 16, 4, 1]
    with pytest.raises(InputError) as caught:
        cell_flops(experiment(), "8x1", "quecc", 5)
    assert "64, 16, 4, 1" in caught.value.hint


def test_predicted_flops_by_hand() -> None:
    """8x1 behind average pooling, V = 4, digits only: N_blk = 4 x 8 x 8 + 3 x 8 x 24, no text beside."""
    tiny = experiment(
        dataset={"options": {"mixture": {"digits": 1}, "text_mixture": {"digits": 1}}},
        recipe={"text_batch": 0},
    )
    vocab, question, answer, blocks = 3 + len(dataset_of(tiny).words), 5, 5, 4 * 8 * 8 + 3 * 8 * 24
    tokens = 4 + question + answer
    forward = 2 * tokens * blocks + 4 * 8 * tokens**2 + 2 * answer * 8 * vocab + 2 * 4 * (16 * 8 + 8 * 8)
    assert cell_flops(tiny, "8x1", "average_pool", 4) == pytest.approx(6 * 16 * 3 * forward, rel=1e-12)


def test_the_plateau_rule_in_digits() -> None:
    """Two questions asked 20 times; a blind answerer loses (ln 2 + 0) / 2 on one, 0 on the other: ln 2 / 4 a token."""
    ids = np.array([[9, 5 + i % 2, 2] for i in range(20)] + [[8, 7, 2]] * 20)
    encoded = Encoded(ids, np.full(40, 1), np.full(40, 3))
    questions, names = np.array(["a"] * 20 + ["b"] * 20), np.array(["x"] * 40)
    blind = np.log(2) / 4
    early = [(np.array(["x"]), np.array([9.0]))] * 18
    for share, stuck in ((0.91, {"x"}), (0.89, set())):
        late = [(np.array(["x"]), np.array([share * blind]))] * 2
        assert plateaus(early + late, questions, names, encoded) == stuck
    assert plateaus([(np.array(["x"]), np.array([9.0]))], np.arange(40).astype(str), names, encoded) == set()


@pytest.mark.parametrize(("compressor", "tokens"), [(c, 4) for c in plugins.names("compressors") if c != "none"]
                         + [("none", 64)])  # fmt: skip
def test_a_cell_with_every_compressor(stages: dict[str, Path], compressor: str, tokens: int) -> None:
    """All under one roof: the same questions of the same images in the same order, whatever compresses them."""
    rows = cell(stages, compressor=compressor, visual_tokens=tokens)
    assert {(r["compressor"], r["visual_tokens"]) for r in rows} == {(compressor, tokens)}
    assert rows[0]["text_tokens"] == cell(stages, compressor="average_pool")[0]["text_tokens"]
    assert rows[0]["train_flops"] == cell_flops(experiment(), "8x1", compressor, tokens)
    assert repeatable(rows) == repeatable(cell(stages, compressor=compressor, visual_tokens=tokens))


def test_one_matryoshka_model_is_scored_at_every_number_of_tokens(stages: dict[str, Path]) -> None:
    """Cells that differ in V alone train the same model: the same losses, then other scores."""
    heard: dict[int, list[float]] = {}
    for tokens in (1, 16):
        losses: list[dict[str, Any]] = []
        run_cell(experiment(), llm="8x1", compressor="matryoshka_query", visual_tokens=tokens, seed=0,
                 tower=stages["tower"], features=stages["features"], llm_folder=stages["8x1"],
                 log=losses.append)  # fmt: skip
        heard[tokens] = [line["loss"] for line in losses]
    assert heard[1] == heard[16]


def test_features_of_a_smaller_image_and_with_attention(stages: dict[str, Path]) -> None:
    tiny = experiment()
    dataset, cpu = dataset_of(tiny), torch.device("cpu")
    shared = np.load(stages["features"] / "train.npy")
    for name, tokens, patches in (("downsample", 4, 4), ("attention_prune", 4, 64), ("quecc", 4, 64)):
        module = plugins.load("compressors", name).Compressor((8, 8), 16, 48, tokens, 8)
        features = features_of(tiny, dataset, module, "train", 64, stages["tower"], stages["features"], cpu)
        assert features.shape[:2] == (64, patches)
        if name == "attention_prune":
            assert np.array_equal(features[..., :-1], shared)
            assert features[..., -1].astype(float).sum(axis=1) == pytest.approx(np.ones(64), rel=1e-2)
    whole = plugins.load("compressors", "downsample").Compressor((8, 8), 16, 48, 64, 8)
    features = features_of(tiny, dataset, whole, "train", 64, stages["tower"], stages["features"], cpu)
    assert np.array_equal(features, shared)
    stem = experiment(vision={"select": 0})
    prune = plugins.load("compressors", "attention_prune").Compressor((8, 8), 16, 48, 4, 8)
    with pytest.raises(InputError) as caught:
        features_of(stem, dataset, prune, "train", 64, stages["tower"], stages["features"], cpu)
    assert caught.value.code == "no_attention"


def test_who_tunes_is_scored_on_the_development_questions(stages: dict[str, Path], tmp_path: Path) -> None:
    """The same trained cell, other questions about other images: those of `test` are not even made."""
    tuning = {"evaluation": {"split": "dev", "examples": 40}}
    make_features(experiment(**tuning), stages["tower"], tmp_path, silent)
    assert sorted(p.name for p in tmp_path.glob("*.npy")) == ["dev.npy", "train.npy"]
    shared = np.load(stages["features"] / "train.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "train.npy"), shared)
    rows = cell({**stages, "features": tmp_path}, **tuning)
    assert [row["n_examples"] for row in rows] == [40, 40, 40]
    with pytest.raises(InputError) as caught:
        cell({**stages, "features": tmp_path})
    assert caught.value.code == "bad_features"


@pytest.mark.parametrize("compressor", ["quecc", "downsample"])
def test_features_too_large_to_keep_are_made_as_they_are_needed(
    stages: dict[str, Path], tmp_path: Path, compressor: str
) -> None:
    """The same numbers but for the last digit of float16, and next to the same training."""
    tiny, small = experiment(), experiment(vision={"features_gb": 1e-6})
    make_features(small, stages["tower"], tmp_path, silent)
    assert not list(tmp_path.glob("*.npy"))
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert (facts["kept"], facts["train"]) == (False, 64)
    dataset, cpu = dataset_of(tiny), torch.device("cpu")
    module = plugins.load("compressors", compressor).Compressor((8, 8), 16, 48, 4, 8)
    features = features_of(small, dataset, module, "train", 64, stages["tower"], tmp_path, cpu)
    store = features_of(tiny, dataset, module, "train", 64, stages["tower"], stages["features"], cpu)
    assert not isinstance(features, np.ndarray)
    rows = np.array([3, 17, 60])
    np.testing.assert_allclose(features[rows], store[rows], rtol=2e-3, atol=2e-3)
    ours = cell({**stages, "features": tmp_path}, vision={"features_gb": 1e-6}, compressor=compressor)
    assert [row["train_tokens"] for row in ours] == [row["train_tokens"] for row in cell(stages)]


def test_learning_rates_are_multiplied(stages: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[list[float]] = []
    real = cell_module.optimise

    def listening(groups: list[dict[str, Any]], *args: Any, **more: Any) -> Any:
        heard.append([group["lr"] for group in groups])
        return real(groups, *args, **more)

    monkeypatch.setattr(cell_module, "optimise", listening)
    once, twice = cell(stages), cell(stages, rate_factors=[2.0])
    assert heard[1] == pytest.approx([2 * rate for rate in heard[0]])
    assert heard[0] == pytest.approx([4e-3, 4e-3 * (32 / 8) ** 0.5])  # the rule: times (32 / width)^1/2
    assert (once[0]["rate_factor"], twice[0]["rate_factor"]) == (1, 2)


def test_compiled_where_that_is_asked_for(stages: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The LLM, the compressor and the projector; by a stand-in that only counts (the log tells of the real one)."""
    calls: list[str] = []

    def compiled(self: torch.nn.Module, **options: Any) -> None:
        plain = self.forward

        def forward(*args: Any, **more: Any) -> Any:
            calls.append(type(self).__name__)
            return plain(*args, **more)

        self.forward = forward  # type: ignore[method-assign]

    plain = repeatable(cell(stages))
    monkeypatch.setattr(torch.nn.Module, "compile", compiled)
    assert repeatable(cell(stages)) == plain
    assert not calls
    assert repeatable(cell(stages, recipe={"compile": True})) == plain
    assert {"LlamaModel", "Compressor", "Sequential"} == set(calls)
