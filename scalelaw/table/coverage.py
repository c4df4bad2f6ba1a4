"""Coverage of a table: its grid of measurements, missing cells, warnings about the numbers, and sources."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from scalelaw.errors import InputError, Note, unknown
from scalelaw.files.paths import SweepFolder
from scalelaw.table.point_warnings import point_warnings
from scalelaw.table.points import as_read
from scalelaw.table.read import Where, bundled_tables, describe, read_table, stated_cells, terms
from scalelaw.table.schema import COLUMNS, OK

ROWS = ("n_params", "n_params_vision", "compressor", "model_family", "model")
MOST_SENTENCES = 10
"""Benchmarks named by one kind of warning."""
MOST_VALUES = 300
"""Values of an axis that the grid shows; a table of measured runs has tens."""
ALONG = ("visual_tokens", "train_samples", "train_tokens", "benchmark")


@dataclass(frozen=True)
class Coverage:
    """The grid of a table and its provenance.

    rows, along     the columns of the table that span the grid; row_values, along_values: their distinct values
    counts          [row][column]: rows of status ok; missing: the (row, column) pairs without any
    seeds           [row][column]: number of different seeds (0: the table has none)
    benchmarks      benchmark -> number of measured grid cells that have it
    where           column -> value, the selected rows; n_rows and all counts refer to them
    n_row_values, n_along_values   number of values; the grid has the first MOST_VALUES of each
    unfinished      of a sweep's folder: number of cells without a result
    statuses        status -> rows; only `ok` is ever fitted
    standard_errors rows with a standard error
    title, citation, licence   of a bundled table (else empty); sources: the sources that the rows name
    repeat_sd, repeat_freedom   the noise between runs (see `scatter`), None where nothing was run twice
    warnings        about the numbers, in sentences (see `table_warnings`)
    notes           the (code, message) pairs among them that a fit of the table gives
    """

    table: str
    n_rows: int
    rows: str
    along: str
    row_values: list[Any]
    along_values: list[Any]
    counts: list[list[int]]
    seeds: list[list[int]]
    missing: list[tuple[Any, Any]]
    benchmarks: dict[str, int]
    statuses: dict[str, int]
    standard_errors: int
    sources: list[str]
    title: str = ""
    citation: str = ""
    licence: str = ""
    warnings: tuple[str, ...] = ()
    unfinished: int = 0
    repeat_sd: float | None = None
    repeat_freedom: int = 0
    where: dict[str, str] = field(default_factory=dict)
    n_row_values: int = 0
    n_along_values: int = 0
    notes: tuple[Note, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For `--json`, where the warnings have the key `doubts`."""
        names = {"warnings": "doubts"}
        values = {name: value for name, value in asdict(self).items() if name != "notes"}
        return {names.get(name, name): value for name, value in values.items()}


def coverage(
    table: Any,
    where: Where = None,
    *,
    rows: str | None = None,
    along: str | None = None,
    inputs: Mapping[str, str | float] | None = None,
    target: str = "error",
    score: Mapping[str, float] | None = None,
    scale: Mapping[str, float] | None = None,
    as_is: bool = False,
) -> Coverage:
    """The coverage of a table.

    Args:
        table: a DataFrame, a path or a bundled name.
        where: `column=value` terms that the counted rows must all satisfy.
        rows, along: the columns that span the grid; by default the first of ROWS and of ALONG that vary.
        inputs, target, score, scale, as_is: how a fit reads the table, see `as_read`.

    Raises:
        InputError: for a table that cannot be read, an unknown column, a table without a grid, or an empty selection.
    """
    options: dict[str, Any] = {"inputs": inputs, "target": target, "score": score, "scale": scale}
    whole = read_table(table, where)
    frame = as_read(whole, where, **options, as_is=as_is)
    name = table if isinstance(table, str) else ""
    is_plain_bundled = name in bundled_tables() and not (inputs or score or scale) and target == "error"
    notes = () if as_is or is_plain_bundled else point_warnings(whole, where, **options)
    down, across = _axis(frame, rows, ROWS), _axis(frame, along, ALONG)
    valid = frame[_is_valid(frame) & frame[down].notna() & frame[across].notna()]
    row_values, along_values = _values(valid[down]), _values(valid[across])
    n_row_values, n_along_values = len(row_values), len(along_values)
    row_values, along_values = row_values[:MOST_VALUES], along_values[:MOST_VALUES]
    shown = valid
    if n_row_values > MOST_VALUES or n_along_values > MOST_VALUES:
        shown = valid[valid[down].isin(row_values) & valid[across].isin(along_values)]
    cells = shown.groupby([down, across])
    counts, seeds = cells.size().to_dict(), cells["seed"].nunique().to_dict()
    grid = [[int(counts.get((r, c), 0)) for c in along_values] for r in row_values]
    facts = describe(name) if name in bundled_tables() else {}
    spread, freedom = scatter(valid)
    return Coverage(
        table=name,
        n_rows=len(frame),
        rows=down,
        along=across,
        row_values=row_values,
        along_values=along_values,
        counts=grid,
        seeds=[[int(seeds.get((r, c), 0)) for c in along_values] for r in row_values],
        missing=[
            (r, c) for r, line in zip(row_values, grid, strict=True)
            for c, number in zip(along_values, line, strict=True) if not number
        ],
        benchmarks={
            str(benchmark): int(count) for benchmark, count in
            valid.drop_duplicates(["benchmark", down, across])["benchmark"].value_counts().sort_index().items()
        },
        statuses={str(k): int(v) for k, v in frame["status"].fillna(OK).value_counts().sort_index().items()},
        standard_errors=int(frame["error_se"].notna().sum()),
        sources=sorted(map(str, frame["source"].dropna().unique())),
        title=str(facts.get("title", "")),
        citation=str(facts.get("citation", "")),
        licence=str(facts.get("licence", "")),
        warnings=(
            *_cut(down, n_row_values), *_cut(across, n_along_values), *table_warnings(frame, name, notes)
        ),
        unfinished=_unfinished(table),
        repeat_sd=spread if freedom else None,
        repeat_freedom=freedom,
        where={column: str(value) for column, value in terms(where)},
        n_row_values=n_row_values,
        n_along_values=n_along_values,
        notes=notes,
    )  # fmt: skip


def _cut(column: str, count: int) -> Iterator[str]:
    if count > MOST_VALUES:
        yield f"The grid shows the first {MOST_VALUES} of {count:,} values of {column}."


def table_warnings(
    frame: pd.DataFrame, name: str = "", notes: Sequence[Note] | None = None
) -> tuple[str, ...]:
    """Warnings about a table's numbers, in sentences.

    Of every table: what a fit of it warns of or refuses, rows that are not used, several judges, and scores no better
    than guessing. Of a bundled table also the limitations that its sources state; of any other also equal numbers in
    two places, missing standard errors, and missing repeats.

    Args:
        frame: in the table's schema.
        name: of a bundled table.
        notes: of a fit, as `point_warnings` returns them; None: of a fit of the table as it is.
    """
    is_bundled = name in bundled_tables()
    if notes is None:
        notes = () if is_bundled else point_warnings(frame)
    texts = [message for _, message in notes]
    if is_bundled:
        return (*texts, *_shown(frame), *map(str, describe(name).get("limitations", ())))
    valid = frame[_is_valid(frame)]
    return (*texts, *_shown(frame), *_copies(valid), *_noise(valid))


def _is_valid(frame: pd.DataFrame) -> pd.Series:
    return frame["status"].isna() | (frame["status"] == OK)


def _shown(frame: pd.DataFrame) -> Iterator[str]:
    """Warnings about single rows."""
    for status, rows in frame.loc[~_is_valid(frame), "status"].value_counts().sort_index().items():
        yield f"{_rows(rows)} of status '{status}', not fitted and not counted as measured."
    valid = frame[_is_valid(frame)]
    judged = valid[["benchmark", "metric", "judge"]]
    if judged["judge"].notna().any():
        groups = judged.drop_duplicates().groupby(["benchmark", "metric"], dropna=False)["judge"]
        several = [(kind, list(group)) for kind, group in groups if len(group) > 1]
        for kind, judges_of in several[:MOST_SENTENCES]:
            judges = [name if isinstance(name, str) else "an unnamed judge" for name in judges_of]
            yield f"{kind[0]} was judged by {' and '.join(sorted(judges))}: these scores are not comparable."
    measured = valid[["benchmark", "metric"]].drop_duplicates().dropna().groupby("benchmark")["metric"]
    for benchmark, names in [(b, group) for b, group in measured if len(group) > 1][:MOST_SENTENCES]:
        metrics = sorted(names)
        yield (
            f"{benchmark} has {len(metrics)} metrics ({', '.join(metrics[:6])}{', ...' if len(metrics) > 6 else ''}): "
            "fit one of them with --where metric=NAME."
        )
    guessed = valid["chance_error"].notna() & (valid["error"] >= valid["chance_error"])
    if guessed.any():
        yield f"{_rows(guessed.sum())} no better than guessing: a fitted law says little about them."


def _kinds(rows: pd.DataFrame) -> pd.Series[str]:
    """The benchmark and metric of each row, as one text."""
    return rows[["benchmark", "metric"]].fillna("").astype(str).agg("\0".join, axis=1)


def _copies(valid: pd.DataFrame) -> Iterator[str]:
    """A warning about numbers with many digits that occur in two places of the grid, one of which may be a copy.

    Shares of a known or common number of examples are left out, as they coincide by chance.
    """
    key = ["benchmark", "metric", "error"]
    places = [c for c in (*ROWS, *ALONG) if c != "benchmark" and valid[c].notna().any()]
    error = valid["error"]
    many = (error > 0) & (error < 1) & ((error.round(6) - error).abs() > 1e-9) & valid["n_examples"].isna()
    equal = valid[many]
    equal = equal[equal.duplicated(key, keep=False)].drop_duplicates([*key, *places])
    equal = equal[equal.duplicated(key, keep=False)]
    if equal.empty:
        return
    kinds = _kinds(valid[many])
    shares = {kind for kind, group in error[many].groupby(kinds.to_numpy()) if _one_share(group)}
    equal = equal[~_kinds(equal).isin(shares)]
    groups = equal.groupby(key, dropna=False, sort=False)
    if not groups.ngroups:
        return
    first = next(iter(groups))[1]
    varied = [c for c in places if first[c].nunique() > 1]
    where = [
        ", ".join(f"{c} {_format(v)}" for c, v in row.items())
        for row in first[varied].head(3).to_dict("records")
    ]
    place = f"({first['error'].iloc[0]:.6g}) at {'; '.join(where)}"
    if groups.ngroups == 1:
        yield f"The same error to every digit {place}: a copy?"
    else:
        yield f"{groups.ngroups} errors are the same to every digit in several places, the first {place}: copies?"


LARGEST_TEST = 100_000
"""Questions of a test whose equal shares do not indicate a copy."""

FEWEST_SHARES = 4
"""Different errors needed to infer a common number of questions."""


def _one_share(errors: pd.Series) -> bool:
    """Whether all errors are multiples of one 1/n, as shares of n questions are."""
    common, different = 1, errors.unique()
    if len(different) < FEWEST_SHARES:
        return False
    for value in different[:1000]:
        share = Fraction(value).limit_denominator(LARGEST_TEST)
        if abs(value - float(share)) > 1e-13:
            return False
        common = math.lcm(common, share.denominator)
        if common > LARGEST_TEST:
            return False
    return True


def _noise(valid: pd.DataFrame) -> Iterator[str]:
    """Warnings about unknown noise."""
    kinds = valid["error_se_kind"].eq("binomial") & valid["error_se"].notna()
    if valid["error_se"].isna().all():
        yield "No row has a standard error."
    elif valid["error_se"].isna().any():
        yield f"{_rows(valid['error_se'].isna().sum())} without a standard error."
    if kinds.any():
        yield f"{_rows(kinds.sum())} with a binomial standard error, which covers only the noise of the questions."
    if len(valid) and not scatter(valid)[1]:
        key = [c for c in (*ROWS, *ALONG) if valid[c].notna().any()]
        if key and valid.duplicated(key).any():
            yield (
                "No score was measured twice with the same metric, judge and recipe, so the noise between training "
                "runs is unknown."
            )
        else:
            yield "Nothing was measured twice, so the noise between training runs is unknown."


SAME = ("experiment", "task_family", "metric", "judge", "text_tokens", "rate_factor")
TOKENS_APART = 1.02
"""Runs whose training tokens differ by more than this factor have different training lengths."""


def scatter(rows: pd.DataFrame, target: str = "error") -> tuple[float, int]:
    """The noise between runs: (standard deviation, degrees of freedom), NaN and 0 where nothing was run twice.

    Pooled over groups of rows that agree in every column that describes the model, its data, its recipe and its score,
    and whose seeds differ or are missing. Training tokens vary slightly between seeds, so differences up to 2% are
    ignored. A duplicated row is not a repeat.
    """
    own = [c for c in rows if c not in COLUMNS and c != target]
    alike = [c for c in (*ROWS, *ALONG, *SAME, *own) if c in rows and rows[c].notna().any()]
    if not alike:
        return math.nan, 0
    without = [c for c in alike if c != "train_tokens"]
    if without and without != alike:
        tokens = rows.groupby(without, dropna=False)["train_tokens"]
        if (tokens.max() / tokens.min()).fillna(1.0).max() <= TOKENS_APART:
            alike = without
    seeded = "seed" in rows and rows["seed"].notna().any()
    rows = rows.drop_duplicates([*alike, "seed"] if seeded else [*alike, target])
    groups = rows.groupby(alike, dropna=False)[target]
    freedom = int((groups.size() - 1).sum())
    squares = float(((rows[target] - groups.transform("mean")) ** 2).sum())
    return (math.sqrt(squares / freedom) if freedom else math.nan), freedom


def _rows(number: int) -> str:
    return f"{number} row{'' if number == 1 else 's'}"


def _format(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _unfinished(table: Any) -> int:
    """Number of cells of a sweep's folder without a part file."""
    folder = SweepFolder(Path(table)) if isinstance(table, str | Path) else None
    if folder is None or not os.path.isfile(folder.manifest):
        return 0
    return sum(not folder.cell(cell).is_file() for cell in stated_cells(folder)[1])


def _axis(frame: pd.DataFrame, requested: str | None, candidates: Sequence[str]) -> str:
    if requested is not None:
        if requested not in frame or frame[requested].isna().all():
            raise unknown("column", requested, (str(c) for c in frame.columns if frame[c].notna().any()))
        return requested
    there = [column for column in candidates if frame[column].notna().any()]
    varied = [column for column in there if frame[column].nunique() > 1]
    if not there:
        raise InputError(
            f"The table has none of {', '.join(candidates)}, so there is no grid to show.",
            code="missing_column",
        )
    return (varied or there)[0]


def _values(column: pd.Series) -> list[Any]:
    """The distinct values of a column in order; whole numbers as integers."""
    values = sorted(column.unique())
    return [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
