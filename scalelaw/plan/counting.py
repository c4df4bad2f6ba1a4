"""The shape of the model in a config.json: by the closed form, or counted on the model itself where none is held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scalelaw.ladder import FAMILIES, LLMShape, from_fields
from scalelaw.ladder.reading import read_config
from scalelaw.plugins import import_module

COUNTER = "scalelaw.vlm.counted"
"""The module whose `count_shape` counts. It needs torch, so it is loaded, by name, only for an unknown architecture."""


def shape_of(path: str | Path) -> LLMShape:
    """The shape of the model that a config.json (or its folder) describes.

    A known family (`ladder.FAMILIES`), and a configuration that names no `model_type`, is read; any other is counted.
    Raises InputError for a file that cannot be read, and for an architecture that can neither be read nor counted.
    """
    config, file = read_config(path)
    name = file.resolve().parent.name
    text = config.get("text_config")
    kind = str(
        {**config, **text}.get("model_type", "")
        if isinstance(text, Mapping)
        else config.get("model_type", "")
    )
    if kind in ("", *FAMILIES):
        shape = from_fields(config, name, origin=str(file))
        if shape.family in ("", *FAMILIES):
            return shape
    counter: Any = import_module(COUNTER)
    counted: LLMShape = counter.count_shape(file)
    return replace(counted, name=str(config.get("_name_or_path") or name))


def doubts_of(shape: LLMShape | None) -> list[tuple[str, str]]:
    """What is to be said (code, message) of a shape that is not a known family's."""
    if shape is None or shape.family in FAMILIES:
        return []
    if shape.counted:
        told = (
            f"No closed form is held for models of type '{shape.family}': {shape.name} was counted on the model itself "
            "at three lengths, and the quadratic through them is used."
        )
        return [("counted", told)]
    told = f"{shape.name} names no model_type: it is reckoned as a plain decoder of its widths."
    return [("unknown_family", told)] if not shape.family else []
