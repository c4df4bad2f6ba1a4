"""The metric registry: what a score's number means, by tool, task and metric (data/metrics.yaml, or the user's).

    metrics:
      lmms_eval:
        - {task: gqa, metric: exact_match, unit: fraction, maximum: 1, aggregate: proportion}

task, metric   names or patterns (* ? [abc]); the first entry that matches counts, the user's before the bundled
unit           fraction, percent, points, CIDEr, nats, ...: for people
maximum        the best possible value of a score; error = 1 - value / maximum
direction      score (the default), or loss: error = value
chance         what guessing gives, on the metric's own scale
aggregate      proportion (share of examples that are right), mean (of scores per example), or other (sums, F1, CIDEr)
stderr         false where the tool reports the standard error on another scale than the value
n_examples     the size of a fixed test set, believed only if the value is a whole number of examples
family         the task family
ignore         true for what is no score
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from scalelaw.errors import InputError, Note, unknown
from scalelaw.files.paths import bundled
from scalelaw.files.safe_load import read_yaml
from scalelaw.importers._duplicates import these
from scalelaw.importers._files import count, number
from scalelaw.plugins import names

AGGREGATES = ("proportion", "mean", "other")
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Metric:
    """What one metric of one task means; see the module's docstring for each field."""

    task: str
    metric: str
    unit: str = ""
    maximum: float | None = None
    direction: str = "score"
    chance: float | None = None
    aggregate: str = "other"
    stderr: bool = True
    n_examples: int | None = None
    family: str | None = None
    ignore: bool = False

    def error(self, value: float) -> float:
        """The error that a value stands for. Raises InputError for a value that its unit rules out."""
        if self.maximum is None:
            if value < 0:
                raise InputError(f"a loss of {value:g} is negative", code="score_out_of_range")
            return value
        if not -TOLERANCE <= value / self.maximum <= 1 + TOLERANCE:
            raise InputError(f"{value:g} is not between 0 and {self.maximum:g}", code="score_out_of_range")
        return min(max((self.maximum - value) / self.maximum, 0.0), 1.0)

    @property
    def chance_error(self) -> float | None:
        """The error of guessing, or None where it is not known."""
        return None if self.chance is None else self.error(self.chance)


def metric(entry: Any, **known: Any) -> Metric:
    """A registry entry, checked. `known` gives what the entry need not repeat (task, metric).

    Raises InputError for an unknown key, a score without a maximum, an impossible number.
    """
    if not isinstance(entry, Mapping):
        raise InputError(
            f"A metric must be a mapping like {{maximum: 100}}, not {entry!r}.", code="bad_metric"
        )
    merged = {**known, **{str(key): value for key, value in entry.items()}}
    for key in merged:
        if key not in (keys := [f.name for f in fields(Metric)]):
            raise unknown("key of a metric", key, keys)
    label = f"{merged.get('task', '*')}/{merged.get('metric', '?')}"
    if merged.get("ignore") is True:
        return Metric(str(merged.get("task", "*")), str(merged.get("metric", "*")), ignore=True)
    loss = merged.get("direction", "score") == "loss"
    if merged.get("direction", "score") not in ("score", "loss"):
        raise unknown("direction", str(merged["direction"]), ("score", "loss"))
    if merged.get("aggregate", "other") not in AGGREGATES:
        raise unknown("aggregate", str(merged["aggregate"]), AGGREGATES)
    maximum = None if loss else number(merged.get("maximum"))
    if not loss and (maximum is None or maximum <= 0):
        raise InputError(f"The score {label} needs a positive maximum.", code="bad_metric")
    return Metric(
        task=str(merged.get("task", "*")),
        metric=str(merged.get("metric", "*")),
        unit=str(merged.get("unit", "")),
        maximum=maximum,
        direction="loss" if loss else "score",
        chance=number(merged.get("chance")),
        aggregate=str(merged.get("aggregate", "other")),
        stderr=merged.get("stderr") is not False,
        n_examples=count(merged.get("n_examples")),
        family=None if merged.get("family") is None else str(merged["family"]),
    )


@cache
def _bundled() -> dict[str, tuple[Metric, ...]]:
    content = read_yaml(bundled("metrics.yaml"))
    return {tool: tuple(metric(entry) for entry in entries) for tool, entries in content.items()}


class Metrics:
    """The registry of one tool, the user's entries first; remembers what was looked up in vain."""

    def __init__(self, tool: str, section: Any) -> None:
        if not isinstance(section, Mapping | None):
            raise InputError("'metrics' must map a tool's name to a list of metrics.", code="bad_yaml")
        for name in section or {}:
            if name not in (known := {tool, *names("importers")}):
                raise InputError(
                    f"'metrics' maps the name of a tool to a list of metrics, and '{str(name)[:60]}' is not a tool.",
                    code="unknown_tool",
                    hint=f"Write `metrics: {{{tool}: [{{task: TASK, metric: METRIC, maximum: 100}}]}}`; the tools are "
                    f"{', '.join(sorted(known))}.",
                )
        merged = (section or {}).get(tool) or []
        if not isinstance(merged, list):
            raise InputError(f"'metrics: {tool}:' must be a list of metrics.", code="bad_yaml")
        self.tool = tool
        self.own = tuple(metric(entry) for entry in merged)
        self.entries = (*self.own, *_bundled().get(tool, ()))
        self.used: set[int] = set()
        self.missing: dict[tuple[str, str], float] = {}

    def find(self, task: str, name: str) -> Metric | None:
        """The first entry that matches, or None."""
        for entry in self.entries:
            if fnmatchcase(task, entry.task) and fnmatchcase(name, entry.metric):
                self.used.add(id(entry))
                return entry
        return None

    def report(self, warnings: list[Note]) -> None:
        """Add the user's entries that matched no score to `warnings`."""
        unused = [f"{entry.task}/{entry.metric}" for entry in self.own if id(entry) not in self.used]
        if unused:
            warnings.append(
                ("unused_patterns", f"No score matches {these(unused)} of 'metrics: {self.tool}:'.")
            )

    def get(self, task: str, name: str, value: float) -> Metric | None:
        """As `find`, and remembers a miss for `check`."""
        known = self.find(task, name)
        if known is None:
            self.missing.setdefault((task, name), value)
        return known

    def check(self) -> None:
        """Raises InputError, with the lines to add, if a metric was asked for that the registry does not hold."""
        if not self.missing:
            return
        lines = "\n".join(
            f'      - {{task: "{task}", metric: "{name}", maximum: ..., direction: score}}  # {value:g} in the file'
            for (task, name), value in self.missing.items()
        )
        labels = [f"{task}/{name}" for task, name in self.missing]
        raise InputError(
            f"The unit of {', '.join(labels[:5])}{' ...' if len(labels) > 5 else ''} is not known, and is not guessed.",
            code="unknown_metric",
            hint=f"Add to the file given with --models (or `ignore: true` for no score):\n"
            f"  metrics:\n    {self.tool}:\n{lines}",
        )
