"""VLMEvalKit: an output folder, flat (2024), dated (2025: <model>/T<day>_G<commit>/), or with a status.json.

status.json says best what was scored, when and by which judge, and is taken before the score files beside it
(<model>_<dataset>[_<judge>]_acc.csv or .xlsx, _score.csv, _score.json, _rating.json); a
spreadsheet of single questions is left out. Of a file the headline is taken: the
metrics that the registry names, in the row `Overall` or `none`, or one benchmark a split (`MMMU_DEV_VAL[validation]`);
the categories are left out and counted. The links that the kit sets one folder up are not read twice. The kit states no
unit: scores run to 1, 100, 1000 or 2000, POPE's "Overall" is F1, and no standard error is given.
Format: open-compass/VLMEvalKit, vlmeval/smp/status_report.py and vlmeval/dataset.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scalelaw.columns import OK
from scalelaw.errors import InputError
from scalelaw.importers._duplicates import Warnings
from scalelaw.importers._files import find, named, number, optional, read_json, read_mapping, read_text, text
from scalelaw.importers._metrics import Metrics
from scalelaw.importers._scores import OPTIONS as OPTIONS
from scalelaw.importers._scores import Imported, Score, assemble
from scalelaw.importers._workbook import workbook

RUN = re.compile(r"T(\d{4})(\d{2})(\d{2})_G\w+")
SCORE_FILE = re.compile(r"(.+)_(?:acc|score|rating)\.(csv|tsv|json|xlsx)")
JUDGE = re.compile(r"_((?:gpt|chatgpt|openai|claude|gemini|qwen|deepseek|exact_matching)[\w.\-]*)$", re.I)
WHOLE = {"overall", "none", "all", "total"}
DEEPEST = 20


def read(path: str | Path, options: Mapping[str, Any]) -> Imported:
    """Rows of every status.json and score file under `path`, or of the one file that `path` is."""
    files, again = find(
        path, lambda file: file.name == "status.json" or bool(SCORE_FILE.fullmatch(file.name))
    )
    if not files:
        raise InputError(f"{path} holds no score files of VLMEvalKit.", code="no_scores")
    warnings: Warnings = []
    if again:
        warnings.append(("links_skipped", f"{len(again)} link(s) lead to files that were read already."))
    metrics = Metrics("vlmevalkit", options.get("metrics"))
    scores: list[Score] = []
    read_files: list[str] = []
    stated: set[tuple[Path, str]] = set()
    for file in sorted(files, key=lambda f: f.name != "status.json"):
        source = named(file, path)
        try:
            if file.name == "status.json":
                found = list(_stated(file, source, metrics, stated, warnings))
            else:
                found = list(_scored(file, source, metrics, stated, warnings))
        except InputError as error:
            if file == Path(path):
                raise
            warnings.append((error.code, f"Left out: {error.message}"))
        else:
            scores.extend(found)
            read_files.append(source)
    return assemble("vlmevalkit", scores, options, warnings=warnings, files=sorted(read_files))


def _stated(
    file: Path, source: str, metrics: Metrics, stated: set[tuple[Path, str]], warnings: Warnings
) -> Iterator[Score]:
    run = read_mapping(file)
    model = text(run.get("model_name")) or _place(file)[0]
    datasets = run.get("datasets")
    if not isinstance(datasets, dict):
        raise InputError(f"{file} names no datasets.", code="not_this_format")
    for dataset, facts in datasets.items():
        held = optional(facts, "metrics")
        state = text(optional(facts, "status")) or "unknown"
        if state != "done" or not isinstance(held, dict) or not held:
            why = (
                text(optional(facts, "error_message")) or text(optional(facts, "skip_reason")) or "no metrics"
            )
            warnings.append(
                ("unfinished_runs", f"{dataset} in {source} has status '{state}' ({why[:80]}): no row.")
            )
            continue
        stated.add((file.parent, str(dataset)))
        flat = {str(key): value for key, value in held.items()}
        when = _utc(optional(facts, "updated_at")) or _place(file)[1]
        judge = text(optional(facts, "judge_model"))
        yield from _headline(flat, model, str(dataset), judge, when, source, metrics, warnings)


def _scored(
    file: Path, source: str, metrics: Metrics, stated: set[tuple[Path, str]], warnings: Warnings
) -> Iterator[Score]:
    match = SCORE_FILE.fullmatch(file.name)
    model, when = _place(file)
    if match is None or not match[1].startswith(f"{model}_"):
        raise InputError(
            f"{file} is not named {model}_<dataset>_acc.csv (or _score.csv, _score.json), after the model's folder.",
            code="not_this_format",
        )
    dataset = match[1].removeprefix(f"{model}_")
    judged = JUDGE.search(dataset)
    dataset = dataset[: judged.start()] if judged else dataset
    if (file.parent, dataset) in stated:
        return
    flat: dict[str, Any] = {}
    if match[2] == "json":
        _flatten(read_json(file), (), flat, file)
    else:
        lines = workbook(file) if match[2] == "xlsx" else _lines(file, "\t" if match[2] == "tsv" else ",")
        flat = _table(lines, file)
    yield from _headline(flat, model, dataset, judged[1] if judged else None, when, source, metrics, warnings)


def _place(file: Path) -> tuple[str, str | None]:
    """The model and the day that the folders name."""
    folder = Path(os.path.abspath(file)).parent
    run = RUN.fullmatch(folder.name)
    name = folder.parent.name if run else folder.name
    return text(name) or "unnamed", f"{run[1]}-{run[2]}-{run[3]}" if run else None


def _utc(value: Any) -> str | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.astimezone(UTC).isoformat(timespec="seconds") if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _lines(file: Path, separator: str) -> list[list[str]]:
    try:
        return [line for line in csv.reader(io.StringIO(read_text(file)), delimiter=separator) if line]
    except csv.Error as error:
        raise InputError(f"{file} cannot be read as csv: {error}.", code="unreadable_file") from error


def _table(lines: list[list[str]], file: Path) -> dict[str, Any]:
    """A table as `<text column>=<text>|<number column>` -> number, as status.json writes it."""
    if len(lines) < 2 or any(len(line) != len(lines[0]) for line in lines):
        raise InputError(f"{file} is no table with a header line, or is cut off.", code="unreadable_file")
    if {"prediction", "question"} & {name.strip().lower() for name in lines[0]}:
        raise InputError(f"{file} holds single questions, not scores.", code="samples_not_scores")
    header, body = lines[0], lines[1:]
    numeric = [any(number(line[i]) is not None for line in body) for i in range(len(header))]
    flat: dict[str, Any] = {}
    for at, line in enumerate(body):
        names = [f"{header[i]}={line[i]}" for i in range(len(header)) if not numeric[i] and line[i].strip()]
        names = names or ([f"row={at}"] if len(body) > 1 else [])
        for i, column in enumerate(header):
            if numeric[i]:
                flat["|".join([*names, column])] = line[i]
    return flat


def _flatten(held: Any, prefix: tuple[str, ...], flat: dict[str, Any], file: Path) -> None:
    if len(prefix) > DEEPEST:
        raise InputError(f"{file} is nested too deeply.", code="unreadable_file")
    if isinstance(held, dict | list):
        for key, value in held.items() if isinstance(held, dict) else enumerate(held):
            _flatten(value, (*prefix, str(key)), flat, file)
    elif prefix:
        flat["|".join(prefix)] = held
    else:
        raise InputError(f"{file} is not a mapping.", code="not_this_format")


def _headline(
    flat: dict[str, Any],
    model: str,
    dataset: str,
    judge: str | None,
    when: str | None,
    source: str,
    metrics: Metrics,
    warnings: Warnings,
) -> Iterator[Score]:
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    for key, value in flat.items():
        parts = key.split("|")
        labels = tuple(p.partition("=")[2].strip() for p in parts[:-1] if "=" in p)
        name = "|".join(p for p in (*(p for p in parts[:-1] if "=" not in p), parts[-1]))
        if (found := number(value)) is None:
            warnings.append(("no_score", f"{dataset}/{key} in {source} is {str(value)[:40]!r}: no row."))
        else:
            rows.setdefault(labels, {})[name] = found
    whole = {labels: held for labels, held in rows.items() if all(label.lower() in WHOLE for label in labels)}
    left_out = sum(map(len, rows.values()))
    for labels, held in (whole or rows).items():
        benchmark = dataset if whole or len(rows) == 1 else f"{dataset}[{','.join(labels)}]"
        known = [name for name in held if metrics.find(benchmark, name) is not None]
        headline = (
            known
            or [name for name in held if name.lower() in ("overall", "final score", "acc")]
            or list(held)
        )
        left_out -= len(headline)
        for name in headline:
            yield Score(
                model=model,
                also=(source,),
                benchmark=text(benchmark) or "unnamed",
                metric=text(name) or "unnamed",
                value=held[name],
                judge=judge,
                status=OK,
                started_at=when,
                source=f"vlmevalkit: {source}",
            )
    if left_out:
        warnings.append(
            ("categories_left_out", f"{dataset} in {source}: {left_out} numbers of single categories.")
        )
