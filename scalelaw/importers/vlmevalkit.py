"""VLMEvalKit: an output folder, flat (2024), dated (2025: <model>/T<day>_G<commit>/), or with a status.json.

status.json says best what was scored, when and by which judge, and is taken before the score files beside it
(<model>_<dataset>[_<judge>]_acc.csv or .xlsx, _score.csv, _score.json, _rating.json). The judge at the end of a name is
found by evidence (see `_judges`); where there is none, models.yaml names it: `judges: [NAME]`, `benchmarks: [NAME]`. A
spreadsheet of single questions is left out. Of a file the headline is taken: the
metrics that the registry names, in the row `Overall` or `none`, or one benchmark a split (`MMMU_DEV_VAL[validation]`);
the categories are left out and counted. The links that the kit sets one folder up are not read twice. The kit states no
unit: scores run to 1, 100, 1000 or 2000, POPE's "Overall" is F1, and no standard error is given.
Format: open-compass/VLMEvalKit, vlmeval/smp/status_report.py and vlmeval/dataset.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError, Note
from scalelaw.files.csv_text import check_names, read_lines
from scalelaw.importers import _scores
from scalelaw.importers._duplicates import these
from scalelaw.importers._files import (
    FoundFiles,
    find,
    is_no_score,
    named,
    number,
    optional,
    read_json,
    read_mapping,
    read_text,
    text,
)
from scalelaw.importers._judges import Names, listed
from scalelaw.importers._layout import SCORE_FILE, layout_of, nothing_found, of_json, refuse_other
from scalelaw.importers._metrics import Metrics
from scalelaw.importers._scores import Imported, Score, assemble
from scalelaw.importers._workbook import workbook
from scalelaw.table.schema import OK

OPTIONS = (*_scores.OPTIONS, "judges", "benchmarks")
RUN = re.compile(r"T(\d{4})(\d{2})(\d{2})_G\w+")
PREDICTIONS = {".xlsx", ".tsv", ".json", ".pkl"}
"""Kinds of files that hold a model's answers to one benchmark, <model>_<benchmark>.xlsx."""
WILD = re.compile(r"[*?\[]")
WHOLE = {"overall", "none", "all", "total"}
DEEPEST = 20


def read(path: str | Path, options: Mapping[str, Any]) -> Imported:
    """Rows of every status.json and score file under `path`, or of the one file that `path` is."""
    files = find(path, lambda file: file.name == "status.json" or bool(SCORE_FILE.fullmatch(file.name)))
    if not files.files:
        raise nothing_found(path, "vlmevalkit", "score files")
    warnings: list[Note] = []
    files.report(path, warnings)
    metrics = Metrics("vlmevalkit", options.get("metrics"))
    names = _names(files, metrics, options)
    scores: list[Score] = []
    read_files: list[str] = []
    passed_over: list[str] = []
    for file in sorted(files.files, key=lambda f: f.name != "status.json"):
        source = named(file, path)
        try:
            if file.name == "status.json":
                made = list(_reported(file, source, metrics, names, warnings))
            else:
                made = list(_scored(file, source, metrics, names, passed_over, warnings))
        except InputError as error:
            if file == Path(path):
                raise
            warnings.append((error.code, f"Left out: {error.message}"))
        else:
            scores.extend(made)
            read_files.append(source)
    if passed_over:
        warnings.append(
            (
                "not_used",
                f"What status.json states goes before {len(passed_over)} file(s): {these(passed_over)}.",
            )
        )
    names.report(warnings)
    try:
        return assemble("vlmevalkit", scores, options, warnings=warnings, files=sorted(read_files))
    except InputError as error:
        if error.code == "unknown_metric" and names.ambiguous:
            raise InputError(error.message, code=error.code, hint=names.hint(error.hint)) from error
        raise


def _names(files: FoundFiles, metrics: Metrics, options: Mapping[str, Any]) -> Names:
    """The benchmarks and judges that the options, the registry and the files' names reveal."""
    exact = {entry.task for entry in metrics.entries if not WILD.search(entry.task)}
    names = Names(exact | listed(options, "benchmarks"), listed(options, "judges"))
    for file in (*files.files, *files.others):
        model = _place(file)[0]
        score = SCORE_FILE.fullmatch(file.name)
        if score and score[1].startswith(f"{model}_"):
            names.learn([score[1].removeprefix(f"{model}_")])
        elif file.suffix in PREDICTIONS and file.stem.startswith(f"{model}_"):
            names.beside.setdefault(file.parent, set()).add(file.stem.removeprefix(f"{model}_"))
    for entry in metrics.entries:
        if (base := entry.task.removesuffix("*")) and not WILD.search(base):
            names.families.add(base.rstrip("_-"))
    return names


def _reported(
    file: Path, source: str, metrics: Metrics, names: Names, warnings: list[Note]
) -> Iterator[Score]:
    run = read_mapping(file)
    refuse_other(file, "vlmevalkit", of_json(run))
    model = text(run.get("model_name")) or _place(file)[0]
    datasets = run.get("datasets")
    if not isinstance(datasets, dict):
        raise InputError(f"{file} names no datasets.", code="not_this_format")
    for dataset, facts in datasets.items():
        judge = text(optional(facts, "judge_model"))
        names.beside.setdefault(file.parent, set()).add(str(dataset))
        names.judge[file.parent, str(dataset)] = judge
        content = optional(facts, "metrics")
        state = text(optional(facts, "status")) or "unknown"
        if state != "done" or not isinstance(content, dict) or not content:
            why = (
                text(optional(facts, "error_message")) or text(optional(facts, "skip_reason")) or "no metrics"
            )
            warnings.append(
                ("unfinished_runs", f"{dataset} in {source} has status '{state}' ({why[:80]}): no row.")
            )
            continue
        names.done.add((file.parent, str(dataset)))
        flat = {str(key): value for key, value in content.items()}
        when = _utc(optional(facts, "updated_at")) or _place(file)[1]
        yield from _headline(flat, model, str(dataset), judge, when, source, metrics, warnings)


def _scored(
    file: Path, source: str, metrics: Metrics, names: Names, passed_over: list[str], warnings: list[Note]
) -> Iterator[Score]:
    match = SCORE_FILE.fullmatch(file.name)
    model, when = _place(file)
    if match is None or not match[1].startswith(f"{model}_"):
        refuse_other(file, "vlmevalkit", layout_of(file))
        raise InputError(
            f"{file} is not named {model}_<dataset>_acc.csv (or _score.csv, _score.json), after the model's folder.",
            code="not_this_format",
        )
    dataset, judge = names.split(match[1].removeprefix(f"{model}_"), file.parent, source)
    if (file.parent, dataset) in names.done and judge in (None, names.judge[file.parent, dataset]):
        passed_over.append(source)
        return
    flat: dict[str, Any] = {}
    if match[2] == "json":
        _flatten(read_json(file), (), flat, file)
    else:
        lines = workbook(file) if match[2] == "xlsx" else _lines(file, "\t" if match[2] == "tsv" else ",")
        flat = _table(lines, file)
    yield from _headline(flat, model, dataset, judge, when, source, metrics, warnings)


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
    return read_lines(read_text(file), str(file), separator, code="unreadable_file")


def _table(lines: list[list[str]], file: Path) -> dict[str, Any]:
    """A table as `<text column>=<text>|<number column>` -> number, as status.json writes it."""
    if len(lines) < 2 or any(len(line) != len(lines[0]) for line in lines):
        raise InputError(f"{file} is no table with a header line, or is cut off.", code="unreadable_file")
    if {"prediction", "question"} & {name.strip().lower() for name in lines[0]}:
        raise InputError(f"{file} holds single questions, not scores.", code="samples_not_scores")
    header, body = lines[0], lines[1:]
    check_names((name for name in header if name.strip()), str(file))
    numeric = [any(number(line[i]) is not None for line in body) for i in range(len(header))]
    flat: dict[str, Any] = {}
    for at, line in enumerate(body):
        names = [f"{header[i]}={line[i]}" for i in range(len(header)) if not numeric[i] and line[i].strip()]
        names = names or ([f"row={at}"] if len(body) > 1 else [])
        for i, column in enumerate(header):
            if numeric[i]:
                key = "|".join([*names, column])
                if flat.setdefault(key, line[i]) != line[i]:
                    raise InputError(
                        f"{file} has two values for {key[:80]}: {flat[key][:40]} and {line[i][:40]}.",
                        code="conflicting_scores",
                    )
    return flat


def _flatten(content: Any, prefix: tuple[str, ...], flat: dict[str, Any], file: Path) -> None:
    if len(prefix) > DEEPEST:
        raise InputError(f"{file} is nested too deeply.", code="unreadable_file")
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            _flatten(value, (*prefix, str(key)), flat, file)
    elif prefix:
        flat["|".join(prefix)] = content
    else:
        raise InputError(f"{file} is not a mapping.", code="not_this_format")


def _is_empty(value: Any) -> bool:
    """Whether a cell or a value of a JSON stands for a score that is missing, NaN or infinite."""
    return is_no_score(value if isinstance(value, str) else "" if value is None else repr(value))


def _headline(
    flat: dict[str, Any],
    model: str,
    dataset: str,
    judge: str | None,
    when: str | None,
    source: str,
    metrics: Metrics,
    warnings: list[Note],
) -> Iterator[Score]:
    rows: dict[tuple[str, ...], dict[str, float]] = {}
    empty: dict[tuple[tuple[str, ...], str], str] = {}
    words: list[str] = []
    for key, value in flat.items():
        parts = key.split("|")
        labels = tuple(p.partition("=")[2].strip() for p in parts[:-1] if "=" in p)
        name = "|".join(p for p in (*(p for p in parts[:-1] if "=" not in p), parts[-1]))
        if _is_empty(value):
            empty[labels, name] = str(value)
        elif number(value) is None:
            words.append(key)
            continue
        number_or_nan = number(value)
        rows.setdefault(labels, {})[name] = math.nan if number_or_nan is None else number_or_nan
    if words:
        warnings.append(
            ("not_used", f"{dataset} in {source}: {len(words)} value(s) are no numbers: {these(words)}.")
        )
    whole = {
        labels: content for labels, content in rows.items() if all(label.lower() in WHOLE for label in labels)
    }
    left_out = sum(map(len, rows.values()))
    for labels, content in (whole or rows).items():
        benchmark = dataset if whole or len(rows) == 1 else f"{dataset}[{','.join(labels)}]"
        known = [name for name in content if metrics.find(benchmark, name) is not None]
        headline = (
            known
            or [name for name in content if name.lower() in ("overall", "final score", "acc")]
            or list(content)
        )
        left_out -= len(headline)
        for name in headline:
            yield Score(
                model=model,
                also=(source,),
                benchmark=text(benchmark) or "unnamed",
                metric=text(name) or "unnamed",
                value=content[name],
                written=empty.get((labels, name), ""),
                judge=judge,
                status=OK,
                started_at=when,
                source=f"vlmevalkit: {source}",
                place=source,
            )
    if left_out:
        warnings.append(
            ("categories_left_out", f"{dataset} in {source}: {left_out} numbers of single categories.")
        )
