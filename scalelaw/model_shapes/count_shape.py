"""The parts of the model in a config.json: by closed forms, or counted on the model itself where there is none."""

from __future__ import annotations

import io
import logging
import re
import warnings as warnings_module
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError, Note
from scalelaw.model_shapes import count_cache
from scalelaw.model_shapes.architectures import FAMILIES, from_fields
from scalelaw.model_shapes.parts import Language, encoder_key, encoder_of, language_of
from scalelaw.model_shapes.reading import read_config
from scalelaw.model_shapes.shapes import LLMShape, TowerShape
from scalelaw.model_shapes.towers import tower_from_fields
from scalelaw.plugins import import_module

COUNTER = "scalelaw.vlm.count_flops"
"""The module whose `count_shape` and `count_tower` count. It needs torch, so it is loaded, by name, only for an
unknown architecture."""

_GENERIC = re.compile(
    r"models?|llm|lm|language_model|text|(checkpoint|ckpt|step|epoch)s?[-_]?\d*|config|final|last|latest|best|main|weights|"
    r"hf|output|\d+",
    re.I,
)
"""Names of folders that several models have."""


@dataclass(frozen=True)
class Parts:
    """What a configuration describes. encoder: the fields of its vision encoder, or the name it goes by; None where it
    has none. warnings: (code, message) on how the LLM's fields were read.
    """

    shape: LLMShape
    encoder: Mapping[str, Any] | str | None = None
    warnings: tuple[Note, ...] = ()


def folder_name(file: Path) -> str:
    """The name of a model from the folder of its config.json: with the folder above where its own says nothing, and
    owner/name in the cache of Hugging Face.
    """
    folder = file.resolve().parent
    above = folder.parent
    if above.name == "snapshots" and above.parent.name.startswith("models--"):
        return above.parent.name.removeprefix("models--").replace("--", "/")
    if _GENERIC.fullmatch(folder.name) and above.name:
        return f"{above.name}/{folder.name}"
    return folder.name


def shape_of(path: str | Path) -> LLMShape:
    """The shape of the LLM that a config.json (or its folder) describes; raises as `read_parts`."""
    return read_parts(path).shape


def read_parts(path: str | Path) -> Parts:
    """The LLM's shape, the vision encoder and the warnings of a config.json (or its folder).

    A known family (`FAMILIES`), and a configuration that names no `model_type`, is read; any other is counted.
    Raises InputError for a file that cannot be read, and for an architecture that can neither be read nor counted.
    """
    config, file = read_config(path)
    name = str(config.get("_name_or_path") or folder_name(file))
    language = language_of(config)
    shape, warnings = _language(config, language, file, name)
    if key := encoder_key(config):
        warnings = (*warnings, ("encoder_key", f"The vision encoder is read from the field '{key}'."))
    all_warnings = tuple((code, f"{file}: {message}") for code, message in (*language.warnings, *warnings))
    return Parts(shape, encoder_of(config), all_warnings)


def count_encoder(fields: Mapping[str, Any], name: str) -> TowerShape:
    """The vision encoder of these fields: by its closed form, else counted on the model itself.

    Raises InputError (`cannot_count`) for an encoder that can be neither.
    """
    try:
        return tower_from_fields(fields, name)
    except InputError as error:
        if error.code != "unknown_encoder":
            raise
    encoder = encoder_of(fields)
    inner = encoder if isinstance(encoder, Mapping) else fields

    def count() -> TowerShape:
        with _quiet():
            counter: Any = import_module(COUNTER)
            counted: TowerShape = counter.count_tower(inner, name)
        return counted

    return replace(count_cache.once(TowerShape, inner, count)[0], name=name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside the block torch and transformers print, log and warn of nothing: what matters is in our errors."""
    level = logging.root.manager.disable
    logging.disable(max(level, logging.ERROR))
    try:
        with warnings_module.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings_module.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _language(
    config: Mapping[str, Any], language: Language, file: Path, name: str
) -> tuple[LLMShape, tuple[Note, ...]]:
    if language.kind in ("", *FAMILIES):
        shape = from_fields(config, name, origin=str(file))
        if shape.family in ("", *FAMILIES):
            return shape, ()

    def count() -> tuple[LLMShape, dict[str, Any]]:
        with _quiet():
            counter: Any = import_module(COUNTER)
            counted: tuple[LLMShape, dict[str, Any]] = counter.count_language(config, language, file)
        return counted

    shape, unset = count_cache.once(LLMShape, config, count)
    defaults = ", ".join(f"{field} {value}" for field, value in unset.items())
    warnings = (("defaults_used", f"Fields are left out; {language.kind} has by default {defaults}."),)
    return replace(shape, name=name), warnings if unset else ()


def shape_warnings(shape: LLMShape | None) -> list[tuple[str, str]]:
    """The warnings (code, message) of a shape that is not a known family's."""
    if shape is None or shape.family in FAMILIES:
        return []
    if shape.counted:
        message = (
            f"No closed form is known for models of type '{shape.family}': {shape.name} was counted on the model "
            "itself at three lengths, and the quadratic through them is used."
        )
        return [("counted", message)]
    message = f"{shape.name} names no known model_type: it is counted as a plain decoder of its widths."
    return [("unknown_family", message)] if not shape.family else []
