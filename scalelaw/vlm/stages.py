"""The stages of a sweep: the tower, its features, the LLM's text training; each made once and shared by the cells.

Each stage writes its result and `facts.json` into a folder. With one thread, the same experiment gives the same bits.
`run_cell`, `allowed_tokens` and `cell_flops` (module `cell`) are exported here too.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from scalelaw import plugins
from scalelaw.config import Experiment
from scalelaw.files.paths import write_text
from scalelaw.vlm import cost_estimate, recipe_data
from scalelaw.vlm.cell import allowed_tokens, cell_flops, dataset_of, device, run_cell
from scalelaw.vlm.distributed_loop import announce, begins, join
from scalelaw.vlm.features import kept
from scalelaw.vlm.llm import build_llm, n_params, n_params_embedding
from scalelaw.vlm.model import text_losses
from scalelaw.vlm.tokens import TextStream, ids_of, padded, word_tokenizer
from scalelaw.vlm.tower import Tower, load_tower, save_tower
from scalelaw.vlm.train_loop import Progress, optimise

DISTRIBUTED = True
"""Under torchrun every process calls `run_cell`; a cell of pretrained parts shares its work among them."""

__all__ = [
    "allowed_tokens",
    "announce",
    "begins",
    "cell_flops",
    "cell_needs",
    "check_data",
    "join",
    "make_features",
    "pretrain_llm",
    "pretrain_tower",
    "run_cell",
]


def check_data(experiment: Experiment) -> list[tuple[str, str]]:
    """Warnings on the training and scoring data (see `recipe_data.check_data`); none for data that is made."""
    return recipe_data.check_data(experiment)


def cell_needs(experiment: Experiment, llm: str, compressor: str, visual_tokens: int) -> dict[str, float]:
    """{memory_gb, hours} of a cell of pretrained parts on the cluster of `finetune`; {} without `finetune`."""
    if experiment.finetune is None:
        return {}
    return cost_estimate.needs(experiment, llm, compressor, visual_tokens)


def pretrain_tower(
    experiment: Experiment, folder: Path, progress: Progress, saved: Path | None = None
) -> None:
    """Pre-train the vision tower on captions by the experiment's objective; write its weights and facts.

    saved: the checkpoint of a stopped run, from which it goes on.

    facts.json: n_params, loss (mean of the last tenth), recall (share of the captions' words among as many top classes,
    on new images; only for an objective with `logits`), seconds.
    """
    if experiment.finetune is not None:
        _taken(folder, {"tower": experiment.finetune.tower})
        return
    started, vision, dataset = time.perf_counter(), experiment.vision, dataset_of(experiment)
    tokenizer = word_tokenizer(dataset.words)
    torch.manual_seed(vision.seed)
    tower = Tower(dataset.image_size, vision).to(device())
    objective_class = plugins.load("objectives", vision.objective).Objective
    objective = objective_class(vision.width, len(tokenizer), tokenizer.all_special_ids).to(device())
    first = vision.seed << 32

    def batch(split: str, start: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        indices = np.arange(start, start + count)
        captions = ids_of(tokenizer, [e.caption for e in dataset.examples(split, indices)])
        tokens = torch.from_numpy(padded(captions, tokenizer.pad_token_id))
        return torch.from_numpy(dataset.images(split, indices)).to(device()), tokens.to(device())

    def loss(step: int) -> torch.Tensor:
        images, captions = batch("captions", first + step * vision.batch, vision.batch)
        value: torch.Tensor = objective(tower(images)[-1], captions)
        return value

    both = nn.ModuleList([tower, objective])
    losses = optimise([{"params": list(both.parameters()), "lr": vision.learning_rate}], loss, steps=vision.steps,
                      warmup=0.05, clip=1.0, stage="tower", progress=progress, model=both, saved=saved)  # fmt: skip
    facts: dict[str, Any] = {
        "n_params": n_params(tower),
        "loss": float(np.mean(losses[-max(1, len(losses) // 10) :])),
    }
    if hasattr(objective, "logits"):
        with torch.no_grad():
            images, captions = batch("dev", 0, 1000)
            hot = objective.classes(captions)
            order = objective.logits(tower.eval()(images)[-1]).argsort(dim=-1, descending=True)
            hits = hot.gather(1, order).cumsum(1).gather(1, hot.sum(1, keepdim=True).long() - 1)[:, 0]
            facts["recall"] = float((hits / hot.sum(1)).mean())
    folder.mkdir(parents=True, exist_ok=True)
    save_tower(tower, folder)
    _write_facts(folder, facts, started)


def make_features(experiment: Experiment, tower: Path, folder: Path, progress: Progress) -> None:
    """The frozen tower's features: train.npy and that of `evaluation.split`, float16 [images, patches, channels].

    Larger than `vision.features_gb`, they are not kept (facts.json: kept), and cells make them as they need them.
    """
    if experiment.finetune is not None:
        _taken(folder, {"features": "made as they are needed"})
        return
    started, dataset = time.perf_counter(), dataset_of(experiment)
    model = load_tower(dataset.image_size, experiment.vision, tower).to(device())
    counts = {
        "train": experiment.recipe.images,
        experiment.evaluation.split: experiment.evaluation.examples * len(dataset.benchmarks),
    }
    channels = experiment.vision.width * len(experiment.vision.features)
    shape = (model.grid[0] * model.grid[1], channels)
    folder.mkdir(parents=True, exist_ok=True)
    done, batch = 0, experiment.evaluation.batch
    keep = kept(experiment, sum(counts.values()), *shape)
    for split, count in counts.items() if keep else ():
        store = np.lib.format.open_memmap(folder / f"{split}.npy", "w+", np.float16, (count, *shape))
        for start in range(0, count, batch):
            indices = np.arange(start, min(start + batch, count))
            images = torch.from_numpy(dataset.images(split, indices)).to(device())
            with torch.no_grad():
                store[indices] = model.features(images, experiment.vision.features).half().cpu().numpy()
            done += len(indices)
            progress({"stage": "features", "step": done, "steps": sum(counts.values()), "loss": None})
        store.flush()
    _write_facts(
        folder,
        {
            "grid": model.grid,
            "channels": channels,
            "n_params_vision": n_params(model),
            "kept": keep,
            **counts,
        },
        started,
    )


def pretrain_llm(
    experiment: Experiment,
    llm: str,
    folder: Path,
    progress: Progress,
    saved: Path | None = None,
    splits: int = 1,
) -> None:
    """Train one LLM on text (captions stand for images; loss on the answers); write it by save_pretrained, with facts.

    saved: the checkpoint of a stopped run, from which it goes on. splits: as of `run_cell`.

    facts.json: n_params, n_params_embedding, train_tokens, loss (mean of the last tenth), seconds.
    """
    if experiment.finetune is not None:
        _taken(folder, {"llm": llm})
        return
    started, text, dataset = time.perf_counter(), experiment.text, dataset_of(experiment)
    model, tokenizer = build_llm(experiment, llm, dataset.words)
    model.to(device()).train()
    stream = TextStream(dataset, tokenizer, text.batch, text.seed << 32, device())
    kept, splits = {"tokens": 0}, min(splits, text.batch)

    def loss(step: int, part: int = 0) -> torch.Tensor:
        batch = stream.of(step, part, splits)
        kept["tokens"] += int(batch.total.sum())
        return text_losses(model, batch).mean() * (len(batch.ids) / text.batch)

    rate = text.learning_rate * (32 / model.config.hidden_size) ** 0.5
    losses = optimise([{"params": list(model.parameters()), "lr": rate}], loss, steps=text.steps, warmup=0.05,
                      clip=1.0, stage=f"text {llm}", progress=progress, splits=splits, model=model, kept=kept,
                      saved=saved)  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _write_facts(folder, {"n_params": n_params(model), "n_params_embedding": n_params_embedding(model),
                          "train_tokens": kept["tokens"],
                          "loss": float(np.mean(losses[-max(1, len(losses) // 10):])) if losses else None},
                 started)  # fmt: skip


def _taken(folder: Path, facts: dict[str, Any]) -> None:
    """A stage that pretrained parts take the place of: facts alone."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_facts(folder, facts, time.perf_counter())


def _write_facts(folder: Path, facts: dict[str, Any], started: float) -> None:
    facts = {**facts, "seconds": round(time.perf_counter() - started, 3)}
    write_text(folder / "facts.json", json.dumps(facts, indent=2) + "\n")
