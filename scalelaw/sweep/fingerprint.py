"""Names of cells and stages: hashes of everything that determines their result.

A name is a hash of the sections and choices that are passed to the work. Nothing else is passed to it (`narrowed`), so
nothing outside the name can change the result.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from scalelaw.config import Experiment, Finetune, Recipe
from scalelaw.files.paths import PACKAGE
from scalelaw.files.safe_load import open_input

RESULT_VERSION = 1
"""Increase this number if a change of training or scoring changes the results of an experiment."""

Sections = dict[str, set[str]]
"""Sections of an experiment that determine a result, each with its keys that do not."""

CELL: Sections = {name: set() for name in ("dataset", "vision", "text", "recipe", "evaluation")}
STAGES: dict[str, Sections] = {
    "tower": {"dataset": set(), "vision": {"features", "select", "features_gb"}},
    "features": {
        "dataset": set(),
        "vision": {"select"},
        "recipe": set(Recipe.model_fields) - {"images"},
        "evaluation": set(),
    },
    "llm": {"dataset": set(), "text": set()},
}

LATER: Sections = {"vision": {"features_gb"}, "recipe": {"compile"}}
"""Keys that were added later: a name includes them only if they are not the default, so that older names stay valid."""

LENGTH = 12  # digits of a name
BLOCKS, BLOCK = 64, 1 << 16


def sections_text(experiment: Experiment, sections: Sections) -> str:
    """Sections as canonical JSON; a plug-in file of the user is identified by its content, not its path."""
    contents = {}
    for name, left_out in sections.items():
        section_values = getattr(experiment, name)
        usual = {
            key
            for key in LATER.get(name, set())
            if getattr(section_values, key) == _default(section_values, key)
        }
        facts: dict[str, Any] = section_values.model_dump(mode="json", exclude=left_out | usual)
        for section, key, package in (("dataset", "name", "datasets"), ("vision", "objective", "objectives")):
            if name == section:
                facts[key] = plugin_content(package, facts[key])
        contents[name] = facts
    if experiment.finetune is not None:
        contents["finetune"] = _finetune_content(experiment.finetune)
    return _canonical(contents)


def _default(section: Any, key: str) -> Any:
    return type(section).model_fields[key].default


def identity(sections: str, **choices: Any) -> str:
    """Everything that determines a result, as canonical JSON: `sections` (see `sections_text`), choices, version."""
    return f'{{"choices":{_canonical(choices)},"sections":{sections},"version":{RESULT_VERSION}}}'


def name(identity: str) -> str:
    """`LENGTH` hex digits of the SHA-256 of an identity."""
    return hashlib.sha256(identity.encode()).hexdigest()[:LENGTH]


def narrowed(experiment: Experiment, sections: Sections, **choices: list[Any]) -> Experiment:
    """The experiment reduced to `sections` and `choices`; everything else is at its default."""
    nothing: dict[str, Any] = {"llms": [], "compressors": [], "visual_tokens": [], "seeds": []}
    kept: dict[str, Any] = {}
    for section, left_out in sections.items():
        section_values = getattr(experiment, section)
        facts = {key: value for key, value in section_values if key not in left_out}
        kept[section] = type(section_values).model_construct(**facts)
    kept["finetune"] = experiment.finetune
    return Experiment.model_construct(question="", **nothing | choices | kept)


def is_own_file(plugin: str) -> bool:
    """Whether the name of a plug-in is the path of a Python file."""
    return plugin.endswith(".py")


def plugin_content(package: str, plugin: str) -> Any:
    """What identifies a plug-in: hashes of its file and of the shared files (`_*.py`) of its package.

    A plug-in file of the user is identified by the hash of that file alone, an installed plug-in by its name.
    """
    if is_own_file(plugin):
        return {"file": _digest(Path(plugin))}
    folder = PACKAGE / package
    files = [folder / f"{plugin}.py", *sorted(folder.glob("_[!_]*.py"))]
    return {plugin: [_digest(file) for file in files]} if files[0].is_file() else plugin


def llm_content(llm: str) -> Any:
    """What identifies an LLM: its name, or the hashes of the files in the folder of a pretrained one."""
    folder = Path(llm)
    if not os.path.isdir(folder):
        return llm
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return {"folder": {str(p.relative_to(folder)): _digest(p) for p in files}}


def _finetune_content(finetune: Finetune) -> dict[str, Any]:
    """The section `finetune` with files identified by content, without the keys for planning and saving."""
    facts: dict[str, Any] = finetune.model_dump(
        mode="json",
        exclude={
            "cluster",
            "save_every",
            "images",
            "trust_remote_code",
            "max_missing",
            "activation_checkpointing",
        },
    )
    facts["tower"] = llm_content(finetune.tower)
    for stage in facts["stages"]:
        stage["files"] = [_file_content(file) for file in stage["files"]]
        del stage["rows"], stage["text_tokens"]
    for questions in facts["questions"]:
        questions["file"] = _file_content(questions["file"])
        answers = questions.pop("answers")
        if files := [answers] if isinstance(answers, str) else answers:
            questions["answers"] = [_file_content(file) for file in files]
    return facts


def _file_content(file: str) -> str:
    return _digest(Path(file)) if os.path.isfile(file) else file


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _digest(path: Path) -> str:
    """Hash of a file: of its content, or for a large file of its size and 64 blocks of 64 KiB spread over it."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with open_input(path) as file:
        if size <= BLOCKS * BLOCK:
            digest.update(file.read())
        else:
            for block in range(BLOCKS):
                file.seek(block * (size - BLOCK) // (BLOCKS - 1))
                digest.update(file.read(BLOCK))
    return digest.hexdigest()[:16]
