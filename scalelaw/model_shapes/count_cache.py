"""Counted shapes are kept: counting a configuration takes seconds and loads torch, and always gives the same.

They lie as JSON in `~/.cache/scalelaw` (or `$SCALELAW_CACHE`, or `$XDG_CACHE_HOME/scalelaw`), one file for each
configuration and version of transformers. A file that cannot be read, or a folder that cannot be written, is ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from scalelaw.errors import ScalelawError
from scalelaw.files.paths import write_text
from scalelaw.files.safe_load import parse_json, read_text
from scalelaw.model_shapes.shapes import LLMShape, TowerShape

Shape = TypeVar("Shape", LLMShape, TowerShape)
FORMAT = 1
"""Of the files; another number makes old ones be counted again."""


def once(
    kind: type[Shape], config: Mapping[str, Any], count: Callable[[], Any]
) -> tuple[Shape, dict[str, Any]]:
    """(shape, further facts) of a configuration: from the cache, else by `count`, which gives both or the shape."""
    file = folder() / f"{kind.__name__}-{_key(config)}.json"
    kept = _read(kind, file)
    if kept is not None:
        return kept
    made = count()
    shape, facts = made if isinstance(made, tuple) else (made, {})
    with suppress(OSError, ScalelawError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps({"shape": asdict(shape), "facts": facts}))
    return shape, facts


def folder() -> Path:
    """Where counted shapes are kept."""
    if named := os.environ.get("SCALELAW_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path(os.path.expanduser("~")) / ".cache") / "scalelaw"


def _key(config: Mapping[str, Any]) -> str:
    try:
        version = metadata.version("transformers")
    except metadata.PackageNotFoundError:
        version = ""
    content = json.dumps([FORMAT, version, config], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _read(kind: type[Shape], file: Path) -> tuple[Shape, dict[str, Any]] | None:
    """What a file keeps, where every value is of the kind that its field has."""
    try:
        content: Any = parse_json(read_text(file), file)
        values, facts = content["shape"], content["facts"]
        known = {field.name: field for field in fields(kind)}
        if set(values) != set(known) or not isinstance(facts, dict):
            return None
        values["counted"] = tuple(float(number) for number in values["counted"])
        sample = kind(**values)
    except (OSError, ValueError, TypeError, KeyError, ScalelawError):
        return None
    whole = all(isinstance(getattr(sample, name), int) for name in ("layers", "width", "feed_forward"))
    return (sample, facts) if whole and isinstance(sample.name, str) else None
