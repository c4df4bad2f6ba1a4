"""A long csv: one row a score; a mapping says which column is what, and each benchmark's unit.

Options (by --models FILE.yaml), besides those of `scalelaw.importers._tabular.Mapped`, of whose columns `value` and
`benchmark` are needed:
    scores      {benchmark or pattern: maximum}, or {...: {maximum, direction, aggregate, chance, n_examples, family}}
    models      {name pattern: facts} for what the csv does not say
    scale       also of `value`, and then of `error_se` unless that has its own: the maximum is of the scaled value
    leave_out   [{where: {column: value or values}, because: ...}]
    average     {benchmark: NAME, over: [benchmarks], task_family: ...}: adds the mean of value/maximum
    decimal     "." or ",": what the commas in numbers are (see `_tabular.read_sheet`)
    citation    written to the column `source`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError, Note
from scalelaw.importers._duplicates import these
from scalelaw.importers._layout import of_header, refuse_other
from scalelaw.importers._metrics import Metric
from scalelaw.importers._scores import Imported, Score, assemble
from scalelaw.importers._selection import averages, kept, left_out_by
from scalelaw.importers._tabular import OPTIONS as OPTIONS
from scalelaw.importers._tabular import (
    Mapped,
    means_of,
    not_a_number,
    read_sheet,
    score_of,
    score_specs,
    strings,
)


def read(path: str | Path, options: Mapping[str, Any]) -> Imported:
    """Rows of the csv at `path`. Raises InputError for a column that is not there or a benchmark without a unit."""
    records, origin = read_sheet(path, options.get("decimal")), Path(path).name
    if "status" not in strings(options, "columns"):
        refuse_other(path, "long_csv", of_header(records[0], Path(path)))
    mapped, specs = Mapped.of(options, records[0], origin), score_specs(options)
    for needed in ("value", "benchmark"):
        if needed not in mapped.columns and not (needed == "benchmark" and needed in mapped.constants):
            raise InputError(
                f"Which column holds the {needed} is not stated.",
                code="missing_column",
                hint=f"Add to the file given with --models:\ncolumns: {{{needed}: ...}}  # {', '.join(records[0])}",
            )
    warnings: list[Note] = []
    scores: list[Score] = []
    means: dict[str, Metric] = {}
    unmatched = set(specs)
    mapped.report_unused(records[0], left_out_by(options), origin, warnings)
    for at, record in kept(records, options, warnings):
        line, written = mapped.score(record, at), record[mapped.columns["value"]]
        pattern = next((name for name in specs if fnmatchcase(line.benchmark, name)), None)
        if pattern is not None:
            unmatched.discard(pattern)
            means.setdefault(line.benchmark, means_of(specs[pattern], line.benchmark, line.metric))
        meant = means.get(line.benchmark)
        if (value := score_of(written, meant.maximum if meant else None)) is None:
            raise not_a_number(written, at)
        factor = mapped.scale.get("value", 1.0)
        se = line.se if line.se is None or "error_se" in mapped.scale else line.se * factor
        scores.append(replace(line, value=value * factor, written=written, se=se, means=meant))
    if unmatched:
        warnings.append(("unused_patterns", f"No benchmark matches {these(unmatched)} of 'scores'."))
    scores += averages(scores, means, options, mapped.citation, warnings)
    return assemble("long_csv", scores, options, warnings=warnings, files=[origin], every_line_counts=True)
