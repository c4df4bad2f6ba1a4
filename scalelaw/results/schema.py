"""The shape of every command's answer as JSON Schema, from data/schemas.yaml, and a check against it.

`scalelaw schema COMMAND` prints a schema; `check` reads the keywords that data/schemas.yaml uses, so that reading an
answer needs no other library.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from scalelaw.errors import InputError, unknown
from scalelaw.files.paths import bundled
from scalelaw.files.safe_load import read_yaml

DRAFT = "https://json-schema.org/draft/2020-12/schema"
WARNING = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "string", "pattern": "^[a-z0-9_]+$"}, "message": {"type": "string"}},
}
_NAMES = {"fit": "a fit", "optimize": "an optimum", "compare": "a comparison", "cost": "a cost breakdown"}
_CODES = {"fit": "not_a_fit"}


def described() -> list[str]:
    """The answers that have a schema."""
    return sorted(_schemas()["commands"])


def schema(command: str) -> dict[str, Any]:
    """The schema of what `scalelaw COMMAND --json` prints: the answer, or the error in its place.

    Raises:
        InputError: for a name that has none (the message lists those that have).
    """
    content = _schemas()
    if command not in content["commands"]:
        raise unknown("command", command, content["commands"], code="unknown_schema")
    error = {"type": "object", "required": ["code", "message", "hint"]}
    return {
        "$schema": DRAFT,
        "title": f"scalelaw.{command}/1",
        "$defs": content["definitions"],
        "type": "object",
        "required": ["schema", "ok", "warnings"],
        "properties": {
            "schema": {"const": f"scalelaw.{command}/1"},
            "ok": {"type": "boolean"},
            "warnings": {"type": "array", "items": WARNING},
        },
        "oneOf": [
            {
                "required": ["data"],
                "properties": {"ok": {"const": True}, "data": content["commands"][command]},
            },
            {"required": ["error"], "properties": {"ok": {"const": False}, "error": error}},
        ],
    }


def check(command: str, data: Any, warnings: Any, origin: str | Path) -> None:
    """Check the data and the warnings of an answer against the schema of its command.

    Raises:
        InputError: `not_a_fit` for a fit, `wrong_schema` for other answers; the message names the first place that
            differs.
    """
    content = _schemas()
    fault = next(_faults(content["commands"][command], data, "", content["definitions"]), None) or next(
        _faults({"type": "array", "items": WARNING}, warnings, "warnings", {}), None
    )
    if fault is not None:
        raise invalid(command, origin, fault)


def invalid(command: str, origin: str | Path, fault: str) -> InputError:
    """The error for a file that is not a valid answer of `command`."""
    return InputError(
        f"{origin} is not {_NAMES.get(command, f'an answer of `scalelaw {command}`')}: {fault}.",
        code=_CODES.get(command, "wrong_schema"),
        hint=f"`scalelaw {command.removesuffix('_groups')} ... -o FILE.json` writes one.",
    )


@cache
def _schemas() -> dict[str, Any]:
    content: dict[str, Any] = read_yaml(bundled("schemas.yaml"))
    return content


_TYPES = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}
_BOUNDS: dict[str, tuple[Callable[[Any, float], Any], str]] = {
    "minimum": (lambda value, bound: value >= bound, "less than"),
    "maximum": (lambda value, bound: value <= bound, "more than"),
    "exclusiveMinimum": (lambda value, bound: value > bound, "not more than"),
    "exclusiveMaximum": (lambda value, bound: value < bound, "not less than"),
}
_SIZES: dict[str, tuple[type, Callable[[int, int], bool], str]] = {
    "minItems": (list, lambda n, bound: n >= bound, "fewer than"),
    "maxItems": (list, lambda n, bound: n <= bound, "more than"),
    "minProperties": (dict, lambda n, bound: n >= bound, "fewer than"),
    "maxProperties": (dict, lambda n, bound: n <= bound, "more than"),
}


def _is(kind: str, value: Any) -> bool:
    """Whether a JSON value is of a type; a number is finite."""
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, int | float):
        finite = abs(value) <= sys.float_info.max
        return finite and (kind == "number" or (kind == "integer" and value == int(value)))
    types: dict[str, type] = {"object": dict, "array": list, "string": str, "null": type(None)}
    return kind in types and isinstance(value, types[kind])


def _faults(rule: Mapping[str, Any], value: Any, place: str, definitions: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a value by a schema, one sentence part for each fault."""
    if "$ref" in rule:
        rule = definitions[rule["$ref"].removeprefix("#/$defs/")]
    where = f"its {place}" if place else "it"
    if "type" in rule:
        kinds = [rule["type"]] if isinstance(rule["type"], str) else rule["type"]
        if not any(_is(kind, value) for kind in kinds):
            yield f"{where} is not {' or '.join(_TYPES[kind] for kind in kinds)}"
            return
    if "const" in rule and value != rule["const"]:
        yield f"{where} is not {rule['const']!r}"
    if "enum" in rule and value not in rule["enum"]:
        yield f"{where} is not one of {', '.join(map(str, rule['enum']))}"
    if "pattern" in rule and isinstance(value, str) and not re.search(rule["pattern"], value):
        yield f"{where} does not match {rule['pattern']}"
    for name in _BOUNDS.keys() & rule.keys():
        inside, words = _BOUNDS[name]
        if _is("number", value) and not inside(value, rule[name]):
            yield f"{where} is {words} {rule[name]:g}"
    for name in _SIZES.keys() & rule.keys():
        kind, holds, words = _SIZES[name]
        if isinstance(value, list | dict) and type(value) is kind and not holds(len(value), rule[name]):
            yield f"{where} has {words} {rule[name]} entries"
    for each in rule.get("allOf", ()):
        yield from _faults(each, value, place, definitions)
    if "oneOf" in rule:
        faults = [next(_faults(each, value, place, definitions), None) for each in rule["oneOf"]]
        if faults.count(None) != 1:
            yield next((fault for fault in reversed(faults) if fault), f"{where} matches several forms")
    if isinstance(value, dict):
        yield from _in_object(rule, value, place, definitions)
    if isinstance(value, list) and "items" in rule and not _are_numbers(rule["items"], value, definitions):
        for i, item in enumerate(value):
            yield from _faults(rule["items"], item, f"{place}[{i}]", definitions)


def _in_object(
    rule: Mapping[str, Any], value: dict[str, Any], place: str, definitions: Mapping[str, Any]
) -> Iterator[str]:
    for name in rule.get("required", ()):
        if name not in value:
            yield f"{f'its {place}' if place else 'it'} lacks {name}"
    known, others = rule.get("properties", {}), rule.get("additionalProperties", {})
    for name, item in value.items():
        yield from _faults(known.get(name, others), item, f"{place}.{name}".lstrip("."), definitions)


def _are_numbers(rule: Mapping[str, Any], values: list[Any], definitions: Mapping[str, Any]) -> bool:
    """Whether all items are valid numbers by a rule of types and bounds alone: fast, for the points of large fits."""
    if "$ref" in rule:
        rule = definitions[rule["$ref"].removeprefix("#/$defs/")]
    kinds = [rule["type"]] if isinstance(rule.get("type"), str) else rule.get("type", [])
    if "number" not in kinds or rule.keys() - {"type", *_BOUNDS}:
        return False
    if not set(map(type, values)) <= {float, int, *([type(None)] if "null" in kinds else [])}:
        return False
    try:
        numbers = np.array([value for value in values if value is not None], dtype=float)
    except OverflowError:
        return False
    return bool(np.isfinite(numbers).all()) and all(
        bool(np.all(_BOUNDS[name][0](numbers, rule[name]))) for name in _BOUNDS.keys() & rule.keys()
    )
