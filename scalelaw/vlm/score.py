"""Scoring a cell: greedy answers, exact match, a row for each benchmark with its standard error."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from scalelaw.config import Experiment
from scalelaw.vlm.features import Store
from scalelaw.vlm.model import VisionLanguageModel
from scalelaw.vlm.tokens import Encoded, encode

PLATEAU = 0.9
OFTEN = 20


def score(
    experiment: Experiment,
    model: VisionLanguageModel,
    tokenizer: Any,
    dataset: Any,
    features: Store,
    splits: int = 1,
) -> list[dict[str, Any]]:
    """Exact match on the questions of `evaluation.split`, a row for each benchmark.

    A row: {benchmark, task_family, value, error, error_se, n_examples, text_tokens}. splits: `evaluation.batch` is
    divided by it.

    Greedy decoding gives exactly the answer, end token included, if and only if at each place of the answer, the answer
    so far before it, the answer's token is the most likely: so one forward pass decides.
    """
    device = next(model.parameters()).device
    count = experiment.evaluation.examples * len(dataset.benchmarks)
    size = max(1, experiment.evaluation.batch // splits)
    examples = dataset.examples(experiment.evaluation.split, np.arange(count))
    encoded = encode(tokenizer, examples)
    right = np.zeros(count, bool)
    model.eval()
    with torch.no_grad():
        for start in range(0, count, size):
            rows = np.arange(start, min(start + size, count))
            batch = encoded.batch(rows, device)
            answers = batch.answers
            wrong = torch.zeros_like(answers)
            logits = model.answer_logits(torch.from_numpy(features[rows]).to(device).float(), batch)
            wrong[answers] = logits.argmax(dim=-1) != batch.ids[answers]
            right[rows] = ~wrong.any(dim=1).cpu().numpy()
    benchmarks = np.array([e.benchmark for e in examples])
    rows_out = []
    for benchmark, family in dataset.benchmarks.items():
        mask = benchmarks == benchmark
        n, value = int(mask.sum()), float(right[mask].mean())
        rows_out.append({"benchmark": benchmark, "task_family": family, "value": value, "error": 1 - value,
                         "error_se": math.sqrt(value * (1 - value) / n), "n_examples": n,
                         "text_tokens": float(encoded.prompt[mask].mean())})  # fmt: skip
    return rows_out


def plateaus(
    seen: Sequence[tuple[np.ndarray, np.ndarray]],
    questions: np.ndarray,
    benchmarks: np.ndarray,
    encoded: Encoded,
) -> set[str]:
    """The benchmarks whose training never left its plateau, as seen in the training loss.

    The rule: the mean loss over the last tenth of the steps is above 0.9 times the loss of a blind answerer, who knows
    how often each token stands at each place of the answers to a question, and nothing of the image.
    seen: (benchmarks, losses) of each step's batch. questions, benchmarks [n] and encoded: the training questions.
    Only questions asked at least twenty times say what a blind answerer knows; a benchmark without any is not judged.
    """
    late = seen[-max(1, len(seen) // 10) :]
    names, losses = (np.concatenate(column) for column in zip(*late, strict=True))
    stuck = set()
    for benchmark in np.unique(benchmarks):
        blind = _blind_loss(questions, np.flatnonzero(benchmarks == benchmark), encoded)
        final = losses[names == benchmark]
        if blind is not None and len(final) and final.mean() > PLATEAU * blind:
            stuck.add(str(benchmark))
    return stuck


def _blind_loss(questions: np.ndarray, rows: np.ndarray, encoded: Encoded) -> float | None:
    """Entropy of the answers' tokens given the question and the place, per token; None where nothing is asked often."""
    entropy, tokens = 0.0, 0
    _, kind, counts = np.unique(questions[rows], return_inverse=True, return_counts=True)
    for index in np.flatnonzero(counts >= OFTEN):
        group = rows[kind == index]
        answers = [tuple(encoded.ids[r, encoded.prompt[r] : encoded.total[r]]) for r in group]
        for place in range(max(map(len, answers))):
            there = np.array(list(Counter(a[place] for a in answers if place < len(a)).values()))
            entropy -= float((there * np.log(there / there.sum())).sum())
            tokens += int(there.sum())
    return entropy / tokens if tokens else None
