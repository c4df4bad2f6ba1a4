"""Weights & Biases: the runs table exported as csv, or a JSON list (or lines) of runs with `config` and `summary`.

Read as a wide csv (see `wide_csv` for the options): `scores` names the summary metrics, `columns` the configuration
keys, nested ones joined by a dot. A key that stands in both, with different values, is only reached as `config.key`
or `summary.key`. `Name`, `State`, `Created` and `Runtime` are found by themselves; a run that is not `finished` gets
its state as status and is never fitted. A chart's export (one column a run) holds curves, not results, and is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError
from scalelaw.importers._files import json_of, read_json, read_text
from scalelaw.importers._layout import of_json, refuse_other
from scalelaw.importers._scores import Imported
from scalelaw.importers._tabular import OPTIONS as OPTIONS
from scalelaw.importers._tabular import Record, read_sheet, strings
from scalelaw.importers.wide_csv import rows_of
from scalelaw.table.schema import OK

KNOWN = {
    "model": ("Name", "name", "display_name", "displayName"),
    "status": ("State", "state"),
    "started_at": ("Created", "created_at", "createdAt"),
    "seconds": ("Runtime", "_runtime"),
}
RUNS_TABLE = {
    "Name",
    "name",
    "display_name",
    "State",
    "state",
    "Created",
    "Runtime",
    "_step",
    "_runtime",
    "_timestamp",
}
SUMMARY = ("summary", "summary_metrics", "summaryMetrics")
DEEPEST = 8
LONGEST = 2**20
"""Characters of one run's mapping: Python's parser needs some hundred bytes for each."""


def read(path: str | Path, options: Mapping[str, Any]) -> Imported:
    """Rows of the export at `path`. Raises InputError for what is no export of runs, and as `wide_csv`."""
    file = Path(path)
    if file.suffix in (".json", ".jsonl"):
        records = [_flat(run, file) for run in _runs(file)]
    else:
        records = read_sheet(file, options.get("decimal"))
        if any(column.endswith(("__MIN", "__MAX")) for column in records[0]):
            raise InputError(
                f"{file} is the export of a chart: curves, not results.",
                code="not_this_format",
                hint="In the project's Runs table choose Export as CSV.",
            )
        if not ({"summary", "config"} <= set(records[0]) or RUNS_TABLE & set(records[0])):
            raise InputError(
                f"{file} has none of the columns of a Runs table ({', '.join(sorted(RUNS_TABLE))}).",
                code="other_format",
                hint=f"A table of your own: scalelaw import wide_csv {file} ...",
            )
        if {"summary", "config"} <= set(records[0]):
            records = [_flat({k: _literal(v, file) for k, v in record.items()}, file) for record in records]
    there = {column for record in records for column in record}
    names = {name: next((c for c in candidates if c in there), None) for name, candidates in KNOWN.items()}
    for record in records:
        if (column := names["status"]) and record.get(column):
            record[column] = OK if record[column] == "finished" else record[column]
    columns = {name: column for name, column in names.items() if column}
    if "model" in options:
        columns.pop("model", None)
    columns |= strings(options, "columns")
    made = rows_of("wandb_export", records, {**options, "columns": columns}, file.name)
    if "status" in columns:
        return made
    unknown_state = (
        f"{file.name} has no State: runs that crashed or still run cannot be told from finished ones."
    )
    return replace(made, warnings=(("no_run_state", unknown_state), *made.warnings))


def _runs(file: Path) -> list[Any]:
    if file.suffix == ".jsonl":
        runs = [json_of(line, str(file)) for line in read_text(file).splitlines() if line.strip()]
    else:
        runs = read_json(file)
    refuse_other(file, "wandb_export", of_json(runs))
    parts = {"config", *SUMMARY}
    if not isinstance(runs, list) or not any(isinstance(run, dict) and parts & set(run) for run in runs):
        raise InputError(f"{file} is not a list of runs with `config` and `summary`.", code="not_this_format")
    return runs


def _literal(value: str, file: Path) -> Any:
    """A mapping as the API's example script writes it into a csv: Python's own notation."""
    if not value.startswith("{"):
        return value
    if len(value) > LONGEST:
        raise InputError(f"{file} holds a mapping of {len(value):,} characters.", code="too_large")
    try:
        return ast.literal_eval(_Constants().visit(ast.parse(value, mode="eval")))
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise InputError(
            f"{file} holds '{value[:40]}...', no mapping: {error}.", code="unreadable_file"
        ) from error


class _Constants(ast.NodeTransformer):
    """`nan` and `inf`, which Python prints and does not read, as numbers."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """A constant in place of one of these names; any other name stays, and is refused."""
        return ast.Constant(float(node.id)) if node.id in ("nan", "inf") else node


def _flat(run: Any, file: Path) -> Record:
    """One run as a line: the run's own keys, then config and summary by their bare and their full names."""
    if not isinstance(run, dict):
        raise InputError(f"{file} is not a list of runs.", code="not_this_format")
    summary: Any = next((run[key] for key in SUMMARY if key in run), {})
    parts: dict[str, Record] = {"config": {}, "summary": {}}
    for part, content in (("config", run.get("config") or {}), ("summary", summary or {})):
        if isinstance(content, str):
            content = json_of(content, f"The {part} of a run in {file}")
        if not isinstance(content, dict):
            raise InputError(f"The {part} of a run in {file} is not a mapping.", code="not_this_format")
        _spread(content, "", parts[part], file)
    both = {k for k in parts["config"] if k in parts["summary"] and parts["config"][k] != parts["summary"][k]}
    record: Record = {
        str(k): str(v)
        for k, v in run.items()
        if isinstance(v, str | int | float) and k not in ("config", *SUMMARY)
    }
    for part, flat in parts.items():
        record |= {f"{part}.{key}": value for key, value in flat.items()}
        record |= {key: value for key, value in flat.items() if key not in both and key not in run}
    return record


def _spread(content: dict[Any, Any], prefix: str, into: Record, file: Path, depth: int = 0) -> None:
    if depth > DEEPEST:
        raise InputError(f"{file} is nested too deeply.", code="unreadable_file")
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and set(value) <= {"value", "desc"} and "value" in value:
            value = value["value"]
        if isinstance(value, dict):
            _spread(value, f"{name}.", into, file, depth + 1)
        elif isinstance(value, str | int | float):
            into[name] = str(value)
