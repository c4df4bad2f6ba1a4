"""Benchmark files of other tools, and the JSON answer of `scalelaw measure`, as rows of measured times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalelaw import plugins
from scalelaw.errors import InputError, unknown
from scalelaw.files.file_type import TABLE, otherwise
from scalelaw.files.safe_load import read_text
from scalelaw.files.safe_text import one_line
from scalelaw.plan.timings import COLUMNS, PASSED

PACKAGE = "benchmarks"
OWN = "scalelaw.measure/"
MOST_BYTES = 256 * 2**20
"""Of a benchmark file: its lists hold every request."""


def is_json(path: Path) -> bool:
    """Whether the name is that of a JSON file."""
    return path.suffix.lower() in (".json", ".jsonl")


def read_benchmark(path: Path) -> tuple[str, list[dict[str, str]]]:
    """(the tool, its rows as text) of a benchmark file.

    Raises InputError: `no_such_file`; `cut_off` for a file that ends too early; `unknown_benchmark` for one of no known
    tool; and what the tool's file says is wrong with it.
    """
    try:
        text = read_text(path, MOST_BYTES)
    except OSError as error:
        raise InputError(f"There is no file {path}.", code="no_such_file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text.", code="unreadable_json") from error
    content = _parsed(text, path)
    if isinstance(content, Mapping) and str(content.get("schema", "")).startswith(OWN):
        return "scalelaw measure", [_as_text(row) for row in _own_rows(content, path)]
    for name in plugins.names(PACKAGE):
        tool = plugins.load(PACKAGE, name)
        if tool.matches(content):
            try:
                rows = tool.rows(content)
            except InputError as error:
                raise InputError(f"{path}: {error.message}", code=error.code, hint=error.hint) from error
            except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
                raise InputError(
                    f"{path} looks like a file of {name} and has a value of another kind: {one_line(error)[:100]}.",
                    code="bad_value",
                    hint="It is damaged, or another version of the tool wrote it.",
                ) from error
            return name, [_as_text(row) for row in rows]
    raise InputError(
        f"{path} is of no benchmark tool that is known.",
        code="unknown_benchmark",
        hint=otherwise(path, TABLE)
        or f"Known tools: {', '.join(plugins.names(PACKAGE))}. Or write a csv: scalelaw calibrate --explain-columns.",
    )


def with_values(rows: list[dict[str, str]], values: Mapping[str, str]) -> list[dict[str, str]]:
    """The rows with values in the columns that they lack. Raises InputError for a column that is not known."""
    for name in values:
        if name not in COLUMNS:
            raise unknown("column", name, COLUMNS)
    return [{**row, **{name: value for name, value in values.items() if not row.get(name)}} for row in rows]


def _parsed(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply.", code="unreadable_json") from error
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            listed = [json.loads(line) for line in lines]
        except (ValueError, RecursionError):
            listed = []
        if len(listed) > 1:
            return listed
        raise InputError(
            f"{path} is not whole JSON: {error}.",
            code="cut_off",
            hint="It may be cut off: run the benchmark to its end, or copy the file again.",
        ) from error


def _own_rows(content: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    data = content.get("data")
    rows = data.get("rows") if isinstance(data, Mapping) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(
            f"{path} has no measured rows.", code="no_rows", hint="It may be a plan of --dry-run."
        )
    known = {*COLUMNS, *PASSED}
    return [{name: value for name, value in row.items() if name in known} for row in rows]


def _as_text(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: f"{value:.12g}" if isinstance(value, float) else str(value)
        for name, value in row.items()
        if value not in (None, "")
    }
