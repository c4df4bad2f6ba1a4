"""What is measured twice, in part, or under different conditions: one rule each, and a warning about it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from scalelaw.errors import Note
from scalelaw.table.schema import OK

PARTIAL = "partial"
AMBIGUOUS = "ambiguous"
CONDITIONS = {
    "judge": ("mixed_judges", "was judged by {}: such scores do not compare"),
    "n_shot": ("mixed_n_shot", "was measured with {} examples in the prompt"),
}
"""Columns that must agree where scores are compared: column -> warning code, and what to say of its values."""


@dataclass(frozen=True)
class Entry:
    """A row of the table and what tells it from the others.

    key: what was measured on what. place: where the number stands, as a person finds it (a file, a data row).
    arguments: the model's arguments as the tool wrote them.
    """

    key: tuple[Any, ...]
    row: dict[str, Any]
    place: str
    arguments: str = ""


def these(names: Iterable[str], most: int = 6) -> str:
    unique = sorted(set(names))
    return ", ".join(unique[:most]) + (f" and {len(unique) - most} more" if len(unique) > most else "")


def _cell(key: tuple[Any, ...], row: Mapping[str, Any], again: int = 0) -> str:
    """The row's id: what was measured on what, not where its file lay nor when."""
    words = (row["experiment"], *key, row["status"], *([again] if again else []))
    return hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()[:12]


def _places(entries: Iterable[Entry], most: int = 4) -> str:
    places = list(dict.fromkeys(entry.place for entry in entries))
    return " and ".join(places[:most]) + (f" and {len(places) - most} more" if len(places) > most else "")


def newest(entries: Iterable[Entry], warnings: list[Note]) -> list[dict[str, Any]]:
    """One row a key: a full run before a partial one, then the newest; without a time to go by, status `ambiguous`."""
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.key, []).append(entry)
    kept, older, unclear, settings = [], [], [], []
    for key, group in groups.items():
        group.sort(key=lambda e: (e.row["status"] == OK, e.row["started_at"] or "", e.row["source"]))
        best, last = dict(group[-1].row), group[-1]
        label = f"{best['benchmark']} of {best['model']}"
        tied = [e for e in group if all(e.row[c] == best[c] for c in ("status", "started_at"))]
        if len({e.row["value"] for e in tied}) > 1:
            best["status"] = AMBIGUOUS
            unclear.append(f"{label} ({_places(tied)})")
        elif len(group) > 1:
            older.append(f"{label} (kept {last.place}, not {_places(e for e in group if e is not last)})")
        if len({e.arguments for e in group}) > 1:
            settings.append(f"{best['model']} ({'; '.join(sorted({e.arguments[:80] for e in group})[:3])})")
        kept.append({**best, "cell": _cell(key, best)})
    if older:
        warnings.append(("duplicates", f"Of several results the newest full run was kept: {these(older)}."))
    if settings:
        warnings.append(
            (
                "mixed_arguments",
                f"Results that count as repeats were made with different model arguments: {these(settings)}. "
                "Give each its own line under 'models' in the file given with --models.",
            )
        )
    _warn_unclear(unclear, "no time says which is newer", warnings)
    kept.sort(key=lambda r: (str(r["model"]), str(r["benchmark"]), str(r["metric"]), r["cell"]))
    return kept


def repeats(entries: Iterable[Entry], warnings: list[Note]) -> list[dict[str, Any]]:
    """The rows of one file as `settled` has them, each with an id of its own."""
    times: Counter[tuple[Any, ...]] = Counter()
    rows = []
    for entry in settled(entries, warnings):
        rows.append({**entry.row, "cell": _cell(entry.key, entry.row, times[entry.key])})
        times[entry.key] += 1
    return rows


def settled(entries: Iterable[Entry], warnings: list[Note]) -> list[Entry]:
    """The entries of one file, in its order: a copy counts once; values that differ with nothing to tell them apart
    all get the status `ambiguous`. A key that begins with None is of a row whose model has no name."""
    first: dict[tuple[Any, ...], Entry] = {}
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    copies = []
    for entry in entries:
        content = tuple((name, value) for name, value in entry.row.items() if entry.key[0] or name != "model")
        if (twin := first.setdefault((entry.key, content), entry)) is not entry:
            copies.append(f"{_label(entry)} ({twin.place} and {entry.place})")
            continue
        groups.setdefault(entry.key, []).append(entry)
    unclear, conflicts = [], set[int]()
    for group in groups.values():
        believed = [e for e in group if e.row["status"] == OK]
        if len({(e.row.get("value"), e.row.get("error")) for e in believed}) > 1:
            conflicts |= {id(e) for e in believed}
            unclear.append(f"{_label(believed[0])} ({_places(believed)})")
    if copies:
        warnings.append(("duplicates", f"Rows that repeat another exactly count once: {these(copies)}."))
    _warn_unclear(unclear, "a column `seed`, or another column of the table, can tell them apart", warnings)
    return [
        replace(e, row={**e.row, "status": AMBIGUOUS}) if id(e) in conflicts else e for e in first.values()
    ]


def _label(entry: Entry) -> str:
    return f"{entry.row.get('benchmark') or 'error'} of {entry.row.get('model') or 'a model without a name'}"


def _warn_unclear(unclear: list[str], because: str, warnings: list[Note]) -> None:
    if unclear:
        warnings.append(
            (
                "ambiguous_duplicates",
                f"Several results of the same measurement differ and get the status '{AMBIGUOUS}' (never fitted): "
                f"{these(unclear)}; {because}.",
            )
        )


def flag(rows: list[dict[str, Any]], warnings: list[Note]) -> None:
    """Report rows that are never fitted, and rows that must not be fitted together."""
    for status, times in sorted(Counter(r["status"] for r in rows).items()):
        if status not in (OK, AMBIGUOUS):
            named = these(f"{r['benchmark']} of {r['model']}" for r in rows if r["status"] == status)
            code = "partial_runs" if status == PARTIAL else "unfinished_runs"
            warnings.append((code, f"{times} row(s) have status '{status}' and are never fitted: {named}."))
    for column, (code, sentence) in CONDITIONS.items():
        values: dict[tuple[Any, Any], set[str]] = {}
        for row in rows:
            absent = row.get(column) is None
            values.setdefault((row["benchmark"], row["metric"]), set()).add(
                "an unknown number of" if absent and column == "n_shot" else "no named judge" if absent
                else str(row[column])
            )  # fmt: skip
        for (benchmark, metric), different in sorted(values.items()):
            if len(different) > 1:
                what = sentence.format(" and ".join(sorted(different)))
                warnings.append((code, f"{benchmark}/{metric} {what}; choose with --where '{column}=...'."))
    _flag_metrics(rows, warnings)
    _flag_parts(rows, warnings)


def _flag_metrics(rows: list[dict[str, Any]], warnings: list[Note]) -> None:
    metrics: dict[str, set[str]] = {}
    for row in rows:
        metrics.setdefault(str(row["benchmark"]), set()).add(str(row["metric"]))
    several = {benchmark: names for benchmark, names in sorted(metrics.items()) if len(names) > 1}
    if several:
        examples = [f"{benchmark} ({these(names)})" for benchmark, names in list(several.items())[:4]]
        more = f" and {len(several) - 4} more" if len(several) > 4 else ""
        first = min(next(iter(several.values())))
        warnings.append(
            (
                "several_metrics",
                f"{len(several)} benchmark(s) have rows of several metrics: {'; '.join(examples)}{more}. "
                f"Fit one at a time: --where 'metric={first}'.",
            )
        )


def _flag_parts(rows: list[dict[str, Any]], warnings: list[Note]) -> None:
    benchmarks = {row["benchmark"] for row in rows}
    groups: dict[str, set[str]] = {}
    for row in rows:
        if (group := row.get("part_of")) in benchmarks:
            groups.setdefault(str(group), set()).add(str(row["benchmark"]))
    if groups:
        group, parts = next(iter(sorted(groups.items())))
        warnings.append(
            (
                "group_and_parts",
                f"{these(groups)} and their parts ({these(parts)}) are both in the table: to fit them together "
                f"counts the parts twice. Choose with --where 'benchmark={group}' or 'part_of={group}'.",
            )
        )
