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
    layout = layout_of(path)
    if layout and layout != tool:
        hint = f"It holds results of {NAMES[layout]}: scalelaw import {layout} {path} ..."
    return InputError(f"{path} holds no {files} of {NAMES[tool]}.", code="no_scores", hint=hint)


def layout_of(path: str | Path) -> str:
    """The importer that reads a file or what a folder holds, by names and contents; "" where nothing is plain."""
    path = Path(path)
    files: Iterable[Path] = _files(path) if os.path.isdir(path) else [path]
    return next((layout for file in files if (layout := _of_file(file))), "")


def _files(folder: Path) -> Iterator[Path]:
    seen = 0
    for place, inner, names in os.walk(folder):
        inner.sort()
        for name in sorted(names):
            if (seen := seen + 1) > MOST_FILES:
                return
            yield Path(place, name)


def _of_file(file: Path) -> str:
    if is_pipe(file) or not os.path.isfile(file):
        return ""
    try:
        if file.suffix in (".csv", ".tsv"):
            return of_header(_header(file), file)
        if file.suffix == ".json" and (SCORE_FILE.fullmatch(file.name) or RESULT.search(file.name)):
            return of_json(read_json(file))
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


def of_json(content: Any) -> str:
    """The tool that writes JSON of this shape."""
    if isinstance(content, list):
        entries = [entry for entry in content[:50] if isinstance(entry, Mapping)]
        if any(optional(entry, "name", "split") is not None for entry in entries):
            return "helm"
        return "wandb_export" if any("summary" in entry or "config" in entry for entry in entries) else ""
    if not isinstance(content, Mapping):
        return ""
    if isinstance(content.get("results"), Mapping):
        return harness_of(content)
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
    return "lmms_eval" if isinstance(date, str) and STAMP.fullmatch(date) else ""
