"""HELM: the folder of a run (run_spec.json, stats.json), or of many.

The scores of the split `test` (else `valid`, reported) without perturbations; the bookkeeping among the statistics is
left out. `count` and `stddev` in stats.json are over trials, so the number of examples comes from `num_instances`
and the standard error is binomial. A run that reached a `max_eval_instances` below HELM's own 1,000 gets the status
`partial`.

The benchmark is the run's name without the model, by rule: `scenario:key=value,...`, from which `model=` and
`model_deployment=` (and any other `model...=`) are taken off wherever they stand. The name in run_spec.json goes before
that of the folder. Format: stanford-crfm/helm, src/helm/benchmark/metrics/statistic.py and run_spec.py.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from scalelaw.errors import InputError, Note
from scalelaw.importers._duplicates import PARTIAL
from scalelaw.importers._files import (
    as_score,
    count,
    find,
    named,
    number,
    optional,
    read_json,
    read_mapping,
    text,
)
from scalelaw.importers._layout import layout_of, nothing_found, of_json, refuse_other
from scalelaw.importers._scores import OPTIONS as OPTIONS
from scalelaw.importers._scores import Imported, Score, assemble
from scalelaw.table.schema import OK

LIMIT = 1000
ESCAPED = re.compile(r"%(3A|3D|2C|2F)", re.IGNORECASE)
KEY = re.compile(r"\s*[A-Za-z_]\w*\s*=")
MODEL = re.compile(r"\s*model(_\w+)?\s*=")
LIKELIHOOD = {"logprob", "perplexity", "bits_per_byte", "logprob_per_byte"}
"""Scores of a language_modeling run only; in the others they describe the answer's letter."""


def read(path: str | Path, options: Mapping[str, Any]) -> Imported:
    """Rows of every `stats.json` under `path` (or of the one that `path` is) and the run_spec.json beside it."""
    if os.path.isfile(path):
        refuse_other(path, "helm", layout_of(path))
    files = find(path, lambda file: file.name == "stats.json")
    if not files.files:
        raise nothing_found(path, "helm", "stats.json")
    warnings: list[Note] = []
    files.report(path, warnings, ("run_spec.json",))
    scores: list[Score] = []
    read_files: list[str] = []
    for file in files.files:
        try:
            scores.extend(_scores(file, named(file, path), warnings))
            read_files.append(named(file, path))
        except InputError as error:
            if len(files.files) == 1:
                raise
            warnings.append((error.code, f"Left out: {error.message}"))
    return assemble("helm", scores, options, warnings=warnings, files=read_files)


def benchmark_of(name: str) -> str:
    """The benchmark that a run's name states: its scenario and arguments without the model's.

    `boolq:model=a_b,data_augmentation=canonical` is `boolq:data_augmentation=canonical`. An argument ends before a
    comma that another `key=` follows, outside of brackets and quotes. A folder's name may be escaped (`boolq%3A...`),
    or have `-` where its file system takes no colon.
    """
    name = unquote(name) if ESCAPED.search(name) else name
    scenario, colon, rest = name.partition(":")
    if not colon or "=" in scenario or "," in scenario:
        first, *others = _arguments(name)
        before, equals, value = first.partition("=")
        scenario, dash, key = before.rpartition("-") if equals else (first, "", "")
        if equals and not dash:
            scenario, key = "", before
        rest = ",".join([*([f"{key}={value}"] if equals else []), *others])
    kept = [part for part in _arguments(rest) if not MODEL.match(part)]
    return ":".join(part for part in (scenario.strip(), ",".join(kept)) if part)


def _arguments(written: str) -> list[str]:
    """`key=value` parts; a comma within brackets or quotes, or one that no `key=` follows, belongs to the value."""
    balanced = all(written.count(left) == written.count(right) for left, right in ("()", "[]", "{}"))
    parts, depth, quote = [""], 0, ""
    for at, sign in enumerate(written):
        if sign in "\"'" and (quote == sign or (not quote and written.rfind(sign) > at)):
            quote = "" if quote else sign
        elif not quote and balanced and sign in "([{":
            depth += 1
        elif not quote and balanced and sign in ")]}":
            depth -= 1
        if sign == "," and depth <= 0 and not quote and KEY.match(written, at + 1):
            parts.append("")
        else:
            parts[-1] += sign
    return [kept for part in parts if (kept := part.strip(" ,"))] or [""]


def _scores(file: Path, source: str, warnings: list[Note]) -> Iterator[Score]:
    beside = file.with_name("run_spec.json")
    entries, spec = _entries(file), read_mapping(beside)
    adapter = spec.get("adapter_spec")
    model = text(optional(adapter, "model")) or text(optional(adapter, "model_deployment"))
    run = text(spec.get("name")) or text(file.parent.name) or "unnamed"
    if model is None:
        raise InputError(f"{beside} names no model.", code="not_this_format")
    if not (benchmark := benchmark_of(run)):
        warnings.append(("not_a_run_name", f"{source}: the run's name {run[:80]!r} holds no scenario."))
    elif model.replace("/", "_") in benchmark or "model=" in benchmark:
        warnings.append(
            (
                "model_in_benchmark",
                f"{source}: the benchmark '{benchmark[:80]}' still names a model, so the models' runs do not meet.",
            )
        )
    shots = number(optional(adapter, "max_train_instances"))
    statistics = _statistics(entries, file, source, warnings)
    status = _status(entries, count(optional(adapter, "max_eval_instances")), source, warnings)
    language_model = optional(adapter, "method") == "language_modeling"
    for name, value in statistics.items():
        if name == "num_instances" or (not language_model and name in LIKELIHOOD):
            continue
        yield Score(
            model=model,
            also=(run, source),
            benchmark=text(benchmark) or run,
            metric=name,
            registered=name.partition("@")[0],
            value=value,
            written="" if math.isnan(value) else str(value),
            n_examples=count(statistics.get("num_instances")),
            facts={"text_tokens": number(statistics.get("num_prompt_tokens"))},
            status=status,
            source=f"helm: {source}",
            place=source,
            n_shot=int(shots) if shots is not None and 0 <= shots < 1e6 and shots == int(shots) else None,
        )


def _entries(file: Path) -> list[dict[str, Any]]:
    entries = read_json(file)
    refuse_other(file, "helm", of_json(entries))
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{file} is not a list of statistics.", code="not_this_format")
    return entries


def _statistics(
    entries: list[dict[str, Any]], file: Path, source: str, warnings: list[Note]
) -> dict[str, float]:
    """Name -> mean of the statistics without perturbation, of the test split (else of the valid one)."""
    splits: dict[str, dict[str, float]] = {}
    others = 0
    for entry in entries:
        name, split = text(optional(entry, "name", "name")), text(optional(entry, "name", "split"))
        mean = as_score(entry.get("mean"))
        if (
            optional(entry, "name", "perturbation") is not None
            or optional(entry, "name", "sub_split") is not None
        ):
            others += 1
        elif name and split:
            known = splits.setdefault(split, {}).setdefault(name, mean)
            if known != mean and not (math.isnan(known) and math.isnan(mean)):
                raise InputError(
                    f"{file} has two values of {name} on the split {split}: {known:g} and {mean:g}.",
                    code="conflicting_scores",
                )
    if others:
        warnings.append(
            ("perturbed_left_out", f"{source}: {others} statistics are of perturbed or partial splits.")
        )
    if "test" not in splits and "valid" not in splits:
        raise InputError(f"{file} holds neither a test nor a valid split.", code="not_this_format")
    if "test" not in splits:
        warnings.append(("valid_split", f"{source} has no test split; the valid split was taken."))
    return splits.get("test") or splits["valid"]


def _status(entries: list[dict[str, Any]], limit: int | None, source: str, warnings: list[Note]) -> str:
    """`max_eval_instances` counts the examples of all splits together; a run that reached it may have been cut."""
    examined = sum(
        number(entry.get("mean")) or 0
        for entry in entries
        if optional(entry, "name", "name") == "num_instances"
        and optional(entry, "name", "perturbation") is None
    )
    if limit is None or examined < limit:
        return OK
    if limit < LIMIT:
        return PARTIAL
    warnings.append(
        ("capped_run", f"{source} stopped at {limit} examples, HELM's own limit unless told otherwise.")
    )
    return OK
