"""Which tool wrote a file or a folder, so that an importer refuses what another one reads, and names that one."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError
from scalelaw.files.safe_load import is_pipe, open_input
from scalelaw.importers._files import number, optional, read_json

NAMES = {
    "lmms_eval": "lmms-eval", "lm_eval": "lm-evaluation-harness", "vlmevalkit": "VLMEvalKit", "helm": "HELM",
    "wandb_export": "Weights & Biases", "long_csv": "a table with one row a score",
}  # fmt: skip
STAMP = re.compile(r"\d{8}_\d{6}")
SCORE_FILE = re.compile(r"(.+)_(?:acc|score|rating)\.(csv|tsv|json|xlsx)")
RESULT = re.compile(r"^results|(_results|stats|status)\.json$")
TEXT_MODELS = {
    "hf", "hf-auto", "hf-causal", "hf-causal-experimental", "hf-seq2seq", "huggingface", "gpt2", "gguf", "ggml",
    "nemo_lm", "mamba_ssm", "local-completions", "local-chat-completions", "openai-completions",
    "openai-chat-completions", "anthropic-completions", "anthropic-chat",
    "textsynth", "deepsparse", "sparseml", "neuronx", "openvino", "gpt3",
}  # fmt: skip
"""`config.model` of lm-evaluation-harness that lmms-eval does not have."""
TEXT_METRIC = re.compile(
    r"(acc(_norm|_bytes|_mutual_info|_all)?|mc[12]|likelihood_diff|pct_stereotype|(word_|byte_)?perplexity|bits_per_byte|"
    r"exact_match,(strict-match|flexible-extract|get-answer)|(prompt|inst)_level_\w+_acc)(_stderr)?(,|$)"
)
"""Metrics of lm-evaluation-harness; those of lmms-eval carry the name of their task or `exact_match,none`."""
HEAD = 2**16
MOST_FILES = 3000
"""Files of a folder that are looked at."""


def refuse_other(path: str | Path, tool: str, layout: str) -> None:
    """Raises InputError where `found` is another tool's layout than `tool`, with the importer that reads it."""
    if layout and layout != tool:
        raise InputError(
            f"{path} is a result of {NAMES[layout]}, not of {NAMES.get(tool, 'a table of your own')}: "
            f"`scalelaw import {layout}` reads it.",
            code="other_format",
            hint=f"scalelaw import {layout} {path} ...",
        )


def nothing_found(path: str | Path, tool: str, files: str, hint: str = "") -> InputError:
    """The error for a folder without a file of the tool: which importer reads what lies there, if one does."""
    layout = layout_of(path, tool)
    if layout and layout != tool:
        hint = f"It holds results of {NAMES[layout]}: scalelaw import {layout} {path} ..."
    return InputError(f"{path} holds no {files} of {NAMES[tool]}.", code="no_scores", hint=hint)


def layout_of(path: str | Path, tool: str = "") -> str:
    """The importer that reads a file or what a folder holds, by names and contents; "" where nothing is plain.

    tool: the importer that was named; of results that either harness may have written, it is believed.
    """
    path = Path(path)
    files: Iterable[Path] = _files(path) if os.path.isdir(path) else [path]
    return next((layout for file in files if (layout := _of_file(file, tool))), "")


def _files(folder: Path) -> Iterator[Path]:
    seen = 0
    for place, inner, names in os.walk(folder):
        inner.sort()
        for name in sorted(names):
            if (seen := seen + 1) > MOST_FILES:
                return
            yield Path(place, name)


def _of_file(file: Path, tool: str) -> str:
    if is_pipe(file) or not os.path.isfile(file):
        return ""
    try:
        if file.suffix in (".csv", ".tsv"):
            return of_header(_header(file), file)
        if file.suffix == ".json" and (SCORE_FILE.fullmatch(file.name) or RESULT.search(file.name)):
            return of_json(read_json(file), tool)
    except (InputError, OSError, ValueError, csv.Error):
        pass
    return ""


def _header(file: Path) -> list[str]:
    with open_input(file) as opened:
        first = opened.read(HEAD).decode("utf-8-sig", "replace").splitlines()[:1]
    mark = "\t" if file.suffix == ".tsv" else ","
    return next(csv.reader(io.StringIO("".join(first)), delimiter=mark), [])


def of_header(header: Iterable[str], file: Path) -> str:
    """The tool whose table has these column names."""
    columns = {name.strip() for name in header}
    if {"Name", "State"} <= columns or {"config", "summary"} <= columns:
        return "wandb_export"
    if any(name.endswith("__MIN") for name in columns):
        return "wandb_export"
    if SCORE_FILE.fullmatch(file.name) and ({"split", "Overall"} <= columns or "Task&Skill" in columns):
        return "vlmevalkit"
    return "long_csv" if {"benchmark", "value"} <= columns else ""


def of_json(content: Any, tool: str = "") -> str:
    """The tool that writes JSON of this shape; `tool` as in `layout_of`."""
    if isinstance(content, list):
        entries = [entry for entry in content[:50] if isinstance(entry, Mapping)]
        if any(optional(entry, "name", "split") is not None for entry in entries):
            return "helm"
        return "wandb_export" if any("summary" in entry or "config" in entry for entry in entries) else ""
    if not isinstance(content, Mapping):
        return ""
    if isinstance(content.get("results"), Mapping):
        return harness_of(content) or (tool if tool in ("lm_eval", "lmms_eval") else "lm_eval")
    if isinstance(content.get("adapter_spec"), Mapping):
        return "helm"
    return "vlmevalkit" if isinstance(content.get("datasets"), Mapping) else ""


def harness_of(run: Mapping[str, Any]) -> str:
    """Which of the two harnesses wrote a run; "" where both may have: lmms-eval began as a copy of the other."""
    if "lmms_eval_version" in run:
        return "lmms_eval"
    date = run.get("date")
    if "lm_eval_version" in run or (isinstance(date, int | float) and number(date) is not None):
        return "lm_eval"
    if isinstance(date, str) and STAMP.fullmatch(date):
        return "lmms_eval"
    return "lm_eval" if _of_text_models(run) else ""


def _of_text_models(run: Mapping[str, Any]) -> bool:
    """Whether a run without a date or version is of lm-evaluation-harness, by its model type or its metrics."""
    if "model_configs" in run or optional(run, "config", "model") in TEXT_MODELS:
        return "model_configs" not in run
    results = [values for values in run["results"].values() if isinstance(values, Mapping)]
    names = [str(name) for values in results for name, value in values.items() if number(value) is not None]
    return bool(names) and all(TEXT_METRIC.match(name) for name in names)
