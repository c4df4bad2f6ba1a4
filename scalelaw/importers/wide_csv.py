"""A wide csv: one row a model, one column a benchmark; a mapping says which column is what, and each score's unit.

Options (by --models FILE.yaml), besides those of `scalelaw.importers._tabular.Mapped`:
    scores      {column: maximum}, or {column: {maximum, direction, aggregate, chance, n_examples, family,
                benchmark, metric, se: column of the standard error}}; an empty cell makes no row
    models      {name pattern: facts} for what the csv does not say
    leave_out   [{where: {column: value or values}, because: ...}]
    average     {benchmark: NAME, over: [benchmarks], task_family: ...}: adds the mean of value/maximum
    decimal     "." or ",": what the commas in numbers are (see `_tabular.read_sheet`)
    citation    written to the column `source`
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError, Note, unknown
from scalelaw.importers._files import is_no_score, number
from scalelaw.importers._layout import of_header, refuse_other
from scalelaw.importers._metrics import Metric
from scalelaw.importers._scores import Imported, Score, assemble
from scalelaw.importers._selection import averages, kept, left_out_by
from scalelaw.importers._tabular import OPTIONS as OPTIONS
from scalelaw.importers._tabular import (
    Mapped,
    Record,
    means_of,
    not_a_number,
    read_sheet,
    score_of,
    score_specs,
    strings,
)

_COUNT = re.compile(
    r"(^|[^a-z])(n|tokens?|params?|parameters?|sizes?|frames?|images?|pixels?|resolution|layers?|flops|latency|"
    r"seconds|ms|steps?|epochs?|seeds?|samples|questions|year|id|index|row)($|[^a-z])",
    re.I,
)
"""Names of columns of numbers that are no scores."""


def read(path: str | Path, options: Mapping[str, Any]) -> Imported:
    """Rows of the csv at `path`. Raises InputError for a column that is not there or a score without a unit."""
    records = read_sheet(path, options.get("decimal"))
    if not {"status", "benchmark"} & set(strings(options, "columns")):
        refuse_other(path, "wide_csv", of_header(records[0], Path(path)))
    return rows_of("wide_csv", records, options, Path(path).name)


def rows_of(tool: str, records: list[Record], options: Mapping[str, Any], origin: str) -> Imported:
    """Rows of lines that are read already (see `wandb_export`)."""
    header = list(dict.fromkeys(column for record in records for column in record))
    specs = score_specs(options)
    for name in strings(options, "scale"):
        if name in (*specs, "value"):
            raise InputError(
                f"'{name}' has no scale: a score is read in the unit of its maximum.",
                code="bad_value",
                hint="State the maximum that goes with the numbers in the csv: --score GQA=1 for fractions.",
            )
    mapped = Mapped.of(options, header, origin)
    if not specs:
        numbers = [
            c for c in header if c not in mapped.columns.values() and any(number(r.get(c)) for r in records)
        ]
        likely = {c: most for c in numbers if (most := _likely_maximum([r.get(c) for r in records], c))}
        lines = "\n".join(f'  "{c}": {likely.get(c, 100)}' for c in [*(likely or numbers)][:40])
        raise InputError(
            "Which columns are scores, and what is the best possible value of each, is not stated.",
            code="no_scores",
            hint=f"Add to the file given with --models what holds of these:\nscores:\n{lines}",
        )
    for column in (*specs, *(str(spec["se"]) for spec in specs.values() if "se" in spec)):
        if column not in header:
            raise unknown("column", column, header)
    if tool == "wide_csv" and "benchmark" in mapped.columns:
        raise InputError(
            "In a wide csv each column of scores is a benchmark, and a column names the benchmark too.",
            code="other_format",
            hint="With one row a score: scalelaw import long_csv ...",
        )
    means = {
        str(s.get("benchmark", c)): means_of(s, str(s.get("benchmark", c)), "score") for c, s in specs.items()
    }
    warnings: list[Note] = []
    values = {column for name, column in mapped.columns.items() if name == "value"} - set(specs)
    used = {*specs, *(str(spec["se"]) for spec in specs.values() if "se" in spec), *left_out_by(options)}
    mapped.report_unused([c for c in header if c not in values], used, origin, warnings)
    scores = [
        _score(mapped.score(record, at), record, column, spec, means, at)
        for at, record in kept(records, options, warnings)
        for column, spec in specs.items()
    ]
    scores += averages(scores, means, options, mapped.citation, warnings)
    return assemble(tool, scores, options, warnings=warnings, files=[origin], every_line_counts=True)


def _likely_maximum(cells: Iterable[Any], column: str) -> int:
    """The maximum that a column of scores likely has: 1 or 100; 0 for a count, a size or larger values."""
    values = [abs(value) for cell in cells if (value := number(str(cell or "").rstrip(" %"))) is not None]
    if not values or max(values) > 100 or _COUNT.search(column):
        return 0
    return 1 if max(values) <= 1 and not any("%" in str(cell) for cell in cells) else 100


def _score(
    line: Score, record: Record, column: str, spec: Mapping[str, Any], means: Mapping[str, Metric], at: int
) -> Score:
    written = str(record.get(column, ""))
    benchmark = str(spec.get("benchmark", column))
    if (value := score_of(written, means[benchmark].maximum)) is None:
        raise not_a_number(written, at, column)
    text_ = str(record.get(str(spec["se"]), "")) if "se" in spec else ""
    se = line.se if is_no_score(text_) else score_of(text_, means[benchmark].maximum)
    if se is None and not is_no_score(text_):
        raise not_a_number(text_, at, str(spec["se"]))
    return replace(
        line, benchmark=benchmark, metric=str(spec.get("metric", line.metric)), value=value, written=written, se=se,
        n_examples=line.n_examples or means[benchmark].n_examples, means=means[benchmark],
    )  # fmt: skip
