"""Which family a model belongs to, and the values of its settings: from a name, or from the model's own files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from scalelaw import plugins
from scalelaw.errors import InputError, unknown
from scalelaw.files.paths import bundled
from scalelaw.files.safe_load import parse_json, read_text, read_yaml
from scalelaw.model_shapes.parts import VISION, encoder_of
from scalelaw.model_shapes.reading import read_config
from scalelaw.tokens.settings import Files, read_settings

FAMILIES = "families"
OTHER_FILES = {
    "image": "preprocessor_config.json",
    "video": "video_preprocessor_config.json",
    "processor": "processor_config.json",
}
DESCRIBED = (*VISION, "visual_tokenizer_config")
"""Fields of a config.json that describe an encoder."""
NESTED = {"image": "image_processor", "video": "video_processor"}
"""Where processor_config.json holds what the other two files held before."""


@dataclass(frozen=True)
class VisionModel:
    """A model whose visual tokens can be counted.

    Attributes:
        name: as it was asked for.
        family: name of its family's file.
        rules: the family's module.
        settings: a value for each of the family's settings.
        files: the model's own files that were read.
        warnings: (code, message) pairs.
        config: the fields of its config.json; empty for a family alone.
    """

    name: str
    family: str
    rules: ModuleType
    settings: Mapping[str, Any]
    files: tuple[str, ...] = ()
    warnings: tuple[tuple[str, str], ...] = field(default=())
    config: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)


def find_vision_model(model: str | os.PathLike[str]) -> VisionModel:
    """The model of this name.

    Args:
        model: a family (`qwen2.5-vl`), a file of your own family (`./my_family.py`), or a folder with a config.json,
            or that file; a model of the catalogue (`qwen2.5-vl-3b`).

    Raises:
        InputError: `unknown_model`, `unsupported_family`, `no_vision_part`, `contradictory_preprocessor`, `bad_config`.
    """
    name = os.fspath(model)
    if name.endswith(".py"):
        rules = plugins.load(FAMILIES, name)
        return VisionModel(name, Path(name).stem, rules, {s.name: s.default for s in rules.SETTINGS})
    if os.path.exists(name):
        return _from_files(name)
    if (entry := catalogue_entries().get(name.lower())) is not None:
        return from_contents(name, entry["config"], entry["files"])
    family = family_name(name)
    if family is None:
        raise _unknown(name)
    rules = plugins.load(FAMILIES, family)
    return VisionModel(name, family, rules, {s.name: s.default for s in rules.SETTINGS})


def family_name(text: str) -> str | None:
    """The file of the family that is called so: `Qwen2.5-VL`, `qwen2_5_vl`, or None."""
    wanted = _plain(text)
    return next((name for name in plugins.names(FAMILIES) if _plain(name) == wanted), None)


def named_family(text: str) -> str | None:
    """The family that a model's name begins with (`Qwen2.5-VL-7B-Instruct`), the longest; None where there is none."""
    words = _words(text)
    fitting = [
        name
        for name in plugins.names(FAMILIES)
        if words[: len(own := _words(name))] == own and words[len(own) : len(own) + 1] != ["b"]
    ]
    return max(fitting, key=len, default=None)


def _words(text: str) -> list[str]:
    """Runs of letters and of digits."""
    return re.findall(r"[a-z]+|[0-9]+", text.lower())


@cache
def model_types() -> dict[str, str]:
    """The family of each `model_type` of a config.json."""
    return {
        kind: name for name in plugins.names(FAMILIES) for kind in plugins.load(FAMILIES, name).MODEL_TYPES
    }


@cache
def catalogue_entries() -> dict[str, dict[str, Any]]:
    """{model: {config, files}} of the catalogue's models that see images: the fields of their released files."""
    entries = {}
    for path in sorted(bundled("models").glob("*.yaml")):
        content = read_yaml(path)
        for row in content["models"]:
            whole, own = content.get("vision", {}), row.get("vision")
            if own is None:
                continue
            text = {"model_type": content["architecture"], **content.get("common", {}), **row["shape"]}
            inner = {**whole.get("vision_config", {}), **own.get("vision_config", {})}
            beside = {**whole.get("config", {}), **own.get("config", {})}
            config = {**beside, "text_config": text, "vision_config": inner}
            entries[row["name"]] = {
                "config": config,
                "files": {**whole.get("files", {}), **own.get("files", {})},
            }
    return entries


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


def _unknown(name: str) -> InputError:
    if "/" in name or name.startswith(".") or name.endswith(".json"):
        return InputError(f"There is no model configuration at {name}.", code="no_such_file")
    error = unknown("model", name, plugins.names(FAMILIES))
    error.hint += " Or give a folder with a config.json."
    return error


def _from_files(path: str) -> VisionModel:
    config, file = read_config(path)
    family = _family_of(config, file)
    files, read = _other_files(file.parent)
    model = from_contents(path, config, files, where=str(file.parent), family=family)
    warnings = []
    if not {"image", "processor"} & set(files):
        knobs = ", ".join(s.name for s in model.rules.SETTINGS if s.knob and not s.name.startswith("video_"))
        if knobs:
            message = (
                f"{file.parent} has no preprocessor_config.json: the family's defaults stand for {knobs}."
            )
            warnings.append(("default_settings", message))
    return replace(model, files=(str(file), *read), warnings=tuple(warnings))


def from_contents(
    name: str, config: Mapping[str, Any], files: Mapping[str, Any], *, where: str = "", family: str = ""
) -> VisionModel:
    """The model of these fields of config.json and of the other files, {image, video, processor}; where: for errors.

    Raises InputError as `find_vision_model`.
    """
    where = where or name
    family = family or _family_of(config, Path(where))
    rules = plugins.load(FAMILIES, family)
    needs = any(source.startswith("config.vision_config.") for s in rules.SETTINGS for source in s.sources)
    if needs and not any(isinstance(config.get(name), dict) for name in DESCRIBED):
        raise _no_vision(Path(where))
    contents = {**files, "config": dict(config)}
    settings = read_settings(rules.SETTINGS, contents, where, getattr(rules, "from_files", None))
    return VisionModel(name, family, rules, settings, config=config)


def _family_of(config: Mapping[str, Any], file: Path) -> str:
    """By the model type together with that of the vision part or with the architecture, then by the type alone."""
    kind, vision = config.get("model_type"), config.get("vision_config")
    inner = vision.get("model_type") if isinstance(vision, dict) else None
    named = config.get("architectures")
    architectures = named if isinstance(named, list) else []
    for wanted in (f"{kind}/{inner}", *(f"{kind}/{name}" for name in architectures), str(kind)):
        if wanted in model_types():
            return model_types()[wanted]
    parts = (
        "vision_config",
        "vision_tower",
        "mm_vision_tower",
        "vision_model",
        "visual",
        "img_processor",
        "vq_config",
    )
    if not any(config.get(part) for part in parts) and encoder_of(config) is None:
        raise _no_vision(file)
    raise InputError(
        f"{file} is of the model type '{kind}', whose images scalelaw cannot count exactly.",
        code="unsupported_family",
        hint=f"Families: {', '.join(plugins.names(FAMILIES))}.",
    )


def _no_vision(file: Path) -> InputError:
    return InputError(
        f"{file} has no vision part: it takes no images.",
        code="no_vision_part",
        hint="Give the config.json of the whole vision-language model, not of its language model.",
    )


def _other_files(folder: Path) -> tuple[Files, tuple[str, ...]]:
    files: Files = {}
    read = []
    for part, name in OTHER_FILES.items():
        if os.path.isfile(folder / name):
            files[part] = _read_object(folder / name)
            read.append(str(folder / name))
    for part, key in NESTED.items():
        nested = files.get("processor", {}).get(key)
        if part not in files and isinstance(nested, dict):
            files[part] = nested
    return files, tuple(read)


def _read_object(file: Path) -> dict[str, Any]:
    try:
        content = parse_json(read_text(file), file)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}.", code="bad_config") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} is not a JSON object.", code="bad_config")
    return content


def all_families() -> Iterator[tuple[str, ModuleType]]:
    """Every family with its rules."""
    for name in plugins.names(FAMILIES):
        yield name, plugins.load(FAMILIES, name)
