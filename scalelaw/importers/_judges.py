"""Which part of a VLMEvalKit file name is the benchmark and which the judge, by evidence rather than by a list.

`<model>_<benchmark>[_<judge>]_score.csv`: both parts may hold underscores and dashes, and any model can be a judge. In
this order:

1. a name that is known whole is a benchmark: from status.json, the registry, models.yaml, or the file of predictions
   `<model>_<benchmark>.xlsx` beside it;
2. a known benchmark followed by a judge's name (that of status.json, one under `judges` in models.yaml, or a name
   written as models' are: letters with digits or dashes, which is no split, frame rate or version);
3. the name of a widely used judge (GPT, Claude, Gemini, ...) at the end; what stands before it is a known benchmark;
4. otherwise the whole is taken as the benchmark, with a warning where its end may be a judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError

USUAL = re.compile(r"_((?:gpt|chatgpt|openai|claude|gemini|qwen|deepseek|exact_matching)[\w.\-]*)$", re.I)
"""Ends that are judges whatever stands before them."""
NO_JUDGE = re.compile(
    r"[A-Z0-9.]+|\d+[a-z]{0,3}|v\d[\w.]*|\d+(\.\d+)?(frames?|fps|px|k)\w*|(rot|mp|p|part|split|level|stage)\d+|[a-z]{1,3}"
)
"""Ends that belong to a benchmark: splits and languages (VAL, EN), versions (v2), frames (64frame), sizes."""
LIKE_A_MODEL = re.compile(r"(?=.*[a-z])(?=.*[\d\-])[\w.\-]+", re.I)


@dataclass
class Names:
    """What is known of the names in an output folder.

    benchmarks: known in every folder; judges: named by the user. families: beginnings that the registry has with a
    `*`. beside: folder -> names with predictions or a status there. judge: (folder, benchmark) -> the judge that
    status.json states; done: those whose scores it holds. ambiguous: file -> the end that may be a judge;
    certain: what stands before each of them is a known benchmark.
    """

    benchmarks: set[str]
    judges: set[str]
    families: set[str] = field(default_factory=set)
    beside: dict[Path, set[str]] = field(default_factory=dict)
    judge: dict[tuple[Path, str], str | None] = field(default_factory=dict)
    done: set[tuple[Path, str]] = field(default_factory=set)
    ambiguous: dict[str, str] = field(default_factory=dict)
    certain: bool = True

    def learn(self, rests: Iterable[str]) -> None:
        """Note the benchmarks that a usual judge's name, or one of the user's, reveals."""
        for rest in rests:
            if rest not in self.benchmarks and (judge := self._certain(rest)):
                self.benchmarks.add(rest.removesuffix(f"_{judge}"))

    def split(self, rest: str, folder: Path, source: str) -> tuple[str, str | None]:
        """(benchmark, judge) of what stands between the model and the suffix; a ambiguous one is noted."""
        here = self.beside.get(folder, set())
        if rest in self.benchmarks or (folder, rest) in self.judge:
            return rest, None
        heads = {head for head in self.benchmarks | here | self.families if rest.startswith(f"{head}_")}
        for head in sorted(heads, key=len, reverse=True):
            tail = rest.removeprefix(f"{head}_")
            if tail == self.judge.get((folder, head)) or tail in self.judges or self._looks(tail):
                return head, tail
        if judge := self._certain(rest):
            return rest.removesuffix(f"_{judge}"), judge
        tail = rest.rpartition("_")[2]
        if rest not in here and tail != rest and not NO_JUDGE.fullmatch(tail):
            self.ambiguous[source] = tail
            self.certain &= rest.removesuffix(f"_{tail}") in self.benchmarks | here
        return rest, None

    def _certain(self, rest: str) -> str | None:
        own = [judge for judge in self.judges if rest.endswith(f"_{judge}") and rest != f"_{judge}"]
        usual = USUAL.search(rest)
        return max(own, key=len) if own else usual[1] if usual and usual.start() else None

    @staticmethod
    def _looks(tail: str) -> bool:
        if USUAL.fullmatch(f"_{tail}"):
            return True
        return "_" not in tail and not NO_JUDGE.fullmatch(tail) and bool(LIKE_A_MODEL.fullmatch(tail))

    def hint(self, otherwise: str) -> str:
        """What to add where the name of a benchmark may end in a judge, and `otherwise` where it may not."""
        judges = sorted(set(self.ambiguous.values()))
        text = (
            f"If {', '.join(judges)} {'names a judge' if len(judges) == 1 else 'name judges'}, add to the file given "
            f"with --models:\n  judges: [{', '.join(judges)}]"
        )
        return text if self.certain else f"{text}\nOtherwise: {otherwise}"

    def report(self, warnings: list[tuple[str, str]]) -> None:
        """Add the files in whose names a judge may stand unseen to `warnings`."""
        if self.ambiguous:
            files = [f"{source} ('{tail}')" for source, tail in sorted(self.ambiguous.items())]
            judge = next(iter(self.ambiguous.values()))
            warnings.append(
                (
                    "judge_not_known",
                    f"Whether the end of the name is a judge or part of the benchmark is not known for "
                    f"{', '.join(files[:6])}{f' and {len(files) - 6} more' if len(files) > 6 else ''}; the whole was "
                    f"taken as the benchmark. Add to the file given with --models: judges: [{judge}], or "
                    "benchmarks: [NAME].",
                )
            )


def listed(options: Any, key: str) -> set[str]:
    """A list of names among the options. Raises InputError for anything else."""
    names = options.get(key) or []
    if (
        not isinstance(names, Sequence)
        or isinstance(names, str)
        or not all(isinstance(n, str) for n in names)
    ):
        raise InputError(f"'{key}' must be a list of names.", code="bad_yaml")
    return {name for name in names if name}
