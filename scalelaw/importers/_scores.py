"""From what a tool wrote to rows of the table: one rule each for models, units, standard errors and duplicates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from scalelaw.errors import InputError, Note
from scalelaw.importers._duplicates import Entry, flag, newest, repeats, these
from scalelaw.importers._files import text
from scalelaw.importers._metrics import Metric, Metrics
from scalelaw.importers._models import FACTS, Models
from scalelaw.importers._standard_errors import NOTES, standard_error
from scalelaw.table.schema import OK

OPTIONS = ("models", "metrics", "task_families", "experiment")
"""What every importer of scores takes."""
SIZES = ("n_params", "n_params_total", "n_params_vision", "visual_tokens", "train_tokens", "train_samples")
"""A score that comes with one of these has a place in a law; without any, models.yaml must name its model."""


@dataclass(frozen=True)
class Imported:
    """What an importer made: rows of the table, and what it did on the way as (code, message) pairs.

    files: the files read, as the rows' `source` names them. An Imported iterates over its rows.
    """

    rows: list[dict[str, Any]]
    warnings: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """What `scalelaw import --json` says: how many rows, of which status, from which files."""
        status = Counter(str(row.get("status")) for row in self.rows)
        return {"rows": len(self.rows), "status": dict(sorted(status.items())), "files": list(self.files)}


@dataclass(frozen=True)
class Score:
    """One number as a tool reports it.

    model: the name found; also: other texts that a pattern of models.yaml may match (arguments, path).
    facts: columns that the tool itself knows; what models.yaml says goes before.
    value: NaN or infinite where the run gave none; written: what stood there. place: where it stands in a file.
    se: the tool's standard error, on the value's own scale; se_of_examples: that of the mean score of an example.
    n_shot: examples in the prompt; part_of: the benchmark whose mean this one enters; version: of the task;
    arguments: the model's, as written; lower_is_better: as the tool has it.
    """

    model: str
    benchmark: str
    metric: str
    value: float
    source: str
    also: tuple[str, ...] = ()
    registered: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    se: float | None = None
    se_of_examples: float | None = None
    n_examples: int | None = None
    judge: str | None = None
    family: str | None = None
    status: str = OK
    started_at: str | None = None
    seconds: float | None = None
    means: Metric | None = None
    written: str = ""
    place: str = ""
    n_shot: int | None = None
    part_of: str | None = None
    version: str | None = None
    arguments: str = ""
    lower_is_better: bool | None = None
    unnamed: bool = False


def assemble(
    tool: str,
    scores: Iterable[Score],
    options: Mapping[str, Any],
    *,
    warnings: list[Note],
    files: Sequence[str] = (),
    every_line_counts: bool = False,
) -> Imported:
    """Scores as rows: facts from models.yaml, errors by the registry, the newest of duplicates, in a fixed order.

    every_line_counts: rows of the same key are repeats and all kept (a csv), not duplicates (a folder of runs).
    Raises InputError for models and metrics that nothing is known of (with the lines to add), for a value that
    its unit rules out, and where there is no score at all.
    """
    models = Models(options.get("models"))
    metrics = Metrics(tool, options.get("metrics"))
    rows: list[Entry] = []
    notes: dict[str, list[str]] = {}
    seen = _Seen()
    for score in scores:
        means = score.means or metrics.find(score.benchmark, score.registered or score.metric)
        if means is not None and means.ignore:
            seen.ignored[score.metric] += 1
            continue
        if not math.isfinite(score.value):
            models.facts(score.model, score.also, required=False)
            seen.empty.append(score)
            continue
        means = means or metrics.get(score.benchmark, score.registered or score.metric, score.value)
        needed = not any(score.facts.get(column) for column in SIZES)
        facts = {**score.facts, **models.facts(score.model, score.also, required=needed)}
        if means is not None:
            seen.note(score, means)
            rows.append(_entry(score, _row(tool, score, means, facts, options, notes), facts))
    models.check()
    metrics.check()
    seen.report(warnings)
    if not rows:
        raise InputError(
            "There is no score to import.",
            code="no_scores",
            hint="; ".join(message for _, message in warnings[:5])
            or "Is this the folder that the tool wrote?",
        )
    models.report(warnings)
    metrics.report(warnings)
    _report_families(options.get("task_families"), rows, warnings)
    warnings.extend((code, f"{these(of)}: {NOTES[code]}") for code, of in sorted(notes.items()))
    kept = repeats(rows, warnings) if every_line_counts else newest(rows, warnings)
    flag(kept, warnings)
    return Imported(kept, tuple(_gathered(warnings)), tuple(files))


def _entry(score: Score, row: dict[str, Any], facts: Mapping[str, Any]) -> Entry:
    key = (
        None if score.unnamed else score.model, *(facts.get(c) for c in FACTS),
        score.benchmark, score.metric, score.judge,
        *([f"{score.n_shot}-shot"] if score.n_shot is not None else []),
    )  # fmt: skip
    return Entry(key, row, score.place or score.source, score.arguments)


@dataclass
class _Seen:
    """What `assemble` met on the way and reports once, for all scores together."""

    ignored: Counter[str] = field(default_factory=Counter)
    empty: list[Score] = field(default_factory=list)
    small: list[str] = field(default_factory=list)
    reversed: list[str] = field(default_factory=list)
    versions: dict[str, set[str]] = field(default_factory=dict)

    def note(self, score: Score, means: Metric) -> None:
        label = f"{score.benchmark}/{score.metric}"
        if (means.maximum or 0) >= 10 and 0 < score.value <= 1:
            self.small.append(f"{label} of {score.model} ({score.value:g} of {means.maximum:g})")
        if score.lower_is_better is not None and score.lower_is_better != (means.direction == "loss"):
            self.reversed.append(label)
        if score.version is not None:
            self.versions.setdefault(score.benchmark, set()).add(score.version)

    def report(self, warnings: list[Note]) -> None:
        if self.empty:
            warnings.append(("no_score", _without_score(self.empty)))
        if self.ignored:
            names = [f"{name} (x{n})" for name, n in self.ignored.items()]
            warnings.append(("not_used", f"Metrics that the registry has as no score: {these(names)}."))
        if self.small:
            warnings.append(
                (
                    "looks_like_fraction",
                    f"{these(self.small)}: at most 1 of a much larger maximum. Is it a fraction? "
                    "Nothing was converted.",
                )
            )
        if self.reversed:
            warnings.append(
                (
                    "direction_differs",
                    f"{these(self.reversed)}: the tool and the metric registry disagree on whether lower is better. "
                    "State `direction` under `metrics` in the file given with --models.",
                )
            )
        for benchmark, versions in sorted(self.versions.items()):
            if len(versions) > 1:
                warnings.append(
                    (
                        "mixed_task_versions",
                        f"{benchmark} was scored by versions {', '.join(sorted(versions))} of the task: such scores "
                        "may not compare.",
                    )
                )


def _without_score(scores: Sequence[Score]) -> str:
    """The one sentence on scores that are empty, NaN or infinite: no row of the table, and whose they are."""
    labels: dict[str, list[str]] = {}
    for score in sorted(
        scores, key=lambda s: (math.isnan(s.value) and s.written.strip().lower() != "nan", s.model)
    ):
        written = f" = {score.written[:40]}" if score.written else ""
        row = f" in {score.place}" if score.place.startswith("data row") else ""
        labels.setdefault(score.model, []).append(f"{score.benchmark}/{score.metric}{written}{row}")
    runs = [f"{model} ({these(names, 4)})" for model, names in list(labels.items())[:20]]
    more = f" and {len(labels) - 20} more" if len(labels) > 20 else ""
    return f"{len(scores)} score(s) are empty or not finite and give no row: {', '.join(runs)}{more}."


def _report_families(families: Any, rows: Sequence[Entry], warnings: list[Note]) -> None:
    benchmarks = {str(entry.row["benchmark"]) for entry in rows}
    unused = [
        str(pattern)
        for pattern in families or ()
        if not any(fnmatchcase(b, str(pattern)) for b in benchmarks)
    ]
    if unused:
        warnings.append(("unused_patterns", f"No benchmark matches {these(unused)} of 'task_families'."))


def _gathered(warnings: list[Note], most: int = 5) -> Iterator[tuple[str, str]]:
    """The warnings, each once, and of a code that comes often the first few and how many more there are."""
    codes = Counter(code for code, _ in dict.fromkeys(warnings))
    notes: Counter[str] = Counter()
    for code, message in dict.fromkeys(warnings):
        notes[code] += 1
        if notes[code] <= most:
            yield code, message
        elif notes[code] == most + 1:
            yield code, f"... and {codes[code] - most} more of the kind '{code}'."


def _row(
    tool: str,
    score: Score,
    means: Metric,
    facts: Mapping[str, Any],
    options: Mapping[str, Any],
    notes: dict[str, list[str]],
) -> dict[str, Any]:
    label = f"{score.benchmark}/{score.metric}"
    try:
        error, chance_error = means.error(score.value), means.chance_error
    except InputError as wrong:
        raise InputError(
            f"{label} of {score.model} in {score.source}: {wrong.message}.",
            code=wrong.code,
            hint=f"Its stated maximum is {means.maximum:g}: is it another, or `loss`?"
            if score.means and means.maximum
            else f"The registry has it as {means.direction} in {means.unit or 'unknown units'}; state another "
            f"under `metrics: {tool}:` in the file given with --models.",
        ) from wrong
    n_examples = score.n_examples or _whole(means, 1 - error)
    se, kind = standard_error(
        means, 1 - error, n_examples, score.se, score.se_of_examples,
        lambda code: notes.setdefault(code, []).append(label),
    )  # fmt: skip
    experiment = text(str(options["experiment"])) if options.get("experiment") else tool
    return {
        "experiment": experiment,
        "model": score.model,
        **{column: value for column, value in facts.items() if value is not None},
        "benchmark": score.benchmark,
        "task_family": _family(score, means, options),
        "metric": score.metric,
        "direction": means.direction,
        "n_shot": score.n_shot,
        "part_of": score.part_of,
        "value": score.value,
        "error": error,
        "error_se": se,
        "error_se_kind": kind,
        "chance_error": chance_error,
        "n_examples": n_examples,
        "judge": score.judge,
        "status": score.status,
        "started_at": score.started_at,
        "seconds": score.seconds,
        "source": score.source,
    }


def _family(score: Score, means: Metric, options: Mapping[str, Any]) -> str | None:
    families = options.get("task_families") or {}
    if not isinstance(families, Mapping):
        raise InputError("'task_families' must map benchmarks to families.", code="bad_yaml")
    for pattern, family in families.items():
        if fnmatchcase(score.benchmark, str(pattern)):
            return text(str(family))
    return score.family or means.family


def _whole(means: Metric, share: float) -> int | None:
    """The registered size of the test set, if the score is a whole number of its examples."""
    n = means.n_examples
    return n if n is not None and abs(share * n - round(share * n)) < 1e-6 * n else None
