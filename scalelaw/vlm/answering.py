"""Scoring by generating: greedy answers to a file of questions, shared among the processes, in batches that fit.

All processes answer in rounds, a batch each, and exchange what they have after every round: none waits for another
longer than for a batch. With `precision: bf16` the model answers in bf16.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from scalelaw.config import Finetune, Questions
from scalelaw.datasets.llava_json import Conversations
from scalelaw.errors import ScalelawError
from scalelaw.vlm.metrics import benchmark_score, rate
from scalelaw.vlm.quecc import QueccProcessor
from scalelaw.vlm.recipe_data import read_questions

Log = Callable[[dict[str, Any]], None]
SHARE = 0.8
"""Of the free memory of a device, what a batch may take."""
MARGIN = 2.0
"""Generation takes the cache once more while it grows, and activations of the prompt."""


def score(
    model: Any, processor: QueccProcessor, recipe: Finetune, questions: Questions, batch: int, progress: Log
) -> dict[str, Any]:
    """Greedy answers to a file of questions, and their score with its standard error; each answer in the log.

    batch: the most questions at once in one process; fewer where memory holds fewer.
    Every process of a group calls it and gets the same row. Raises InputError for a question without a text or answers,
    and ScalelawError where another process failed.
    """
    records, left_out = read_questions(recipe, questions)
    model.eval()
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    most = min(batch, rows_that_fit(model, processor, recipe, records), -(-len(records) // world))
    size = _least(most, world, model.device)
    scores: list[float] = []
    lengths: list[int] = []
    for start in range(0, len(records), size * world):
        first = start + rank * size
        rows = records[first : first + size]
        for row, text, length in _exchanged(partial(_answers, model, processor, recipe, rows)):
            scores.append(rate(questions.metric, text, row["answers"], row["question"]))
            lengths.append(length)
            facts = {"id": row["id"], "said": text.strip(), "answers": row["answers"], "score": scores[-1]}
            progress({"stage": "score", "step": len(scores), "steps": len(records),
                      "benchmark": questions.benchmark, **facts})  # fmt: skip
    value, error_se = benchmark_score(questions.metric, scores, [row["answers"] for row in records])
    return {"benchmark": questions.benchmark, "task_family": questions.family, "metric": questions.metric,
            "value": value, "error": 1 - value, "error_se": error_se, "n_examples": len(scores),
            "skipped_examples": left_out.total(),
            "text_tokens": float(np.mean(lengths))}  # fmt: skip


def row_bytes(model: Any, tokens: float) -> float:
    """Bytes of the cache of keys and values of one row of `tokens`: 2 x layers x key heads x size x bytes a number."""
    text = model.config.text_config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return float(2 * text.num_hidden_layers * heads * size * tokens * model.dtype.itemsize)


def rows_that_fit(
    model: Any, processor: QueccProcessor, recipe: Finetune, records: Sequence[dict[str, Any]]
) -> int:
    """How many rows at once the free memory of a CUDA device holds, by the longest question; one at least.

    On another device there is no limit: what does not fit is answered in halves.
    """
    if model.device.type != "cuda" or not records:
        return len(records) or 1
    longest = max(
        len(record["images"]) * processor.visual_tokens + len(record["question"]) for record in records
    )
    free, _ = torch.cuda.mem_get_info(model.device)
    free += torch.cuda.memory_reserved(model.device) - torch.cuda.memory_allocated(model.device)
    return max(1, int(SHARE * free / (MARGIN * row_bytes(model, longest + recipe.answer_tokens))))


def _answers(
    model: Any, processor: QueccProcessor, recipe: Finetune, rows: Sequence[dict[str, Any]]
) -> list[tuple[dict[str, Any], str, int]]:
    """(question, answer, text tokens) of each; where memory runs out, in halves."""
    if not rows:
        return []
    try:
        return _generated(model, processor, recipe, rows)
    except torch.OutOfMemoryError:
        if len(rows) == 1:
            raise
    torch.cuda.empty_cache()
    half = (len(rows) + 1) // 2
    return [
        *_answers(model, processor, recipe, rows[:half]),
        *_answers(model, processor, recipe, rows[half:]),
    ]


def _generated(
    model: Any, processor: QueccProcessor, recipe: Finetune, rows: Sequence[dict[str, Any]]
) -> list[tuple[dict[str, Any], str, int]]:
    turns = [
        [{"from": "human", "value": "\n".join(["<image>"] * len(r["images"]) + [r["question"]])}]
        for r in rows
    ]
    data = [Conversations.opened(Path(recipe.images), r["images"]) for r in rows]
    inputs = processor.collate(turns, data, add_generation_prompt=True).to(model.device, dtype=model.dtype)
    with torch.no_grad():
        written = model.generate(**inputs, max_new_tokens=recipe.answer_tokens, do_sample=False,
                                 eos_token_id=_ends(model, processor),
                                 pad_token_id=processor.tokenizer.pad_token_id)  # fmt: skip
    texts = processor.tokenizer.batch_decode(
        written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
    )
    images = (inputs["input_ids"] == processor.image_token_id).sum(dim=1)
    lengths = (inputs["attention_mask"].sum(dim=1) - images).tolist()
    return list(zip(rows, texts, lengths, strict=True))


def _exchanged(work: Callable[[], list[Any]]) -> list[Any]:
    """What all processes made in this round, in their order. An error in one is raised in all of them."""
    if not dist.is_initialized():
        return work()
    made, failure = list[Any](), None
    try:
        made = work()
    except Exception as error:  # noqa: BLE001 - it is raised below, when the others know
        failure = error
    every: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(every, (made, None if failure is None else f"{type(failure).__name__}: {failure}"))
    if failure is not None:
        raise failure
    if reason := next((reason for _, reason in every if reason is not None), None):
        raise ScalelawError(f"Scoring failed in another process: {reason}", code="scoring_failed")
    return [answer for answers, _ in every for answer in answers]


def _least(value: int, world: int, device: torch.device) -> int:
    if world == 1:
        return value
    least = torch.tensor(value, device=device)
    dist.all_reduce(least, dist.ReduceOp.MIN)
    return int(least)


def _ends(model: Any, processor: QueccProcessor) -> list[int]:
    """The tokens that end an answer: the tokenizer's own, and those that the LLM came with."""
    eos = model.generation_config.eos_token_id
    ids = eos if isinstance(eos, list) else [] if eos is None else [eos]
    return sorted({int(processor.tokenizer.eos_token_id), *ids})
