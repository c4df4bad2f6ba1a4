"""One cell of a sweep: compressor, projector and LLM trained on the shared features, then scored."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from scalelaw import plugins
from scalelaw.config import Experiment
from scalelaw.model_shapes import LLMShape
from scalelaw.vlm import cost_estimate, finetune
from scalelaw.vlm.features import Store, features_of
from scalelaw.vlm.llm import is_folder, llm_shape, load_llm, n_params, n_params_embedding
from scalelaw.vlm.meter import Meter, rates
from scalelaw.vlm.model import VisionLanguageModel, text_losses
from scalelaw.vlm.score import plateaus, score
from scalelaw.vlm.tokens import Encoded, TextStream, encode, word_tokenizer
from scalelaw.vlm.tower import PATCH
from scalelaw.vlm.train_loop import Batches, optimise


def device() -> torch.device:
    """What it runs on: a CUDA device where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def dataset_of(experiment: Experiment) -> Any:
    """The experiment's dataset."""
    return plugins.load("datasets", experiment.dataset.name).Dataset(
        experiment.dataset.seed, **experiment.dataset.options
    )


def _grid(experiment: Experiment) -> tuple[int, int]:
    height, width = dataset_of(experiment).image_size
    return height // PATCH, width // PATCH


def allowed_tokens(experiment: Experiment, compressor: str) -> list[int]:
    """The numbers of visual tokens that a compressor can give in this experiment, falling."""
    if experiment.finetune is not None:
        return finetune.allowed_tokens(experiment, compressor)
    allowed: list[int] = plugins.load("compressors", compressor).allowed_tokens(_grid(experiment))
    return allowed


def _compressor(experiment: Experiment, name: str, visual_tokens: int, text_width: int) -> nn.Module:
    vision = experiment.vision
    module: nn.Module = plugins.load("compressors", name).Compressor(
        _grid(experiment), vision.width, vision.width * len(vision.features), visual_tokens, text_width
    )
    return module


def run_cell(
    experiment: Experiment,
    *,
    llm: str,
    compressor: str,
    visual_tokens: int,
    seed: int,
    tower: Path,
    features: Path,
    llm_folder: Path,
    log: Callable[[dict[str, Any]], None],
    saved: Path | None = None,
    splits: int = 1,
) -> list[dict[str, Any]]:
    """Train and score one cell; return a row for each benchmark (the columns of the results table that it knows).

    saved: its checkpoint, from which it continues. splits: number of parts of a batch, one in memory at a time.

    train_tokens: tokens the LLM saw in this run, visual and text, its earlier text training not among them.
    train_flops: as `cell_flops`. tokens_per_s, mfu, energy_j: see module `meter`.
    status: `ok`, or `plateau` by the rule of `score.plateaus`.
    An experiment with `finetune` trains pretrained parts instead (see module `finetune`); `saved` is its checkpoint.
    Raises ScalelawError for a loss that is not finite.
    """
    if experiment.finetune is not None:
        return finetune.run_cell(
            experiment,
            llm=llm,
            compressor=compressor,
            visual_tokens=visual_tokens,
            seed=seed,
            log=log,
            saved=saved,
            splits=splits,
        )
    if int(os.environ.get("RANK", "0")):
        return []  # a made-to-measure cell is one process's work
    recipe, dataset = experiment.recipe, dataset_of(experiment)
    language_model, tokenizer = load_llm(llm_folder)
    torch.manual_seed(seed)
    text_width = language_model.config.hidden_size
    squeeze: Any = _compressor(experiment, compressor, visual_tokens, text_width)
    model = VisionLanguageModel(language_model, squeeze, experiment.vision.width, _selected(experiment))
    model.to(device()).train()

    def images_of(split: str, count: int) -> Store:
        return features_of(experiment, dataset, squeeze, split, count, tower, features, device())

    store = images_of("train", recipe.images)
    order = Batches(recipe.images, recipe.batch, seed)
    questions = _Questions(dataset, tokenizer, recipe.images)
    text = TextStream(dataset, tokenizer, recipe.text_batch, (seed + 1) << 40, device())
    size = (recipe.steps, recipe.batch)
    kept: dict[str, Any] = {
        "tokens": 0,
        "losses": torch.zeros(size),
        "kinds": torch.zeros(size, dtype=torch.long),
    }
    parts = min(splits, recipe.batch, recipe.text_batch or recipe.batch)
    if recipe.compile:
        for part in (model.llm.base_model, model.compressor, model.projector):
            part.compile(dynamic=True)
    meter = Meter(kept, device())

    def loss(step: int, part: int = 0) -> torch.Tensor:
        meter.tick()
        turn, whole = order.of(step)
        encoded, places = questions.of(turn), np.array_split(np.arange(len(whole)), parts)[part]
        rows = whole[places]
        batch = encoded.batch(rows, device())
        shown = _draw_tokens(model.compressor, seed, step) or visual_tokens
        kept["tokens"] += int(batch.total.sum()) + shown * len(rows)
        losses = model(torch.from_numpy(store[rows]).to(device()).float(), batch)
        kept["losses"][step, places] = losses.detach().cpu()
        kept["kinds"][step, places] = torch.from_numpy(questions.kinds[rows])
        if not recipe.text_batch:
            return losses.mean() * (len(rows) / len(whole))
        text_batch = text.of(step, part, parts)
        kept["tokens"] += int(text_batch.total.sum())
        text_loss = text_losses(model.llm, text_batch)
        return (losses.sum() + text_loss.sum()) / (len(whole) + recipe.text_batch)

    new = [*model.compressor.parameters(), *model.projector.parameters()]
    (factor,) = experiment.rate_factors
    rate = factor * recipe.llm_learning_rate * (32 / text_width) ** 0.5
    groups = [
        {"params": new, "lr": factor * recipe.learning_rate},
        {"params": list(model.llm.parameters()), "lr": rate},
    ]
    optimise(
        groups, loss, steps=recipe.steps, warmup=recipe.warmup, clip=recipe.clip, stage="cell", progress=log,
        splits=parts, model=model, kept=kept, saved=saved,
    )  # fmt: skip
    meter.tick()
    if _training_tokens(squeeze):
        squeeze.visual_tokens = visual_tokens
    last = questions.of(order.of(recipe.steps - 1)[0])
    names = np.array(list(dataset.benchmarks))[kept["kinds"].numpy()]
    stuck = plateaus(
        list(zip(names, kept["losses"].numpy(), strict=True)), questions.texts, questions.benchmarks, last
    )
    tested = experiment.evaluation.examples * len(dataset.benchmarks)
    vision = int(json.loads((tower / "facts.json").read_text(encoding="utf-8"))["n_params"])
    flops = cell_flops(experiment, llm, compressor, visual_tokens)
    shared = {
        "model": Path(llm).name if is_folder(llm) else llm,
        "n_params": n_params(model.llm),
        "n_params_total": n_params(model) + vision,
        "n_params_embedding": n_params_embedding(model.llm),
        "n_params_vision": vision,
        "compressor": compressor,
        "visual_tokens": visual_tokens,
        "train_samples": recipe.steps * (recipe.batch + recipe.text_batch),
        "train_tokens": kept["tokens"],
        "train_flops": flops,
        **rates(flops, kept, kept["tokens"], device()),
        "metric": "exact_match",
        "seed": seed,
        "rate_factor": factor,
        "device": _device_name(),
    }
    return [
        {**shared, **scores, "status": "plateau" if scores["benchmark"] in stuck else "ok"}
        for scores in score(
            experiment, model, tokenizer, dataset, images_of(experiment.evaluation.split, tested), splits
        )
    ]


def _training_tokens(compressor: Any) -> tuple[int, ...]:
    """The numbers of visual tokens that training draws from; none where the compressor gives one number only."""
    return tuple(getattr(compressor, "training_tokens", ()))


def _draw_tokens(compressor: Any, seed: int, step: int) -> int | None:
    """Set the number of tokens of this step, the same for every cell of a seed; None where nothing is drawn."""
    if not (among := _training_tokens(compressor)):
        return None
    compressor.visual_tokens = int(np.random.default_rng((seed, step)).choice(among))
    return int(compressor.visual_tokens)


class _Questions:
    """The training questions of one epoch: encoded, their texts, benchmarks and places among the dataset's benchmarks,
    each [n]; another `turn`, others.
    """

    def __init__(self, dataset: Any, tokenizer: Any, images: int) -> None:
        self.dataset, self.tokenizer, self.images = dataset, tokenizer, images
        self.turn = -1

    def of(self, turn: int) -> Encoded:
        """The questions of that turn; the last turn asked for is kept."""
        if turn != self.turn:
            examples = self.dataset.examples("train", np.arange(self.images), turn)
            self.turn, self.encoded = turn, encode(self.tokenizer, examples)
            self.texts = np.array([e.question for e in examples])
            self.benchmarks = np.array([e.benchmark for e in examples])
            places = {name: place for place, name in enumerate(self.dataset.benchmarks)}
            self.kinds = np.array([places[e.benchmark] for e in examples])
        return self.encoded


def _selected(experiment: Experiment) -> slice:
    """Where X, the tower's selected hidden state, lies among the features' channels."""
    vision = experiment.vision
    place = vision.features.index(range(vision.layers + 1)[vision.select])
    return slice(place * vision.width, (place + 1) * vision.width)


def _device_name() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"cpu, {torch.get_num_threads()} thread(s)"


# ---------------------------------------------------------------------------- what it costs


def cell_flops(experiment: Experiment, llm: str, compressor: str, visual_tokens: int) -> float:
    """Training FLOPs of one cell, predicted without training (1 FLOP = one multiply or one add).

    Per sample: three forwards' worth (forward, and twice that backward) for compressor, projector and LLM on V visual
    tokens, the mean question and the mean answer, the head on the answer only; one forward of the question through
    the LLM where the compressor reads it; and the text-only examples beside each batch likewise. Not counted: the tower
    (its features are shared), scoring, the LLM's earlier text training. A compressor that trains for many numbers of
    tokens: the mean over them.
    """
    if experiment.finetune is not None:
        return cost_estimate.cell_flops(experiment, llm, compressor, visual_tokens)
    recipe, shape = experiment.recipe, llm_shape(llm, dataset_of(experiment).words)
    question, answer, prompt, target = _mean_lengths(experiment.model_dump_json(), llm)
    with torch.device("meta"):
        module: Any = _compressor(experiment, compressor, visual_tokens, shape.width)
    head = 2 * shape.width * shape.vocab
    seen = 0.0
    counts = _training_tokens(module) or (visual_tokens,)
    for count in counts:
        module.visual_tokens = count
        projector = 2.0 * count * (experiment.vision.width * shape.width + shape.width**2)
        body = _prefill(shape, count + question + answer) + answer * head
        seen += (module.flops() + projector + body) / len(counts)
    reading = _prefill(shape, question) if module.reads_question else 0.0
    text = 3 * (_prefill(shape, prompt + target) + target * head)
    return recipe.steps * (recipe.batch * (3 * seen + reading) + recipe.text_batch * text)


def _prefill(shape: LLMShape, tokens: float) -> float:
    """2 T N_blk + 4 L h hd T^2: products with weights and of attention, no head."""
    return 2 * tokens * shape.block_params + 4 * shape.layers * shape.heads * shape.head_size * tokens**2


@lru_cache(maxsize=32)
def _mean_lengths(experiment: str, llm: str) -> tuple[float, float, float, float]:
    """Mean tokens of a question and of an answer with its end, then of a text's prompt and answer; over a thousand."""
    dataset = dataset_of(Experiment.model_validate_json(experiment))
    tokenizer = load_llm(Path(llm))[1] if is_folder(llm) else word_tokenizer(dataset.words)
    means: list[float] = []
    for split in ("train", "text"):
        encoded = encode(tokenizer, dataset.examples(split, np.arange(1000)), captions=split == "text")
        means += [float(encoded.prompt.mean()), float((encoded.total - encoded.prompt).mean())]
    return means[0], means[1], means[2], means[3]
