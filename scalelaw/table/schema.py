"""The columns of the results table: one schema for writing and reading. Columns are only ever added."""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 1

COLUMNS: dict[str, tuple[str, str, str]] = {
    # name: (type, unit, meaning)
    "experiment": ("text", "", "name of the experiment or publication"),
    "cell": ("text", "", "hash of everything that changes the result, or the importer's row id"),
    "model": ("text", "", "name of the LLM"),
    "n_params": ("count", "parameters", "LLM parameters that the law sees"),
    "n_params_total": ("count", "parameters", "all parameters: LLM, vision tower, compressor, projector"),
    "n_params_embedding": (
        "count",
        "parameters",
        "LLM embedding parameters (input, and output where untied)",
    ),
    "n_params_vision": ("count", "parameters", "vision tower parameters"),
    "compressor": ("text", "", "visual token compressor"),
    "visual_tokens": (
        "number",
        "tokens",
        "visual tokens that the LLM sees for one image; a mean over layers or images may be fractional",
    ),
    "text_tokens": ("number", "tokens", "mean text tokens of a question as the LLM sees it"),
    "train_tokens": ("count", "tokens", "tokens that the LLM was trained on in this run"),
    "train_flops": ("number", "FLOPs", "training FLOPs of this run (1 FLOP = one multiply or one add)"),
    "benchmark": ("text", "", "benchmark or question set"),
    "task_family": ("text", "", "family of tasks, e.g. reasoning, ocr"),
    "metric": ("text", "", "name of the score"),
    "value": ("number", "as the metric", "the score as reported"),
    "error": ("number", "1", "1 - value/max for a score; the loss itself for a loss"),
    "error_se": ("number", "1", "standard error of `error`"),
    "n_examples": ("count", "examples", "examples scored"),
    "seed": ("count", "", "seed of the run"),
    "status": ("text", "", "ok; or why the row is not to be believed (such rows are never fitted)"),
    "started_at": ("text", "ISO 8601, UTC", "when the run started"),
    "seconds": ("number", "s", "how long the run took"),
    "device": ("text", "", "what it ran on"),
    "source": ("text", "", "where the number comes from"),
    "model_family": ("text", "", "family of the model, e.g. qwen1.5"),
    "train_samples": ("count", "examples", "training examples seen (image-text pairs, questions, texts)"),
    "error_se_kind": ("text", "", "reported (by the tool) or binomial (from error and n_examples)"),
    "chance_error": ("number", "1", "the error of guessing"),
    "judge": ("text", "", "the model that judged the answers"),
    "tokens_per_s": ("number", "tokens/s", "training tokens a second, in the training loop of this run"),
    "mfu": (
        "number",
        "1",
        "train_flops a second of training over the device's peak (bf16 of a known card; measured on a processor)",
    ),
    "energy_j": ("number", "J", "energy while training, of the whole device, where it tells"),
    "rate_factor": ("number", "1", "this run's learning rates over those of its recipe"),
    "missing_records": (
        "count",
        "records",
        "training records left out, over all stages: an image is missing or unreadable, or the record is malformed",
    ),
    "skipped_examples": (
        "count",
        "examples",
        "examples of the benchmark that were not scored: an image is missing or unreadable",
    ),
    "direction": (
        "text",
        "",
        "loss: `error` is the loss itself, in its own unit; score or empty: `error` is 1 - value/max",
    ),
    "n_shot": ("count", "examples", "worked examples in the prompt"),
    "part_of": ("text", "", "the benchmark whose mean this one enters, e.g. mmlu for mmlu_anatomy"),
}

UNREPEATABLE = ("started_at", "seconds", "tokens_per_s", "mfu", "energy_j")
"""Columns in which two runs of the same work differ: when, how fast, and with what energy."""

ARROW = {"text": pa.string(), "count": pa.int64(), "number": pa.float64()}
OK = "ok"


def schema() -> pa.Schema:
    """The arrow schema, each field with its unit and meaning as metadata."""
    return pa.schema(
        [
            pa.field(name, ARROW[kind], metadata={"unit": unit, "meaning": meaning})
            for name, (kind, unit, meaning) in COLUMNS.items()
        ]
    )
