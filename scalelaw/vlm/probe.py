"""How good a vision tower is by itself: pre-trained by an objective, then frozen and asked in two ways.

    linear probe   ridge regression from the mean of the layer-normed last state to the words of the caption; the
                   score of an image is the share of its words among as many top words
    zero-shot      a text encoder learns to match the locked tower (LiT, arXiv 2111.07991); the score is how often an
                   image picks its own caption among those of a hundred images (one of the same words is as good)

Both see images that the pre-training did not; both are the same for every objective.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from scalelaw import plugins
from scalelaw.config import Vision
from scalelaw.errors import InputError
from scalelaw.objectives.clip import Objective as Clip
from scalelaw.vlm.llm import n_params
from scalelaw.vlm.tokens import ids_of, padded, word_tokenizer
from scalelaw.vlm.tower import Tower
from scalelaw.vlm.train_loop import Progress, optimise

PROBED, TESTED, CANDIDATES = 4000, 2000, 100
MATCHER_STEPS = 200


@dataclass(frozen=True)
class Run:
    """One tower's pre-training. samples: images seen, repeats counted; images: how many different ones there are.

    learning_rate: at a batch of 64; times (batch / 64)^1/2.
    together: images of a batch that one loss sees, the step's loss being the mean over such groups; None: all of them.
    """

    objective: str
    width: int
    layers: int = 2
    heads: int = 4
    samples: int = 9600
    images: int = 1 << 20
    batch: int = 64
    learning_rate: float = 5e-3
    seed: int = 0
    together: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


def measure(dataset: Any, run: Run, progress: Progress) -> dict[str, float]:
    """{n_params, loss, probe_error, probe_error_se, zero_shot_error, zero_shot_error_se} of a tower on that dataset.

    Raises InputError for a batch that does not split into groups of `together`.
    """
    if run.batch % (run.together or run.batch):
        raise InputError(
            f"A batch of {run.batch} does not split into groups of {run.together}.", code="bad_batch"
        )
    words = word_tokenizer(dataset.words)
    torch.manual_seed(run.seed)
    shape = Vision(
        width=run.width, layers=run.layers, heads=run.heads, features=[run.layers], select=run.layers
    )
    tower = Tower(dataset.image_size, shape)
    objective = plugins.load("objectives", run.objective).Objective(
        run.width, len(words), words.all_special_ids, **run.options
    )
    order = np.random.default_rng((run.seed, 1))

    def loss(step: int) -> torch.Tensor:
        drawn = order.integers(0, run.images, run.batch)
        images, captions = _batch(dataset, words, "captions", drawn)
        groups = zip(
            tower(images)[-1].split(run.together or run.batch),
            captions.split(run.together or run.batch),
            strict=True,
        )
        return torch.stack([objective(*group) for group in groups]).mean()

    parameters = [*tower.parameters(), *objective.parameters()]
    rate = run.learning_rate * math.sqrt(run.batch / 64)
    losses = optimise([{"params": parameters, "lr": rate}], loss, steps=max(1, run.samples // run.batch), warmup=0.05,
                      clip=1.0, stage=f"{run.objective} {run.width}", progress=progress)  # fmt: skip
    tower.eval().requires_grad_(False)
    train, test = (_features(dataset, words, tower, s, n) for s, n in (("train", PROBED), ("test", TESTED)))
    probe = _probe(train, test, len(words), words.all_special_ids)
    shot = _zero_shot(train, test, len(words), words.all_special_ids, run.seed)
    return {
        "n_params": float(n_params(tower)),
        "loss": float(np.mean(losses[-max(1, len(losses) // 10) :])),
        "probe_error": 1 - float(probe.mean()),
        "probe_error_se": float(probe.std() / math.sqrt(len(probe))),
        "zero_shot_error": 1 - float(shot.mean()),
        "zero_shot_error_se": float(shot.std() / math.sqrt(len(shot))),
    }


def _batch(dataset: Any, words: Any, split: str, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    captions = ids_of(words, [e.caption for e in dataset.examples(split, indices)])
    return torch.from_numpy(dataset.images(split, indices)), torch.from_numpy(
        padded(captions, words.pad_token_id)
    )


@torch.no_grad()
def _features(
    dataset: Any, words: Any, tower: Tower, split: str, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """(features [count, width], captions [count, longest])"""
    features, all_captions = [], []
    for start in range(0, count, 500):
        images, captions = _batch(dataset, words, split, np.arange(start, min(start + 500, count)))
        state = tower(images)[-1]
        features.append(functional.layer_norm(state, state.shape[-1:]).mean(dim=1))
        all_captions.append(functional.pad(captions, (0, 16 - captions.shape[1]), value=words.pad_token_id))
    return torch.cat(features), torch.cat(all_captions)


def _hot(captions: torch.Tensor, vocab: int, special: list[int]) -> torch.Tensor:
    hot = torch.zeros(len(captions), vocab, dtype=torch.float64).scatter_(1, captions, 1.0)
    hot[:, special] = 0
    return hot


def _probe(train: Any, test: Any, vocab: int, special: list[int]) -> np.ndarray:
    """The share of each test caption's words among as many top words of a ridge regression."""
    (x, captions), (z, test_captions) = train, test
    mean, spread = x.mean(dim=0), x.std(dim=0) + 1e-6
    x, z = (functional.pad((part - mean) / spread, (0, 1), value=1.0).double() for part in (x, z))
    y, wanted = _hot(captions, vocab, special), _hot(test_captions, vocab, special)
    weights = torch.linalg.solve(x.T @ x + 1e-2 * len(x) * torch.eye(x.shape[1], dtype=x.dtype), x.T @ y)
    order = (z @ weights).argsort(dim=1, descending=True)
    hits = wanted.gather(1, order).cumsum(1).gather(1, wanted.sum(1, keepdim=True).long() - 1)[:, 0]
    return (hits / wanted.sum(1)).numpy()


def _zero_shot(train: Any, test: Any, vocab: int, special: list[int], seed: int) -> np.ndarray:
    """Whether each test image picks its own caption among a hundred, after the text side learned the locked tower."""
    (x, captions), (z, test_captions) = train, test
    torch.manual_seed(seed)
    matcher = Clip(x.shape[1], vocab, special)
    draws = np.random.default_rng((seed, 2))

    def loss(step: int) -> torch.Tensor:
        rows = torch.from_numpy(draws.permutation(len(x))[:64])
        value: torch.Tensor = matcher(x[rows][:, None], captions[rows])
        return value

    optimise([{"params": list(matcher.parameters()), "lr": 2e-3}], loss, steps=MATCHER_STEPS, warmup=0.05, clip=1.0,
             stage="zero-shot", progress=lambda _: None)  # fmt: skip
    matcher.eval()
    with torch.no_grad():
        scores = matcher.images(z[:, None]) @ matcher.captions(test_captions).T
    right = []
    for start in range(0, len(z) - CANDIDATES + 1, CANDIDATES):
        block = slice(start, start + CANDIDATES)
        picked = scores[block, block].argmax(dim=1)
        right.append((test_captions[block][picked] == test_captions[block]).all(dim=1))
    return torch.cat(right).double().numpy()
