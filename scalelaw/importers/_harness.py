"""What lmms-eval and lm-evaluation-harness share: a JSON with `results.<task>["<metric>,<filter>"]`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

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
    section,
    text,
)
from scalelaw.importers._layout import layout_of, nothing_found, of_json, refuse_other
from scalelaw.importers._scores import Imported, Score, assemble
from scalelaw.table.schema import OK

BOOKKEEPING = {"alias", "name", "samples", "sample_len", "sample_count"}
STDERR = re.compile(r"_stderr(_clt|_clustered)?$")
STABILITY = re.compile(
    r"^paired_|_(expected_accuracy|consensus_accuracy|internal_variance|consistency_rate)$"
)
RESPELLED = {"mme_percetion_score": "mme_perception_score"}
"""Metrics that a later version of the tool spells otherwise."""
SNAPSHOT = re.compile(r"(?:^|/)models--([^/]+)/snapshots/[0-9a-f]+/?$")


def read_runs(
    tool: str,
    path: str | Path,
    options: Mapping[str, Any],
    wanted: Callable[[Path], bool],
    started_at: Callable[[dict[str, Any], Path, list[Note]], str | None],
) -> Imported:
    """Every wanted file under `path` as rows; a file that cannot be read is left out and reported.

    Raises InputError where `path` is one file that cannot be read, and as `assemble` does.
    """
    if os.path.isfile(path):
        refuse_other(path, tool, layout_of(path, tool))
    result = find(path, wanted)
    if not result.files:
        raise nothing_found(
            path, tool, "results",
            "Files are looked for under the tool's own names; one of another name can be given itself.",
        )  # fmt: skip
    warnings: list[Note] = []
    result.report(path, warnings)
    scores: list[Score] = []
    read: list[str] = []
    refused: InputError | None = None
    for file in result.files:
        try:
            content = read_json(file)
            refuse_other(file, tool, of_json(content, tool))
            run = section({"": content}, "", file)
            when = started_at(run, file, warnings)
            scores.extend(_scores(tool, run, file, named(file, path), when, warnings))
            read.append(named(file, path))
        except InputError as error:
            if file == Path(path):
                raise
            warnings.append((error.code, f"Left out: {error.message}"))
            refused = error
    if refused is not None and not read and refused.code == "other_format":
        raise refused
    return assemble(tool, scores, options, warnings=warnings, files=read)


def model_name(run: Mapping[str, Any]) -> str | None:
    """The model's name: what stands in a cache path `models--owner--name/snapshots/<sha>` comes out as owner/name."""
    arguments = optional(run, "config", "model_args")
    if isinstance(arguments, Mapping):
        arguments = ",".join(f"{k}={v}" for k, v in arguments.items())
    result = text(run.get("model_name"))
    for prefix in ("pretrained=", "model=", "model_version=", "path="):
        if result is None and isinstance(arguments, str):
            result = next(
                (text(a[len(prefix) :]) for a in arguments.split(",") if a.startswith(prefix)), None
            )
    result = result or text(optional(run, "config", "model"))
    if result and (cached := SNAPSHOT.search(result)):
        return cached[1].replace("--", "/")
    return result


def _scores(
    tool: str, run: dict[str, Any], file: Path, source: str, when: str | None, warnings: list[Note]
) -> Iterator[Score]:
    results = section(run, "results", file)
    model = model_name(run) or text(file.parent.name) or "unnamed"
    arguments = text(str(optional(run, "config", "model_args") or "")) or ""
    facts: dict[str, Any] = {"device": _device(run)}
    if (total := count(optional(run, "config", "model_num_parameters"))) is not None:
        facts |= {"n_params": total, "n_params_total": total}
        warnings.append(
            (
                "n_params_is_total",
                f"n_params of {model} is the tool's count of all parameters, embeddings included.",
            )
        )
    groups = _groups(run)
    for task, values in _tasks(results, run, file):
        n, status = _examples(run, task)
        for key, value in values.items():
            name, _, filtered = key.partition(",")
            if name.strip() in BOOKKEEPING or STDERR.search(name) or not name.strip():
                continue
            if STABILITY.search(name):
                warnings.append(
                    ("stability_left_out", f"{task}/{name} in {source} describes repeats, it is no score.")
                )
                continue
            spelled = RESPELLED.get(name, name)
            metric = spelled if filtered in ("", "none") else f"{spelled},{filtered}"
            end = f",{filtered}" if filtered else ""
            clustered, clt = (
                number(values.get(f"{name}_stderr_{kind}{end}")) for kind in ("clustered", "clt")
            )
            higher = optional(run, "higher_is_better", task, name)
            yield Score(
                model=model,
                also=(arguments, source),
                benchmark=text(task) or "unnamed",
                metric=text(metric) or "unnamed",
                registered=text(spelled),
                value=as_score(value),
                written=str(value)[:40],
                se=number(values.get(f"{name}_stderr{end}")),
                se_of_examples=clustered if clustered is not None else clt,
                n_examples=n or count(values.get("sample_len")),
                judge=_judge(run, task),
                facts=facts,
                status=status,
                started_at=when,
                seconds=number(run.get("total_evaluation_time_seconds")),
                source=f"{tool}: {source}",
                place=source,
                n_shot=_n_shot(run, task),
                part_of=groups.get(task),
                version=_version(run, task),
                arguments=arguments,
                lower_is_better=None if not isinstance(higher, bool) else not higher,
            )


def _tasks(
    results: Mapping[str, Any], run: Mapping[str, Any], file: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tasks of a run and, of versions that keep them apart, its groups."""
    for task in results:
        yield task, section(dict(results), task, file)
    groups = run.get("groups")
    for group, values in groups.items() if isinstance(groups, Mapping) else ():
        if group not in results and isinstance(values, dict):
            yield str(group), values


def _groups(run: Mapping[str, Any]) -> dict[str, str]:
    """Task -> the group whose mean it enters."""
    groups = run.get("group_subtasks")
    result: dict[str, str] = {}
    for group, tasks in groups.items() if isinstance(groups, Mapping) else ():
        for task in tasks if isinstance(tasks, list) else ():
            if isinstance(task, str) and task != group and (name := text(str(group))):
                result.setdefault(task, name)
    return result


def _n_shot(run: Mapping[str, Any], task: str) -> int | None:
    value = number(optional(run, "n-shot", task))
    return int(value) if value is not None and 0 <= value < 1e6 and value == int(value) else None


def _version(run: Mapping[str, Any], task: str) -> str | None:
    """The task's version; `Yaml` is what a task without one has."""
    version = optional(run, "versions", task)
    return str(version) if isinstance(version, int | float | str) and version not in ("Yaml", "N/A") else None


def _examples(run: dict[str, Any], task: str) -> tuple[int | None, str]:
    """Examples scored, and whether that is all: a `limit`, an `offset` or fewer examples than there are is not."""
    samples = optional(run, "n-samples", task)
    scored, there = count(optional(samples, "effective")), count(optional(samples, "original"))
    limit, offset = optional(run, "config", "limit"), number(optional(run, "config", "offset"))
    limited = limit not in (None, "", 0) and not (number(limit) or 0) < 0  # -1 is how some ask for all
    cut = limited or bool(offset) or (scored or 0) < (there or 0)
    return scored, PARTIAL if cut else OK


def _judge(run: dict[str, Any], task: str) -> str | None:
    metadata = optional(run, "configs", task, "metadata")
    for entry in metadata if isinstance(metadata, list) else [metadata]:
        if judge := text(optional(entry, "gpt_eval_model_name")):
            return judge
    return None


def _device(run: dict[str, Any]) -> str | None:
    """The first GPU that the environment names, else the device asked for."""
    environment = run.get("pretty_env_info")
    named_gpu = re.search(r"^GPU 0: (.+)$", environment, re.M) if isinstance(environment, str) else None
    return text(named_gpu[1]) if named_gpu else text(optional(run, "config", "device"))
