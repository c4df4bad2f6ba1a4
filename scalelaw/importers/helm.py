"""HELM: the folder of a run (run_spec.json, stats.json), or of many.

The scores of the split `test` (else `valid`, reported) without perturbations; the bookkeeping among the statistics is
left out. `count` and `stddev` in stats.json are over trials, so the number of examples comes from `num_instances`
and the standard error is binomial. A run that reached a `max_eval_instances` below HELM's own 1,000 gets the status
`partial`. Format: stanford-crfm/helm, src/helm/benchmark/metrics/statistic.py and run_spec.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scalelaw.columns import OK
from scalelaw.errors import InputError
from scalelaw.importers._duplicates import PARTIAL, Warnings
from scalelaw.importers._files import count, find, named, number, optional, read_json, read_mapping, text
from scalelaw.importers._scores import OPTIONS as OPTIONS
from scalelaw.importers._scores import Imported, Score, assemble

LIMIT = 1000
LIKELIHOOD = {"logprob", "perplexity", "bits_per_byte", "logprob_per_byte"}
"""Scores of a language_modeling run only; in the others they describe the answer's letter."""


def read(path: str | Path, options: Mapping[str, Any]) -> Imported:
    """Rows of every `stats.json` under `path` (or of the one that `path` is) and the run_spec.json beside it."""
    files, again = find(path, lambda file: file.name == "stats.json")
    if not files:
        raise InputError(f"{path} holds no stats.json of HELM.", code="no_scores")
    warnings: Warnings = []
    if again:
        warnings.append(("links_skipped", f"{len(again)} link(s) lead to files that were read already."))
    scores: list[Score] = []
    read_files: list[str] = []
    for file in files:
        try:
            scores.extend(_scores(file, named(file, path), warnings))
            read_files.append(named(file, path))
        except InputError as error:
            if len(files) == 1:
                raise
            warnings.append((error.code, f"Left out: {error.message}"))
    return assemble("helm", scores, options, warnings=warnings, files=read_files)


def _scores(file: Path, source: str, warnings: Warnings) -> Iterator[Score]:
    beside = file.with_name("run_spec.json")
    spec, entries = read_mapping(beside), _entries(file)
    adapter = spec.get("adapter_spec")
    model = text(optional(adapter, "model")) or text(optional(adapter, "model_deployment"))
    run = text(spec.get("name")) or text(file.parent.name) or "unnamed"
    if model is None:
        raise InputError(f"{beside} names no model.", code="not_this_format")
    statistics = _statistics(entries, file, source, warnings)
    status = _status(entries, count(optional(adapter, "max_eval_instances")), source, warnings)
    language_model = optional(adapter, "method") == "language_modeling"
    for name, value in statistics.items():
        if name == "num_instances" or (not language_model and name in LIKELIHOOD):
            continue
        yield Score(
            model=model,
            also=(run, source),
            benchmark=",".join(part for part in run.split(",") if not part.startswith("model=")),
            metric=name,
            registered=name.partition("@")[0],
            value=value,
            n_examples=count(statistics.get("num_instances")),
            facts={"text_tokens": statistics.get("num_prompt_tokens")},
            status=status,
            source=f"helm: {source}",
        )


def _entries(file: Path) -> list[dict[str, Any]]:
    held = read_json(file)
    if not isinstance(held, list) or not all(isinstance(entry, dict) for entry in held):
        raise InputError(f"{file} is not a list of statistics.", code="not_this_format")
    return held


def _statistics(
    entries: list[dict[str, Any]], file: Path, source: str, warnings: Warnings
) -> dict[str, float]:
    """Name -> mean of the statistics without perturbation, of the test split (else of the valid one)."""
    splits: dict[str, dict[str, float]] = {}
    others = 0
    for entry in entries:
        name, split = text(optional(entry, "name", "name")), text(optional(entry, "name", "split"))
        mean = number(entry.get("mean"))
        if (
            optional(entry, "name", "perturbation") is not None
            or optional(entry, "name", "sub_split") is not None
        ):
            others += 1
        elif name and split and mean is not None:
            splits.setdefault(split, {})[name] = mean
    if others:
        warnings.append(
            ("perturbed_left_out", f"{source}: {others} statistics are of perturbed or partial splits.")
        )
    if "test" not in splits and "valid" not in splits:
        raise InputError(f"{file} holds neither a test nor a valid split.", code="not_this_format")
    if "test" not in splits:
        warnings.append(("valid_split", f"{source} has no test split; the valid split was taken."))
    return splits.get("test") or splits["valid"]


def _status(entries: list[dict[str, Any]], limit: int | None, source: str, warnings: Warnings) -> str:
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
