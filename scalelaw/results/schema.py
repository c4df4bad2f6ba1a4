"""The shape of every command's answer as JSON Schema, from data/schemas.yaml: `scalelaw schema COMMAND`."""

from __future__ import annotations

from typing import Any

import yaml

from scalelaw.errors import unknown
from scalelaw.files.paths import bundled

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def described() -> list[str]:
    """The answers that have a schema."""
    return sorted(_schemas()["commands"])


def schema(command: str) -> dict[str, Any]:
    """The schema of what `scalelaw COMMAND --json` prints: the answer, or the refusal in its place.

    Raises InputError for a name that has none (with those there are).
    """
    content = _schemas()
    if command not in content["commands"]:
        raise unknown("command", command, content["commands"], code="unknown_schema")
    warning = {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "string", "pattern": "^[a-z0-9_]+$"}, "message": {"type": "string"}},
    }
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
            "warnings": {"type": "array", "items": warning},
        },
        "oneOf": [
            {
                "required": ["data"],
                "properties": {"ok": {"const": True}, "data": content["commands"][command]},
            },
            {"required": ["error"], "properties": {"ok": {"const": False}, "error": error}},
        ],
    }


def _schemas() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(bundled("schemas.yaml").read_text(encoding="utf-8"))
    return content
