"""What a table covers: its grid of measurements, what is missing from it, what is doubted, and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from scalelaw.errors import InputError, unknown
from scalelaw.files.paths import SweepFolder
from scalelaw.table.points import choose
from scalelaw.table.read import Where, bundled_tables, describe, read_table, stated_cells, terms
from scalelaw.table.schema import COLUMNS, OK

ROWS = ("n_params", "n_params_vision", "compressor", "model_family", "model")
MOST_SENTENCES = 10
"""Benchmarks that one kind of sentence names."""
MOST_VALUES = 300
"""Values of an axis of the grid; a table of measured runs has tens."""
ALONG = ("visual_tokens", "train_samples", "train_tokens", "benchmark")


@dataclass(frozen=True)
class Coverage:
    """The grid of a table, and what stands around it.

    rows, along     the columns of the table that span the grid; row_values, along_values: what they hold
    counts          [row][column]: rows of status ok; missing: the (row, column) pairs without any
    seeds           [row][column]: different seeds stated (0: none stated)
    benchmarks      benchmark -> how many of the grid's measured cells have it
    where           column -> value, what was chosen; n_rows and all that follows from rows is of the chosen
    n_row_values, n_along_values   how many values there are; the grid has the first MOST_VALUES of each
    unfinished      of a sweep's folder: how many of its cells have no result yet
    statuses        status -> rows; only `ok` is ever fitted
    standard_errors rows with a standard error
    title, citation, licence   of a bundled table (else empty); sources: what the rows name as theirs
    repeat_sd, repeat_freedom   the noise from one run to the next (see `scatter`), None where nothing ran twice
    doubts          about the numbers, in sentences (see `doubts_about`)
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
    doubts: tuple[str, ...] = ()
    unfinished: int = 0
    repeat_sd: float | None = None
    repeat_freedom: int = 0
    where: dict[str, str] = field(default_factory=dict)
    n_row_values: int = 0
    n_along_values: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def coverage(
    table: Any, where: Where = None, *, rows: str | None = None, along: str | None = None
) -> Coverage:
    """What a table covers; it may be a DataFrame, a path or a bundled name.

    where: `column=value` terms, all of which must hold of the rows that are looked at.

    rows, along: the columns that span the grid; by default the first of ROWS and of ALONG that vary.
    Raises InputError for a table that cannot be read, an unknown column, a table without both, or no such row.
    """
    frame = choose(read_table(table, where), where)
    name = table if isinstance(table, str) else ""
    down, across = _axis(frame, rows, ROWS), _axis(frame, along, ALONG)
    believed = frame[_believed(frame) & frame[down].notna() & frame[across].notna()]
    row_values, along_values = _values(believed[down]), _values(believed[across])
    n_row_values, n_along_values = len(row_values), len(along_values)
    row_values, along_values = row_values[:MOST_VALUES], along_values[:MOST_VALUES]
    shown = believed
    if n_row_values > MOST_VALUES or n_along_values > MOST_VALUES:
        shown = believed[believed[down].isin(row_values) & believed[across].isin(along_values)]
    cells = shown.groupby([down, across])
    counts, seeds = cells.size().to_dict(), cells["seed"].nunique().to_dict()
    grid = [[int(counts.get((r, c), 0)) for c in along_values] for r in row_values]
    facts = describe(name) if name in bundled_tables() else {}
    spread, freedom = scatter(believed)
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
            for c, held in zip(along_values, line, strict=True) if not held
        ],
        benchmarks={
            str(benchmark): int(count) for benchmark, count in
            believed.drop_duplicates(["benchmark", down, across])["benchmark"].value_counts().sort_index().items()
        },
        statuses={str(k): int(v) for k, v in frame["status"].fillna(OK).value_counts().sort_index().items()},
        standard_errors=int(frame["error_se"].notna().sum()),
        sources=sorted(map(str, frame["source"].dropna().unique())),
        title=str(facts.get("title", "")),
        citation=str(facts.get("citation", "")),
        licence=str(facts.get("licence", "")),
        doubts=(*_cut(down, n_row_values), *_cut(across, n_along_values), *doubts_about(frame, name)),
        unfinished=_unfinished(table),
        repeat_sd=spread if freedom else None,
        repeat_freedom=freedom,
        where={column: str(value) for column, value in terms(where)},
        n_row_values=n_row_values,
        n_along_values=n_along_values,
    )  # fmt: skip


def _cut(column: str, count: int) -> Iterator[str]:
    if count > MOST_VALUES:
        yield f"The grid shows the first {MOST_VALUES} of {count:,} values of {column}."


def doubts_about(frame: pd.DataFrame, name: str = "") -> tuple[str, ...]:
    """What to doubt about a table's numbers, in sentences: what the rows show (not believed, judged by several,
    scores no better than guessing), then of a bundled table what its file of sources states, of any other equal
    numbers in two places, missing standard errors, nothing measured twice.

    frame: in the table's schema. name: the table's, where it is a bundled one.
    """
    if name in bundled_tables():
        return (*_shown(frame), *map(str, describe(name).get("doubts", ())))
    held = frame[_believed(frame)]
    return (*_shown(frame), *_copies(held), *_noise(held))


def _believed(frame: pd.DataFrame) -> pd.Series:
    return frame["status"].isna() | (frame["status"] == OK)


def _shown(frame: pd.DataFrame) -> Iterator[str]:
    """What looks wrong about single rows."""
    for status, rows in frame.loc[~_believed(frame), "status"].value_counts().sort_index().items():
        yield f"{_rows(rows)} of status '{status}': never fitted, and not shown here as measured."
    held = frame[_believed(frame)]
    judged = held[["benchmark", "metric", "judge"]]
    if judged["judge"].notna().any():
        groups = judged.drop_duplicates().groupby(["benchmark", "metric"], dropna=False)["judge"]
        several = [(kind, list(group)) for kind, group in groups if len(group) > 1]
        for kind, found in several[:MOST_SENTENCES]:
            judges = [name if isinstance(name, str) else "no stated judge" for name in found]
            yield f"{kind[0]} was judged by {' and '.join(sorted(judges))}: such scores do not compare."
    measured = held[["benchmark", "metric"]].drop_duplicates().dropna().groupby("benchmark")["metric"]
    for benchmark, names in [(b, group) for b, group in measured if len(group) > 1][:MOST_SENTENCES]:
        metrics = sorted(names)
        yield (
            f"{benchmark} has {len(metrics)} metrics ({', '.join(metrics[:6])}{', ...' if len(metrics) > 6 else ''}): "
            "fit one of them with --where metric=...."
        )
    guessed = held["chance_error"].notna() & (held["error"] >= held["chance_error"])
    if guessed.any():
        yield f"{_rows(guessed.sum())} no better than guessing: a law says little there."


def _copies(held: pd.DataFrame) -> Iterator[str]:
    """Numbers with many digits in two places of the grid, one of which may be a copy: one sentence with their count.

    Shares of one number of examples, stated or not, are left out: those meet by chance.
    """
    key = ["benchmark", "metric", "error"]
    places = [c for c in (*ROWS, *ALONG) if c != "benchmark" and held[c].notna().any()]
    error = held["error"]
    many = (error > 0) & (error < 1) & ((error.round(6) - error).abs() > 1e-9) & held["n_examples"].isna()
    equal = held[many]
    equal = equal[equal.duplicated(key, keep=False)].drop_duplicates([*key, *places])
    equal = equal[equal.duplicated(key, keep=False)]
    if equal.empty:
        return
    kinds = held.loc[many, ["benchmark", "metric"]].fillna("").astype(str).agg("\0".join, axis=1)
    shares = {kind for kind, group in error[many].groupby(kinds) if _one_share(group)}
    equal = equal[~kinds.loc[equal.index].isin(shares)]
    groups = equal.groupby(key, dropna=False, sort=False)
    if not groups.ngroups:
        return
    first = next(iter(groups))[1]
    varied = [c for c in places if first[c].nunique() > 1]
    where = [
        ", ".join(f"{c} {_told(v)}" for c, v in row.items())
        for row in first[varied].head(3).to_dict("records")
    ]
    place = f"({first['error'].iloc[0]:.6g}) at {'; '.join(where)}"
    if groups.ngroups == 1:
        yield f"The same error to every digit {place}: a copy?"
    else:
        yield f"{groups.ngroups} errors are the same to every digit in several places, the first {place}: copies?"


LARGEST_TEST = 100_000
"""Questions of a test of which equal shares are no sign of a copy."""


FEWEST_SHARES = 4
"""Different errors from which a common number of questions is taken."""


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


def _noise(held: pd.DataFrame) -> Iterator[str]:
    """What the rows do not say about their own noise."""
    kinds = held["error_se_kind"].eq("binomial") & held["error_se"].notna()
    if held["error_se"].isna().all():
        yield "No row has a standard error."
    elif held["error_se"].isna().any():
        yield f"{_rows(held['error_se'].isna().sum())} without a standard error."
    if kinds.any():
        yield f"{_rows(kinds.sum())} with a binomial standard error: the noise of the questions alone."
    if len(held) and not scatter(held)[1]:
        key = [c for c in (*ROWS, *ALONG) if held[c].notna().any()]
        if key and held.duplicated(key).any():
            yield (
                "No score was measured twice with one metric, judge and recipe, so the noise between training runs is "
                "not known."
            )
        else:
            yield "Nothing was measured twice, so the noise from one training run to the next is not known."


SAME = ("experiment", "task_family", "metric", "judge", "text_tokens", "rate_factor")
TOKENS_APART = (
    1.02  # runs whose tokens differ by more than this factor were trained for different numbers of them
)


def scatter(rows: pd.DataFrame, target: str = "error") -> tuple[float, int]:
    """The noise from one run to the next: (standard deviation, degrees of freedom), nan and 0 where nothing ran twice.

    Pooled over the groups of rows that agree in all that a table knows of a model, its data, its recipe and its score,
    and in every column of its own, and whose seeds differ (or are not stated). The tokens of a run differ a little from
    seed to seed: up to 2 % do not tell rows apart. A row that stands twice is no repeat.
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


def _told(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _unfinished(table: Any) -> int:
    """How many cells that a sweep's folder names have no part file."""
    folder = SweepFolder(Path(table)) if isinstance(table, str | Path) else None
    if folder is None or not folder.manifest.is_file():
        return 0
    return sum(not folder.cell(cell).is_file() for cell in stated_cells(folder)[1])


def _axis(frame: pd.DataFrame, asked: str | None, candidates: Sequence[str]) -> str:
    if asked is not None:
        if asked not in frame or frame[asked].isna().all():
            raise unknown("column", asked, (str(c) for c in frame.columns if frame[c].notna().any()))
        return asked
    there = [column for column in candidates if frame[column].notna().any()]
    varied = [column for column in there if frame[column].nunique() > 1]
    if not there:
        raise InputError(
            f"The table holds none of {', '.join(candidates)}: there is no grid to show.",
            code="missing_column",
        )
    return (varied or there)[0]


def _values(column: pd.Series) -> list[Any]:
    """What a column holds, each once, in order; whole numbers as integers."""
    held = sorted(column.unique())
    return [int(v) if isinstance(v, float) and v == int(v) else v for v in held]
